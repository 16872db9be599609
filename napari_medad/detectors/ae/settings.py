"""Settings of the auto-encoder."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_medad.detectors.slice_settings import ADVANCED, ErrorSettings, SliceShape


class AeShape(SliceShape):
    """Size of the image and of the layers between convolutions and code."""

    size: Literal[64, 128, 256] = Field(
        64, title="Image size", json_schema_extra={"unit": "px", **ADVANCED}
    )
    hidden: int = Field(2048, ge=16, title="Hidden width", json_schema_extra=ADVANCED)
    code: int = Field(
        16,
        ge=1,
        title="Code",
        description="Numbers that a slice is squeezed into",
        json_schema_extra=ADVANCED,
    )


class AeSettings(AeShape, ErrorSettings):
    """What the user sets when detecting."""
