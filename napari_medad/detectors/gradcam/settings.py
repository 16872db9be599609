"""Settings of Grad-CAM."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_medad.detectors.settings import Settings
from napari_medad.detectors.slice_settings import SliceShape


class MapSettings(Settings):
    """From the classifier to a map and a mask."""

    layer: Literal["layer2", "layer3", "layer4"] = Field(
        "layer4",
        title="Layer",
        description="Stage of the network whose activations are weighted; the last one knows best "
        "what it sees, earlier ones where",
    )
    gate_at: float = Field(
        0.5,
        ge=0,
        le=1,
        title="Slice threshold",
        description="Slices less likely than this to be abnormal stay empty; 0 for no gate",
    )
    mask_at: float = Field(
        0.5,
        gt=0,
        lt=1,
        title="Mask threshold",
        description="Share of a slice's maximum above which a pixel is marked",
    )


class GradcamSettings(SliceShape, MapSettings):
    """What the user sets when detecting."""
