"""Grad-CAM over the slices of a study: which are abnormal, and roughly where."""

from __future__ import annotations

import numpy as np
from monai.networks.nets.resnet import ResNet
from monai.visualize.class_activation_maps import GradCAM
from torch import nn

from napari_medad.detectors.detector import Case, Prediction, SliceBatch
from napari_medad.detectors.framing import Scale, from_square
from napari_medad.detectors.gradcam import CARD
from napari_medad.detectors.gradcam.network import activation_map, classifier
from napari_medad.detectors.slice_settings import SliceShape
from napari_medad.detectors.trained_detector import TrainedDetector


class GradcamDetector(TrainedDetector):
    """Anomaly map = Grad-CAM over its maximum in the slice, in slices found abnormal."""

    card = CARD
    shape_type = SliceShape
    threshold_source = "the setting mask_at, a share of each slice's maximum"

    @classmethod
    def build(cls, shape: SliceShape) -> ResNet:
        """A new classifier; the image's size leaves no mark on it."""
        return classifier()

    def use(self, network: nn.Module) -> None:
        """Hook the stage that is looked at."""
        super().use(network.requires_grad_(False))
        self.cam = GradCAM(self.network, self.settings.layer)

    def predict(self, batch: SliceBatch, state: Scale) -> Prediction:
        """Maps, and the probability that each slice is abnormal."""
        inside = batch.foreground
        found, logits = activation_map(self.cam, self.images_of(batch, state))
        chance = logits.sigmoid().cpu().numpy()
        maps = from_square(found, inside.shape[1], inside.shape[2]) * inside
        peak = maps.max(axis=(1, 2), keepdims=True)
        maps = maps / np.maximum(peak, np.finfo(np.float32).tiny)
        gated = maps * (chance >= self.settings.gate_at)[:, None, None]
        return Prediction({"anomaly": gated, "attention": maps}, chance)

    def threshold(self, case: Case, state: Scale) -> float:
        """The share of the maximum that makes the mask."""
        return self.settings.mask_at

    def notes(self, case: Case, state: Scale) -> tuple[str, ...]:
        """What the map can and cannot say."""
        coarse = 2 ** int(self.settings.layer[-1])
        return (
            *super().notes(case, state),
            f"The map has {self.settings.size // coarse} cells a side; take the outline as rough.",
            "Slice scores are the probability that the slice is abnormal.",
        )
