"""AdaCLIP over the slices of a study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from napari_medad.backbones.clip.catalogue import Shape
from napari_medad.backbones.clip.pictures import smoothed
from napari_medad.backbones.clip.prompts import Ensemble
from napari_medad.detectors.adaclip import CARD
from napari_medad.detectors.adaclip.fusion import fused
from napari_medad.detectors.adaclip.network import (
    ACTIVATION,
    BACKBONE,
    AdaClip,
    Sentences,
    image_chances,
    map_of,
)
from napari_medad.detectors.adaclip.settings import AdaClipSettings
from napari_medad.detectors.clip_detector import ClipDetector, View
from napari_medad.detectors.detector import Case


class AdaClipDetector(ClipDetector):
    """Anomaly map = P(abnormal) from the mean logits of four stages, smoothed."""

    card = CARD
    settings: AdaClipSettings
    network: AdaClip
    backbone = BACKBONE
    activation = ACTIVATION

    def build(self, shape: Shape, settings: Mapping[str, Any]) -> AdaClip:
        """Prompts of the length and depth in the weights."""
        kept = {key: settings[key] for key in ("length", "depth") if key in settings}
        return AdaClip(shape, **kept)

    def read_text(self) -> Sentences:
        """Token numbers; the features depend on each image."""
        asked = self.settings
        ensemble = Ensemble.read(CARD.package).changed_by_file(asked.prompts)
        ensemble = ensemble.changed(asked.normal, asked.abnormal, asked.templates)
        sides = ensemble.sentences(asked.object.replace("-", " "))
        return Sentences(*(self.clip.text.tokens(side) for side in sides))

    def judge(self, pictures: Tensor, text: Sentences) -> tuple[Tensor, Tensor]:
        """P(abnormal) by pixel, and of the image from its fused feature."""
        output = self.network(self.clip, pictures, text)
        anomaly = smoothed(map_of(output.maps, pictures.shape[-1]), self.settings.sigma)
        feature = fused(output, self.settings.clusters, self.settings.variant)
        return anomaly, image_chances(feature, output.text)[:, 1]

    def notes(self, case: Case, state: View) -> tuple[str, ...]:
        """Which object the prompts speak of."""
        spoken = f"The prompts speak of '{self.settings.object}'."
        return (*super().notes(case, state), spoken)
