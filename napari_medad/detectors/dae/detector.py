"""The denoising auto-encoder over slices: absolute errors."""

from __future__ import annotations

from monai.networks.nets.basic_unet import BasicUNet

from napari_medad.detectors.dae import CARD
from napari_medad.detectors.dae.network import unet
from napari_medad.detectors.dae.settings import DaeShape
from napari_medad.detectors.reconstruction_detector import ReconstructionDetector


class DaeDetector(ReconstructionDetector):
    """Anomaly = |x - x_hat|, of the scan as it is, without noise."""

    card = CARD
    shape_type = DaeShape

    @classmethod
    def build(cls, shape: DaeShape) -> BasicUNet:
        """A new U-Net."""
        return unet(shape)
