"""What a user of AdaCLIP may set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_medad.detectors.clip_settings import PromptSettings


class AdaClipSettings(PromptSettings):
    """Prompts, and how the slice score comes about."""

    variant: Literal["code", "paper", "none"] = Field(
        "code",
        title="Fusion",
        description="Slice score from the class token and: the mean of 20 clusters of conspicuous "
        "patches (code), the most anomalous cluster (paper), or nothing else (none)",
    )
    clusters: int = Field(
        20,
        ge=1,
        le=100,
        title="Clusters",
        description="k of the k-means clustering; with variant code, 5 k patches are clustered",
        json_schema_extra={"advanced": True},
    )
    sigma: float = Field(
        4.0,
        ge=0,
        le=20,
        title="Smoothing",
        description="Standard deviation of the Gaussian that the map is smoothed with",
        json_schema_extra={"unit": "pixels of the picture"},
    )
