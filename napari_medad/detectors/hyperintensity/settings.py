"""Settings of the hyperintensity baseline."""

from typing import Literal

from pydantic import Field

from napari_medad.detectors.settings import Settings


class HyperintensitySettings(Settings):
    """What counts as conspicuous."""

    polarity: Literal["bright", "dark", "both"] = Field(
        "bright",
        title="Polarity",
        description="Lesions brighter than the brain (FLAIR), darker (T1, cavities), or both.",
    )
    median: int = Field(
        3,
        ge=1,
        le=15,
        title="Median filter",
        description="Edge length of the cube the map is median filtered with; 1 leaves it as is.",
        json_schema_extra={"unit": "voxels"},
    )
