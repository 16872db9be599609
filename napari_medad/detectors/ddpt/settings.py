"""What a user of DDPT may set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_medad.detectors.settings import Settings


class DdptSettings(Settings):
    """From attention to a map and a mask."""

    backbone_weights: str = Field(
        "",
        title="CLIP weights",
        description="File of ViT-B/32; empty: the one that the prompts were learned for",
        json_schema_extra={"advanced": True},
    )
    gate_at: float = Field(
        0.5,
        ge=0,
        le=1,
        title="Slice threshold",
        description="Slices less likely than this to be unhealthy stay empty; 0 for no gate",
    )
    mask_at: float = Field(
        0.5,
        gt=0,
        lt=1,
        title="Mask threshold",
        description="Share of a slice's maximal attention above which a pixel is marked",
    )
    frame: Literal["slice", "foreground"] = Field(
        "slice",
        title="Field of view",
        description="Show CLIP the whole slice (published) or the patient's bounding box",
    )
    quantised: bool = Field(
        False,
        title="8-bit attention",
        description="Round attention to 8 bits before enlarging, as the released code does",
        json_schema_extra={"advanced": True},
    )
