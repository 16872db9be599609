"""What a user of AnomalyCLIP may set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_medad.detectors.clip_settings import ClipSettings

Variant = Literal["last", "paper", "before-2025-04"]
"""Which layers' maps are added up."""


class AnomalyClipSettings(ClipSettings):
    """From similarity to a map. The prompts are learned, so there is no word to choose."""

    variant: Literal["auto", Variant] = Field(
        "auto",
        title="Layers",
        description="last: the last block, as the authors now test; paper: the sum over four "
        "blocks; before-2025-04: four times the last block, as their code did until then; auto: "
        "as the prompts were learned, else last",
    )
    sigma: float = Field(
        4.0,
        ge=0,
        le=20,
        title="Smoothing",
        description="Standard deviation of the Gaussian that the map is smoothed with",
        json_schema_extra={"unit": "pixels of the picture"},
    )
