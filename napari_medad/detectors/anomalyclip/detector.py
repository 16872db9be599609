"""AnomalyCLIP over the slices of a study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from napari_medad.backbones.clip.catalogue import Shape
from napari_medad.backbones.clip.pictures import smoothed
from napari_medad.detectors.anomalyclip import CARD
from napari_medad.detectors.anomalyclip.network import BACKBONE, AnomalyClip, enlarged, layers_of
from napari_medad.detectors.anomalyclip.settings import AnomalyClipSettings
from napari_medad.detectors.clip_detector import ClipDetector, View
from napari_medad.detectors.detector import Case
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

    @property
    def variant(self) -> str:
        """Which layers count: as the user says, else as the prompts were learned."""
        asked = self.settings.variant
        return self.learned_variant if asked == "auto" else asked

    @property
    def learned_variant(self) -> str:
        """Which layers the prompts were learned from; the authors advise the last for theirs."""
        return str(self.adapters.settings.get("variant", "last"))

    def threshold(self, case: Case, state: View) -> float | None:
        """The training's, for maps that add up the same layers."""
        same = self.variant == self.learned_variant
        return super().threshold(case, state) if same else None

    def judge(self, pictures: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Sum over the layers of P(abnormal), smoothed, and the image's P(abnormal)."""
        output = self.network(self.clip, pictures, layers_of(self.clip.shape, self.variant), text)
        size = pictures.shape[-1]
        anomaly = torch.stack([enlarged(maps, size)[:, 1] for maps in output.maps]).sum(0)
        return smoothed(anomaly, self.settings.sigma), output.logits.float().softmax(-1)[:, 1]
