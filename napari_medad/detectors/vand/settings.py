"""What a user of VAND may set."""

from __future__ import annotations

from pydantic import Field

from napari_medad.detectors.clip_settings import PromptSettings, ReferenceSettings


class VandSettings(PromptSettings, ReferenceSettings):
    """Prompts, and normal scans to compare with."""

    sigma: float = Field(
        0.0,
        ge=0,
        le=20,
        title="Smoothing",
        description="Standard deviation of the Gaussian that the map is smoothed with; paper: 0",
        json_schema_extra={"unit": "pixels of the picture"},
    )
