"""What VAND learns from: slices with masks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import torch
from pydantic import Field
from torch import Tensor, nn

from napari_medad.backbones.clip.prompts import Ensemble
from napari_medad.detectors.clip_recipe import ClipOptions, ClipRecipe
from napari_medad.detectors.vand import CARD, losses
from napari_medad.detectors.vand.network import (
    ACTIVATION,
    BACKBONE,
    Vand,
    probabilities,
    prompt_features,
)


class VandOptions(ClipOptions):
    """Published defaults, with the benchmark's number of epochs."""

    epochs: int = Field(10, ge=1, title="Epochs")
    batch_size: int = Field(8, ge=1, title="Batch size")
    learning_rate: float = Field(1e-3, gt=0, title="Learning rate")
    seed: int = Field(111, ge=0, title="Random seed")
    object: str = Field("brain", title="Object", description="What the images show")


class VandRecipe(ClipRecipe):
    """L = sum over four stages of focal + Dice."""

    Options = VandOptions
    options: VandOptions
    backbone = BACKBONE
    activation = ACTIVATION
    needs_masks = True

    def network(self) -> nn.Module:
        """Random linear layers."""
        return Vand(self.clip.shape)

    @cached_property
    def text(self) -> Tensor:
        """Unit features [2, joint] of the prompts."""
        return prompt_features(self.clip, Ensemble.read(CARD.package), self.options.object)

    def losses(self, network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The sum over the stages."""
        images = batch["image"]
        output = network(self.clip_on(images), images, self.text.to(images.device))
        stages = [
            losses.pixel_loss(
                probabilities(maps, images.shape[-1]), batch["mask"], batch["importance"]
            )
            for maps in output.maps
        ]
        return {"loss": torch.stack(stages).sum()}

    def maps(self, network: nn.Module, images: Tensor) -> Tensor:
        """P(abnormal) [b, s, s], summed over the stages."""
        output = network(self.clip_on(images), images, self.text.to(images.device))
        size = images.shape[-1]
        return torch.stack([probabilities(m, size)[:, 1] for m in output.maps]).sum(0)

    def optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        """Adam with betas 0.5 and 0.999."""
        rate = self.options.learning_rate
        return torch.optim.Adam(network.parameters(), lr=rate, betas=(0.5, 0.999))
