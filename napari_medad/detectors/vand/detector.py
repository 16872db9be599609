"""VAND over the slices of a study, with prompts and, if given, normal scans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from napari_medad.backbones.clip.catalogue import Shape
from napari_medad.backbones.clip.pictures import smoothed
from napari_medad.backbones.clip.prompts import Ensemble
from napari_medad.backbones.clip.vision import Stage
from napari_medad.detectors.clip_detector import View
from napari_medad.detectors.clip_memory import RememberingDetector
from napari_medad.detectors.detector import Case
from napari_medad.detectors.vand import CARD
from napari_medad.detectors.vand.network import (
    ACTIVATION,
    BACKBONE,
    POSITIONS,
    Vand,
    probabilities,
    prompt_features,
)
from napari_medad.detectors.vand.settings import VandSettings


class VandDetector(RememberingDetector):
    """Anomaly map = sum over four stages of P(abnormal), and of the distance from normal."""

    card = CARD
    settings: VandSettings
    network: Vand
    backbone = BACKBONE
    activation = ACTIVATION

    def build(self, shape: Shape, settings: Mapping[str, Any]) -> Vand:
        """Four linear layers."""
        return Vand(shape)

    def stages_of(self, pictures: Tensor) -> list[Stage]:
        """Raw tokens of four stages."""
        return self.clip.vision.look(pictures, self.clip.shape.quarters(), POSITIONS).stages

    def read_text(self) -> Tensor:
        """Unit features [2, joint] of the ensembles."""
        asked = self.settings
        ensemble = Ensemble.read(CARD.package).changed_by_file(asked.prompts)
        ensemble = ensemble.changed(asked.normal, asked.abnormal, asked.templates)
        return prompt_features(self.clip, ensemble, asked.object).to(self.device.name)

    def judge(self, pictures: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of P(abnormal) over the stages, plus the distance from normal patches."""
        output = self.network(self.clip, pictures, text)
        size = pictures.shape[-1]
        anomaly = torch.stack([probabilities(m, size)[:, 1] for m in output.maps]).sum(0)
        if self.memory is not None:
            anomaly = anomaly + self.memory.distance(output.stages, size)
        return smoothed(anomaly, self.settings.sigma), output.logits.float().softmax(-1)[:, 1]

    def notes(self, case: Case, state: View) -> tuple[str, ...]:
        """Which prompts, and what the map's values are."""
        notes = [f"The prompts speak of '{self.settings.object}'. The map adds up four stages."]
        if self.memory is not None:
            count = len(self.memory.banks[-1])
            notes.append(
                f"Compared with {count} patches of {self.memory.slices} slices of normal scans. "
                "Slice scores are the prompts' alone: the paper's scale for the rest needs a whole "
                "test set."
            )
        return (*super().notes(case, state), *notes)
