"""What AnomalyCLIP learns from: slices with masks, or with labels alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from napari_medad.detectors.anomalyclip import losses
from napari_medad.detectors.anomalyclip.network import BACKBONE, AnomalyClip, enlarged, layers_of
from napari_medad.detectors.anomalyclip.settings import Variant
from napari_medad.detectors.clip_recipe import ClipOptions, ClipRecipe


class AnomalyClipOptions(ClipOptions):
    """Published defaults."""

    epochs: int = Field(15, ge=1, title="Epochs")
    batch_size: int = Field(8, ge=1, title="Batch size")
    learning_rate: float = Field(1e-3, gt=0, title="Learning rate")
    seed: int = Field(111, ge=0, title="Random seed")
    context: int = Field(12, ge=1, le=60, title="Learned words of a prompt")
    deep: int = Field(4, ge=1, le=60, title="Learned tokens of a deeper block")
    depth: int = Field(8, ge=1, title="Blocks with learned tokens")
    variant: Variant = Field(
        "last",
        title="Layers",
        description="Learn from the last block (the authors' advice), from four (paper), or four "
        "times from the last (their code before April 2025)",
    )


class AnomalyClipRecipe(ClipRecipe):
    """L = cross-entropy of the image + 4 x (focal + Dice) of each layer's map."""

    Options = AnomalyClipOptions
    options: AnomalyClipOptions
    backbone: ClassVar[str] = BACKBONE

    def network(self) -> nn.Module:
        """Random prompts for the frozen CLIP."""
        options, shape = self.options, self.clip.shape
        depth = min(options.depth, shape.text_depth - 1)
        network = AnomalyClip(shape, options.context, options.deep, depth)
        network.bind(self.clip)
        return network

    def losses(self, network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The image's loss, and the pixels' where there are masks."""
        images, masked = batch["image"], batch["masked"]
        output = network(self.clip_on(images), images, self._layers())
        image = losses.image_loss(output.logits, batch["label"])
        pixel = image.new_zeros(())
        if masked.any():
            masks = batch["mask"][masked]
            counts = batch["importance"][masked]
            for maps in output.maps:
                large = enlarged(maps[masked], images.shape[-1])
                pixel = pixel + losses.pixel_loss(large, masks, counts)
        return {"loss": image + losses.LOCAL * pixel, "image": image, "pixel": pixel}

    def _layers(self) -> tuple[int, ...]:
        return layers_of(self.clip.shape, self.options.variant)

    def maps(self, network: nn.Module, images: Tensor) -> Tensor:
        """P(abnormal) [b, s, s], summed over the layers."""
        output = network(self.clip_on(images), images, self._layers())
        return torch.stack([enlarged(m, images.shape[-1])[:, 1] for m in output.maps]).sum(0)

    def optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        """Adam with betas 0.5 and 0.999."""
        rate = self.options.learning_rate
        return torch.optim.Adam(network.parameters(), lr=rate, betas=(0.5, 0.999))

    def model_settings(self) -> dict[str, Any]:
        """What shapes the network, and which CLIP it is for."""
        options = self.options
        depth = min(options.depth, self.clip.shape.text_depth - 1)
        return {
            **super().model_settings(),
            "context": options.context,
            "deep": options.deep,
            "depth": depth,
            "variant": options.variant,
        }
