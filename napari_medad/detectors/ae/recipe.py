"""How the auto-encoder is taught."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from napari_medad.detectors.ae.detector import AeDetector
from napari_medad.detectors.ae.settings import AeShape
from napari_medad.detectors.reconstruction_recipe import ReconstructionRecipe
from napari_medad.detectors.training_slices import SliceOptions


class AeOptions(SliceOptions, AeShape):
    """Published defaults."""

    epochs: int = Field(250, ge=1, title="Epochs")
    batch_size: int = Field(64, ge=2, title="Batch size")
    learning_rate: float = Field(5e-4, gt=0, title="Learning rate")


class AeRecipe(ReconstructionRecipe):
    """Mean squared error over the whole image, Adam."""

    Options = AeOptions
    detector_type = AeDetector

    def losses(self, network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """MSE(x_hat, x)."""
        return {"loss": mse_loss(network(batch["image"]).float(), batch["image"])}
