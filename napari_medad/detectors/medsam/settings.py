"""What a user of MedSAM after a coarse detector may set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_medad.detectors.settings import Settings


class MedsamSettings(Settings):
    """Whose mask is refined, and how it becomes a prompt."""

    source: str = Field(
        "ddpt", title="Source", description="Slice detector whose mask gives boxes or points"
    )
    source_weights: str = Field(
        "auto",
        title="Weights of the source",
        description="A name or path; auto: the best installed",
        json_schema_extra={"advanced": True},
    )
    prompt: Literal["box", "points"] = Field(
        "box",
        title="Prompt",
        description="Box around the source's mask, or points in that box (MedSAM was trained "
        "on boxes only)",
    )
    generation: Literal["medsam", "medsam2"] = Field(
        "medsam",
        title="Generation",
        description="MedSAM slice by slice, or MedSAM2, which can follow a lesion through slices",
    )
    propagate: bool = Field(
        False,
        title="Follow through slices",
        description="MedSAM2 only: prompt the slice with the largest mask and follow it",
    )
    margin: float = Field(
        10.0,
        ge=0,
        le=50,
        title="Margin of the box",
        json_schema_extra={"unit": "pixels"},
    )
    points: int = Field(10, ge=1, le=100, title="Number of points")
    gamma: float = Field(
        2.0,
        gt=0,
        le=4,
        title="Gamma",
        description="Exponent of grey values before MedSAM looks (published: 2)",
        json_schema_extra={"advanced": True},
    )
    source_mask_at: float = Field(
        0.5,
        gt=0,
        lt=1,
        title="Source threshold",
        description="Share of the source's maximum in a slice above which it marks",
        json_schema_extra={"advanced": True},
    )
