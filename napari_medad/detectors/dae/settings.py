"""Settings of the denoising auto-encoder."""

from __future__ import annotations

from pydantic import Field

from napari_medad.detectors.slice_settings import ADVANCED, ErrorSettings, SliceShape


class DaeShape(SliceShape):
    """Size of the image, and widths of the U-Net."""

    width: int = Field(
        32,
        ge=4,
        multiple_of=4,
        title="Width",
        description="Channels of the U-Net's first level; each of four pools doubles them once it "
        "has begun",
        json_schema_extra=ADVANCED,
    )


class DaeSettings(DaeShape, ErrorSettings):
    """What the user sets when detecting."""
