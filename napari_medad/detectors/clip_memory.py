"""Patches of normal images, remembered, and how far others are from all of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_medad.backbones.clip.pictures import enlarged
from napari_medad.backbones.clip.vision import Stage
from napari_medad.detectors.clip_detector import ClipDetector, View
from napari_medad.detectors.clip_settings import ReferenceSettings
from napari_medad.detectors.detector import Case, SliceBatch
from napari_medad.errors import MedadError
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.intensity import shown_range
from napari_medad.volumes.reader import read_study
from napari_medad.volumes.slices import SlicePlan
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

AT_ONCE = 2**25
"""Similarities that are held in memory at a time."""


@dataclass(frozen=True, eq=False)
class Memory:
    """Unit tokens [n, c] of normal patches for each stage, and the slices they come from."""

    banks: tuple[Tensor, ...]
    slices: int

    @classmethod
    def of(cls, images: Sequence[Sequence[Stage]]) -> Self:
        """From the stages of normal images, batch by batch."""
        banks = (torch.cat([s.tokens.flatten(0, 1) for s in stages]) for stages in zip(*images))
        slices = sum(len(stages[0].tokens) for stages in images)
        return cls(tuple(F.normalize(bank.float(), dim=-1) for bank in banks), slices)

    def distance(self, stages: Sequence[Stage], size: int) -> Tensor:
        """Sum over the stages of 1 - cosine to the nearest normal patch, [b, s, s]."""
        total = torch.zeros(())
        for bank, (tokens, (h, w)) in zip(self.banks, stages):
            unit = F.normalize(tokens.float(), dim=-1).flatten(0, 1)
            parts = unit.split(max(1, AT_ONCE // len(bank)))
            nearest = torch.cat([(part @ bank.T).amax(-1) for part in parts])
            maps = (1 - nearest).reshape(-1, 1, h, w)
            total = total.to(maps.device) + enlarged(maps, size)[:, 0]
        return total


class RememberingDetector(ClipDetector):
    """Compares patches with those of normal scans, where it was given some."""

    settings: ReferenceSettings
    memory: Memory | None = None
    _remembered: tuple[object, ...] | None = None

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

    @abstractmethod
    def stages_of(self, pictures: Tensor) -> list[Stage]:
        """What is remembered of normal pictures [b, 3, s, s]."""

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
        scale = shown_range(volume, foreground)
        shown, _ = self._slices(SliceBatch(case, plan, np.asarray(slices)), scale)
        pictures = self.pictures(shown)
        with self.device.computing():
            parts = [self.stages_of(part) for part in pictures.split(self.batch_size)]
        return [
            Stage(torch.cat([stage.tokens for stage in stages]), stages[0].grid)
            for stages in zip(*parts)
        ]


def _like(study: Study, case: Case) -> Volume:
    """The volume of a normal study that is of the case's kind."""
    return study.volume(case.volume_name if case.volume_name in study.volumes else None)
