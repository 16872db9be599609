"""What a user of brat may set, and what shapes its network."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from napari_medad.detectors.settings import Settings

ADVANCED: dict[str, Any] = {"advanced": True}
Backbone = Literal["densenet121", "densenet169", "resnet50", "vit", "small"]
SEQUENCES = ("t1c", "t1n", "t2w", "t2f")
"""The channels of the multimodal model, in its order."""
TEMPERATURE = 0.1
"""Of the contrastive softmax, at first."""


class BratShape(Settings):
    """What shapes the network; trained weights bring their own values."""

    backbone: Backbone = Field(
        default="densenet121",
        title="Vision backbone",
        description="'small' is a DenseNet of few layers for few data",
    )
    modalities: tuple[str, ...] = Field(
        default=(),
        title="Modalities",
        description="One channel each; empty: one volume of any kind",
    )
    depth: int = Field(
        default=32, ge=1, title="Slices that the network sees", json_schema_extra=ADVANCED
    )
    side: int = Field(
        default=256, ge=32, title="Image size", json_schema_extra={"unit": "px", **ADVANCED}
    )
    queries: int = Field(default=32, ge=1, title="Views", json_schema_extra=ADVANCED)
    width: int = Field(default=768, ge=4, title="Width of the Q-Former", json_schema_extra=ADVANCED)
    layers: int = Field(
        default=12, ge=1, title="Layers of the Q-Former", json_schema_extra=ADVANCED
    )
    heads: int = Field(default=12, ge=1, title="Attention heads", json_schema_extra=ADVANCED)
    feed_forward: int = Field(
        default=3072, ge=4, title="Feed-forward width", json_schema_extra=ADVANCED
    )
    cross_every: int = Field(
        default=2, ge=1, title="Cross-attention in every n-th layer", json_schema_extra=ADVANCED
    )
    dropout: float = Field(
        default=0.1, ge=0, lt=1, title="Dropout of the Q-Former", json_schema_extra=ADVANCED
    )
    embedding: int = Field(default=256, ge=2, title="Embedding size", json_schema_extra=ADVANCED)
    vocabulary: int = Field(
        default=0, ge=0, title="Words in the vocabulary", json_schema_extra=ADVANCED
    )
    positions: int = Field(default=512, ge=2, title="Longest text", json_schema_extra=ADVANCED)
    reading: Literal["sentences", "report"] = Field(
        default="sentences",
        title="Reading",
        description="One feature of each sentence, or one of the whole report (Q-Former, CLIP)",
        json_schema_extra=ADVANCED,
    )
    pooled: bool = Field(
        default=False,
        title="One view",
        description="The mean of the vision tokens instead of the queries' views (CLIP)",
        json_schema_extra=ADVANCED,
    )
    task: Literal["pretraining", "classification", "segmentation"] = Field(
        default="pretraining", title="Task"
    )
    features: Literal["vision", "views"] = Field(
        default="vision",
        title="Features of the classifier",
        description="The backbone's tokens, or the queries' views, averaged",
    )
    classes: tuple[str, ...] = Field(
        default=(), title="Classes", description="Empty: those that the data name"
    )
    tied: bool = Field(
        default=True, title="One matrix for words in and out", json_schema_extra=ADVANCED
    )

    @property
    def channels(self) -> int:
        """Channels of the image."""
        return max(1, len(self.modalities))

    @property
    def size(self) -> tuple[int, int, int]:
        """Of the image that the network sees: superior, anterior, right."""
        return self.depth, self.side, self.side


class BratSettings(Settings):
    """How a study is looked at."""

    sentences: str = Field(
        "",
        title="Sentences",
        description="Findings to score, separated by semicolons, where no prompt is typed; empty "
        "for the usual ones",
    )
    maps: Literal["together", "each"] = Field(
        "together",
        title="Maps",
        description="One coarse map of all sentences, or one of each besides",
    )
    tokenizer: str = Field(
        "",
        title="Tokenizer",
        description="Folder or vocab.txt of the BERT that the weights were trained with, where "
        "they bring no vocabulary",
    )
    sharpness: float = Field(
        0.1,
        gt=0,
        le=1,
        title="Temperature of the maps",
        description="How much the best views of a sentence outweigh the others in its map",
        json_schema_extra=ADVANCED,
    )
