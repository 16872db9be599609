"""How the denoising auto-encoder is taught."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn

from napari_medad.detectors.dae.detector import DaeDetector
from napari_medad.detectors.dae.losses import coarse_noise, denoising_loss
from napari_medad.detectors.dae.settings import DaeShape
from napari_medad.detectors.reconstruction_recipe import ReconstructionRecipe
from napari_medad.detectors.training_slices import SliceOptions


class DaeOptions(SliceOptions, DaeShape):
    """Published defaults."""

    epochs: int = Field(60, ge=1, title="Epochs")
    batch_size: int = Field(16, ge=1, title="Batch size")
    learning_rate: float = Field(1e-4, gt=0, title="Learning rate")
    noise: float = Field(
        0.2,
        gt=0,
        title="Noise",
        description="Standard deviation of the coarse noise, intensities being 0 to 1",
    )
    noise_grid: int = Field(
        16, ge=2, title="Noise grid", description="Rows and columns that the noise is drawn on"
    )


class DaeRecipe(ReconstructionRecipe):
    """Noise in, squared error to the clean image, Adam with a cosine schedule."""

    Options = DaeOptions
    options: DaeOptions
    detector_type = DaeDetector

    def losses(self, network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """MSE between the image and what is made of it with noise added."""
        image, foreground = batch["image"], batch["foreground"]
        noise = coarse_noise(foreground, self.options.noise, self.options.noise_grid)
        cleaned = network(image + noise).float()
        return {"loss": denoising_loss(cleaned, image, foreground)}

    def schedule(
        self, optimiser: torch.optim.Optimizer, steps: int
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """A cosine over all steps."""
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
