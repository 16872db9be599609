"""The VQ-VAE over slices: absolute errors."""

from __future__ import annotations

from napari_medad.detectors.reconstruction_detector import ReconstructionDetector
from napari_medad.detectors.vqvae import CARD
from napari_medad.detectors.vqvae.network import Vqvae
from napari_medad.detectors.vqvae.settings import VqvaeShape


class VqvaeDetector(ReconstructionDetector):
    """Anomaly = |x - x_hat|."""

    card = CARD
    shape_type = VqvaeShape

    @classmethod
    def build(cls, shape: VqvaeShape) -> Vqvae:
        """A new VQ-VAE."""
        return Vqvae(shape)
