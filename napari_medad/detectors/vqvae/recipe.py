"""How the VQ-VAE is taught."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from napari_medad.detectors.reconstruction_recipe import ReconstructionRecipe
from napari_medad.detectors.training_slices import SliceOptions
from napari_medad.detectors.vqvae.detector import VqvaeDetector
from napari_medad.detectors.vqvae.network import Vqvae
from napari_medad.detectors.vqvae.settings import VqvaeShape


class VqvaeOptions(SliceOptions, VqvaeShape):
    """Usual values."""

    epochs: int = Field(100, ge=1, title="Epochs")
    batch_size: int = Field(32, ge=1, title="Batch size")
    learning_rate: float = Field(3e-4, gt=0, title="Learning rate")


class VqvaeRecipe(ReconstructionRecipe):
    """Mean squared error and commitment; the codebook follows a running mean."""

    Options = VqvaeOptions
    detector_type = VqvaeDetector

    def losses(self, network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """MSE(x_hat, x) + beta |sg[e] - z|^2."""
        assert isinstance(network, Vqvae)
        reconstruction, commitment = network.with_commitment(batch["image"])
        error = mse_loss(reconstruction.float(), batch["image"])
        return {"loss": error + commitment, "error": error, "commitment": commitment}
