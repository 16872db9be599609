"""What a user of RASALoRE may set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_medad.detectors.settings import Settings


class RasaloreSettings(Settings):
    """How the maps of slices become the map of a volume."""

    volumes: Literal["all", "chosen"] = Field(
        "all",
        title="Volumes",
        description="Look at every contrast of the study, or at the chosen volume alone",
    )
    mirror: bool = Field(
        False,
        title="Mirror",
        description="Look at each slice twice, the second time mirrored, and average",
    )
    edges: bool = Field(
        True,
        title="Follow edges",
        description="Join slices and bring borders to those of the image, as far as the weights "
        "are made for it; their threshold holds with it",
    )
    smooth_mm: float = Field(
        0.0,
        ge=0,
        le=10,
        title="Smoothing through slices",
        description="Standard deviation of a Gaussian across slices; 0 is off",
        json_schema_extra={"unit": "mm"},
    )
    clean_ml: float = Field(
        0.0,
        ge=0,
        le=20,
        title="Clean-up",
        description="Suppress 3D components (map above 0.5) smaller than this; 0 is off",
        json_schema_extra={"unit": "mL"},
    )
    gate: str = Field(
        "",
        title="Slice gate",
        description="Detector whose slice score decides which slices are looked at "
        "(ddpt); empty for none",
    )
    gate_at: float = Field(
        0.5,
        ge=0,
        le=1,
        title="Gate threshold",
        description="Slices that the gate scores below this are left empty",
        json_schema_extra={"advanced": True},
    )
