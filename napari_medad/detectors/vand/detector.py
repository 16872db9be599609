"""VAND over the slices of a study, with prompts and, if given, normal scans."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_medad.backbones.clip.catalogue import Shape
from napari_medad.backbones.clip.pictures import pictures_of, smoothed
from napari_medad.backbones.clip.prompts import Ensemble
from napari_medad.backbones.clip.vision import Stage
from napari_medad.detectors.clip_detector import ClipDetector, View
from napari_medad.detectors.detector import Case, SliceBatch
from napari_medad.detectors.vand import CARD
from napari_medad.detectors.vand.memory import Memory
from napari_medad.detectors.vand.network import (
    ACTIVATION,
    BACKBONE,
    POSITIONS,
    Vand,
    probabilities,
    prompt_features,
)
from napari_medad.detectors.vand.settings import VandSettings
from napari_medad.errors import MedadError
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.intensity import IntensityRange
from napari_medad.volumes.reader import read_study
from napari_medad.volumes.slices import SlicePlan
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume


class VandDetector(ClipDetector):
    """Anomaly map = sum over four stages of P(abnormal), and of the distance from normal."""

    card = CARD
    settings: VandSettings
    network: Vand
    backbone = BACKBONE
    activation = ACTIVATION
    memory: Memory | None = None
    _remembered: tuple[object, ...] | None = None

    def build(self, shape: Shape, settings: Mapping[str, Any]) -> Vand:
        """Four linear layers."""
        return Vand(shape)

    def prepare(self, case: Case) -> View:
        """Prompts, grey scale, and the normal scans of the settings."""
        wanted = (*self.settings.references, case.axis)
        if self.settings.references and self._remembered != wanted:
            found = (read_study(path) for path in self.settings.references)
            self.remember([_like(study, case) for study in found], axis=case.axis)
            self._remembered = wanted
        return super().prepare(case)

    def remember(
        self,
        volumes: Iterable[Volume],
        *,
        slices: Sequence[Sequence[int] | None] | None = None,
        axis: str = "axial",
        report: Callable[[int, int], None] | None = None,
    ) -> None:
        """Compare from now on with these normal volumes also (the paper's few-shot mode).

        Parameters
        ----------
        volumes : iterable of Volume
            Normal, and of the kind that will be looked at.
        slices : sequence of (sequence of int or None), optional
            Which slices of each volume; None: as many as the setting says, spread evenly.
        axis : {"axial", "coronal", "sagittal"}
        report : callable, optional
            Takes volumes done and in all, before each volume; may raise to cancel.

        Raises
        ------
        MedadError
            If there is nothing to remember, or a slice is not there.
        """
        known = list(volumes)
        if not known:
            raise MedadError("There is no normal scan to remember; give at least one.")
        self._remembered = None
        chosen = slices or [None] * len(known)
        stages = []
        for done, (volume, named) in enumerate(zip(known, chosen)):
            if report is not None:
                report(done, len(known))
            stages.append(self._stages(volume, named, axis))
        self.memory = Memory.of(stages)

    @property
    def remembered(self) -> int:
        """Slices that were given to `remember`, not by the settings."""
        return self.memory.slices if self.memory and self._remembered is None else 0

    def forget(self) -> None:
        """Compare with prompts alone again."""
        self.memory = self._remembered = None

    def _stages(self, volume: Volume, slices: Sequence[int] | None, axis: str) -> list[Stage]:
        """Tokens of a normal volume's slices."""
        foreground = foreground_of(volume)
        plan = SlicePlan.of(foreground, axis)
        if slices is None:
            count = min(self.settings.reference_slices, plan.indices.size)
            inner = np.linspace(0, plan.indices.size - 1, count + 2)[1:-1].round().astype(int)
            slices = np.unique(plan.indices[inner]).tolist()
        depth = volume.array.shape[plan.axis]
        beyond = next((z for z in slices if not 0 <= z < depth), None)
        if beyond is not None:
            raise MedadError(f"The normal scan has no slice {beyond}; it has 0 to {depth - 1}.")
        study = Study.from_volumes("normal", {"normal": volume})
        case = Case(study, "normal", foreground, axis)
        scale = IntensityRange.of(volume.array, foreground) if volume.rgb is None else None
        shown, _ = self._slices(SliceBatch(case, plan, np.asarray(slices)), scale)
        pictures = pictures_of(shown, self.size, self.interpolation).to(self.device.name)
        with self.device.computing():
            layers = self.clip.shape.quarters()
            parts = [
                self.clip.vision.look(part, layers, POSITIONS).stages
                for part in pictures.split(self.batch_size)
            ]
        return [
            Stage(torch.cat([stage.tokens for stage in stages]), stages[0].grid)
            for stages in zip(*parts)
        ]

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


def _like(study: Study, case: Case) -> Volume:
    """The volume of a normal study that is of the case's kind."""
    return study.volume(case.volume_name if case.volume_name in study.volumes else None)
