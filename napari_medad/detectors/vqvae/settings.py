"""Settings of the VQ-VAE."""

from __future__ import annotations

from pydantic import Field

from napari_medad.detectors.slice_settings import ADVANCED, ErrorSettings, SliceShape


class VqvaeShape(SliceShape):
    """Size of the image, of the codebook, and of the convolutions around it."""

    width: int = Field(
        64,
        ge=4,
        title="Width",
        description="Channels after the first stage; doubled after each other one",
        json_schema_extra=ADVANCED,
    )
    stages: int = Field(
        2,
        ge=1,
        le=5,
        title="Stages",
        description="Times that the image is halved; its side by 2^stages is the side of the grid "
        "of codes",
        json_schema_extra=ADVANCED,
    )
    codes: int = Field(256, ge=2, title="Codebook", json_schema_extra=ADVANCED)
    code_width: int = Field(64, ge=1, title="Width of a code", json_schema_extra=ADVANCED)
    commitment: float = Field(
        0.25, ge=0, title="Weight of the commitment loss (beta)", json_schema_extra=ADVANCED
    )


class VqvaeSettings(VqvaeShape, ErrorSettings):
    """What the user sets when detecting."""
