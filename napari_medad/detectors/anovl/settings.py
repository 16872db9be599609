"""What a user of AnoVL may set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_medad.detectors.clip_settings import PromptSettings


class AnovlSettings(PromptSettings):
    """Prompts, and how the features are adapted to each slice."""

    domain: Literal["industrial", "textural", "medical"] = Field(
        "industrial",
        title="Domain",
        description="What kind of image the sentences speak of; industrial is published",
    )
    steps: int = Field(
        5,
        ge=0,
        le=100,
        title="Adaptation steps",
        description="Steps of test-time adaptation on each slice; 0 for none",
    )
    adapter: Literal["text", "linear"] = Field(
        "text",
        title="Adapter",
        description="text: a weighting of all sentences (the authors' MVTec script); linear: a "
        "linear layer (their VisA script)",
        json_schema_extra={"advanced": True},
    )
    learning_rate: float = Field(
        1e-3,
        gt=0,
        le=1,
        title="Adaptation rate",
        description="Learning rate of the adaptation",
        json_schema_extra={"advanced": True},
    )
    views: bool = Field(
        False,
        title="Scores from 22 views",
        description="Mean slice score over turned, shifted and mirrored copies; 22 times the work",
        json_schema_extra={"advanced": True},
    )
