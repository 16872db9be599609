"""AnomalyCLIP over the slices of a study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from napari_medad.backbones.clip.catalogue import Shape
from napari_medad.backbones.clip.pictures import smoothed
from napari_medad.detectors.anomalyclip import CARD
from napari_medad.detectors.anomalyclip.network import BACKBONE, AnomalyClip, enlarged
from napari_medad.detectors.anomalyclip.settings import AnomalyClipSettings
from napari_medad.detectors.clip_detector import ClipDetector
from napari_medad.errors import MedadError


class AnomalyClipDetector(ClipDetector):
    """Anomaly map = probability of the learned abnormal prompt, by patch, smoothed."""

    card = CARD
    settings: AnomalyClipSettings
    network: AnomalyClip
    backbone = BACKBONE

    def build(self, shape: Shape, settings: Mapping[str, Any]) -> AnomalyClip:
        """Contexts and deep tokens of the lengths in the weights."""
        kept = {key: settings[key] for key in ("context", "deep", "depth") if key in settings}
        return AnomalyClip(shape, **kept)

    def read_text(self) -> Tensor:
        """Unit features [2, joint] of the two prompts.

        Raises
        ------
        MedadError
            If the prompts were learned for another CLIP.
        """
        if self.adapters.tensors is not None and not self.network.fits(self.clip):
            raise MedadError(
                f"The weights '{self.weights.name}' of anomalyclip were learned for another CLIP "
                f"than the one in use ({self.clip.backbone.name}); choose it with --set backbone=."
            )
        with torch.inference_mode():
            return self.network.text(self.clip)

    def layers(self) -> tuple[int, ...]:
        """Blocks whose maps are added."""
        shape = self.clip.shape
        if self.settings.variant == "paper":
            return shape.quarters()
        return (shape.depth,) * (4 if self.settings.variant == "before-2025-04" else 1)

    def judge(self, pictures: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Sum over the layers of P(abnormal), smoothed, and the image's P(abnormal)."""
        output = self.network(self.clip, pictures, self.layers(), text)
        size = pictures.shape[-1]
        anomaly = torch.stack([enlarged(maps, size)[:, 1] for maps in output.maps]).sum(0)
        return smoothed(anomaly, self.settings.sigma), output.logits.float().softmax(-1)[:, 1]
