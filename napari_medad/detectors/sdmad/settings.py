"""What a user of SD-MAD may set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_medad.detectors.clip_settings import ReferenceSettings


class SdmadSettings(ReferenceSettings):
    """Signs, how they are selected, and what the pixel level compares with."""

    signs: str = Field(
        "",
        title="Signs",
        description="A shipped list, such as brain-fastmri, or a YAML file; empty: those learned",
    )
    select_signs: bool = Field(
        True,
        title="Select signs",
        description="Leave out signs that lie nearer to another category than to their own",
    )
    object: str = Field(
        "",
        title="Object",
        description="What the images show, in MVFA's prompts; empty: as learned, or the organ",
    )
    scaling: Literal["none", "case"] = Field(
        "none",
        title="Scale maps",
        description="Bring both maps of the pixel level to 0..1 over the whole case, which stands "
        "for the test set that the paper scales over, or leave them on their own scales",
    )
    sigma: float = Field(
        0.0,
        ge=0,
        le=20,
        title="Smoothing",
        description="Standard deviation of the Gaussian that maps are smoothed with; paper: 0",
        json_schema_extra={"unit": "pixels of the picture"},
    )
