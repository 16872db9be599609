"""Settings of the mixture of hallucination-aware experts."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from napari_medad.detectors.settings import Settings

ADVANCED: dict[str, Any] = {"advanced": True}


class MoeArchitecture(Settings):
    """What shapes the network; trained weights bring their own values."""

    size: Literal[64, 128, 256] = Field(
        256, title="Image size", json_schema_extra={"unit": "px", **ADVANCED}
    )
    decoder_fc: Literal["per_expert", "shared", "direct"] = Field(
        "per_expert",
        title="Decoder layers",
        description="Fully connected layers of the decoders: two in each expert (default of the "
        "method), two shared by all, or one in each",
        json_schema_extra=ADVANCED,
    )
    hidden: int = Field(
        2048,
        ge=16,
        title="Hidden width",
        description="Of the fully connected layers",
        json_schema_extra=ADVANCED,
    )
    top_k: int = Field(
        0, ge=0, title="Experts used (K)", description="0: all of them", json_schema_extra=ADVANCED
    )
    prompted: bool = Field(
        True,
        title="Use prompts",
        description="Off: the paper's ablation without prompts",
        json_schema_extra=ADVANCED,
    )
    hallucination: bool = Field(
        True,
        title="Hallucination head",
        description="Off: the paper's ablation without it",
        json_schema_extra=ADVANCED,
    )
    sigma: Literal["as written", "abs"] = Field(
        "as written",
        title="Sign of sigma",
        description="abs: experts' sigma cannot cancel out",
        json_schema_extra=ADVANCED,
    )
    likelihood: Literal["squared", "log variance"] = Field(
        "squared",
        title="Likelihood",
        description="squared: Eq. 5 with u squared; log variance: the free form of AE-U",
        json_schema_extra=ADVANCED,
    )
    intensity: Literal["robust", "percentile", "rank"] = Field(
        "robust",
        title="Intensity scale",
        description="How a scan's intensities become 0 to 1 inside the foreground: by quartiles "
        "(a large lesion moves them least), by extreme percentiles, or by rank",
        json_schema_extra=ADVANCED,
    )


class MoeSettings(MoeArchitecture):
    """What the user sets when detecting."""

    polarity: Literal["both", "bright", "dark", "auto"] = Field(
        "auto",
        title="Polarity",
        description="Which errors count: both signs (the paper), only brighter or only darker "
        "than expected; auto: bright on FLAIR, T2 and contrast-enhanced T1, both elsewhere",
    )
    median: int = Field(
        5,
        ge=1,
        le=15,
        title="Median filter",
        description="Edge of the cube the anomaly map is median filtered with; 1: not at all "
        "(the paper)",
        json_schema_extra={"unit": "voxels"},
    )
    clip_weights: str = Field(
        "",
        title="CLIP weights",
        description="File of CLIP ViT-B/32 for models trained with it; empty: the installed one",
        json_schema_extra=ADVANCED,
    )
