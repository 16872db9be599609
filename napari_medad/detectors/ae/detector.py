"""The auto-encoder over slices: squared errors."""

from __future__ import annotations

from napari_medad.detectors.ae import CARD
from napari_medad.detectors.ae.network import AutoEncoder
from napari_medad.detectors.ae.settings import AeShape
from napari_medad.detectors.reconstruction_detector import ReconstructionDetector


class AeDetector(ReconstructionDetector):
    """Anomaly = (x - x_hat)^2."""

    card = CARD
    shape_type = AeShape
    power = 2

    @classmethod
    def build(cls, shape: AeShape) -> AutoEncoder:
        """A new auto-encoder."""
        return AutoEncoder(shape)
