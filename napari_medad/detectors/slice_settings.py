"""What the methods that are taught slice by slice let the user set."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from napari_medad.detectors.settings import Settings

ADVANCED: dict[str, Any] = {"advanced": True}


class SliceShape(Settings):
    """How slices reach a network; trained weights bring their own values."""

    size: Literal[64, 128, 256] = Field(
        128, title="Image size", json_schema_extra={"unit": "px", **ADVANCED}
    )
    intensity: Literal["robust", "percentile", "rank"] = Field(
        "robust",
        title="Intensity scale",
        description="How a scan's intensities become 0 to 1 inside the foreground: by quartiles "
        "(a large lesion moves them least), by extreme percentiles, or by rank",
        json_schema_extra=ADVANCED,
    )


class ErrorSettings(Settings):
    """How reconstruction errors become the map."""

    polarity: Literal["both", "bright", "dark"] = Field(
        "both",
        title="Polarity",
        description="Which errors count: both signs (published), only where the scan is brighter, "
        "or only where it is darker than its reconstruction",
    )
    median: int = Field(
        5,
        ge=1,
        le=15,
        title="Median filter",
        description="Edge of the cube the anomaly map is median filtered with; 1: not at all",
        json_schema_extra={"unit": "voxels"},
    )
