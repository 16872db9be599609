"""What a user of VAND may set."""

from __future__ import annotations

from pydantic import Field

from napari_medad.detectors.clip_settings import PromptSettings


class VandSettings(PromptSettings):
    """Prompts, and normal scans to compare with."""

    references: tuple[str, ...] = Field(
        (),
        title="Normal scans",
        description="Files of normal scans of the same kind, whose patches are remembered; "
        "empty: prompts alone",
    )
    reference_slices: int = Field(
        8,
        ge=1,
        le=64,
        title="Slices of a normal scan",
        description="How many slices of each normal scan are remembered, spread evenly",
    )
    sigma: float = Field(
        0.0,
        ge=0,
        le=20,
        title="Smoothing",
        description="Standard deviation of the Gaussian that the map is smoothed with; paper: 0",
        json_schema_extra={"unit": "pixels of the picture"},
    )
