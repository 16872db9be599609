"""What AdaCLIP learns from: slices with masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from napari_medad.backbones.clip.pictures import enlarged
from napari_medad.backbones.clip.prompts import Ensemble
from napari_medad.detectors.adaclip import CARD, losses
from napari_medad.detectors.adaclip.fusion import fused
from napari_medad.detectors.adaclip.network import (
    ACTIVATION,
    BACKBONE,
    AdaClip,
    Output,
    Sentences,
    image_chances,
    map_of,
)
from napari_medad.detectors.clip_recipe import ClipOptions, ClipRecipe


class AdaClipOptions(ClipOptions):
    """Published defaults."""

    epochs: int = Field(5, ge=1, title="Epochs")
    batch_size: int = Field(1, ge=1, title="Batch size")
    learning_rate: float = Field(0.01, gt=0, title="Learning rate")
    seed: int = Field(111, ge=0, title="Random seed")
    object: str = Field("brain", title="Object", description="What the images show")
    length: int = Field(5, ge=1, le=60, title="Prompts of a block")
    depth: int = Field(4, ge=1, title="Blocks with prompts")
    clusters: int = Field(20, ge=1, title="Clusters")


class AdaClipRecipe(ClipRecipe):
    """L = focal of the image + sum over four stages of focal + Dice of both channels."""

    Options = AdaClipOptions
    options: AdaClipOptions
    backbone = BACKBONE
    activation = ACTIVATION
    needs_masks = True

    def network(self) -> nn.Module:
        """Random prompts and projections."""
        return AdaClip(self.clip.shape, self.options.length, self.options.depth)

    def _look(self, network: nn.Module, images: Tensor) -> Output:
        clip = self.clip_on(images)
        sides = Ensemble.read(CARD.package).sentences(self.options.object.replace("-", " "))
        return network(clip, images, Sentences(*(clip.text.tokens(side) for side in sides)))

    def losses(self, network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The image's loss and the stages'; in training each stage has its own softmax."""
        images = batch["image"]
        output = self._look(network, images)
        chances = image_chances(fused(output, self.options.clusters, "code"), output.text)
        image = losses.image_loss(chances, batch["label"])
        stages = [enlarged(maps, images.shape[-1]).softmax(1) for maps in output.maps]
        targets = batch["mask"], batch["importance"]
        pixel = torch.stack([losses.pixel_loss(stage, *targets) for stage in stages]).sum()
        return {"loss": image + pixel, "image": image, "pixel": pixel}

    def maps(self, network: nn.Module, images: Tensor) -> Tensor:
        """P(abnormal) [b, s, s]."""
        return map_of(self._look(network, images).maps, images.shape[-1])

    def optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        """AdamW with betas 0.5 and 0.999."""
        rate = self.options.learning_rate
        return torch.optim.AdamW(network.parameters(), lr=rate, betas=(0.5, 0.999))

    def model_settings(self) -> dict[str, Any]:
        """What shapes the network, and which CLIP it is for."""
        shaping = {"length": self.options.length, "depth": self.options.depth}
        return {**super().model_settings(), **shaping}
