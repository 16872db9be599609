"""A coarse detector's masks as prompts for MedSAM, slice by slice or followed through slices."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from napari_medad.backbones.medsam.prompts import Points, box_of, points_in
from napari_medad.backbones.medsam.sam import RELEASED, Sam, load_sam
from napari_medad.backbones.medsam.sam2 import Sam2, load_sam2
from napari_medad.detectors.detector import (
    Case,
    Prediction,
    SliceBatch,
    SliceDetector,
    VolumeDetector,
)
from napari_medad.detectors.medsam import CARD
from napari_medad.detectors.medsam.settings import MedsamSettings
from napari_medad.detectors.registry import load_detector
from napari_medad.errors import MedadError
from napari_medad.results.run_record import WeightsRecord
from napari_medad.volumes.slices import SlicePlan
from napari_medad.weights.installed import find_weights, installed_weights

Report = Callable[[int, int], None]


class MedsamDetector(VolumeDetector):
    """Anomaly map = MedSAM's probability in the slices that the source marks."""

    card = CARD
    settings: MedsamSettings
    threshold_source = "MedSAM's own 0.5"
    sam: Sam | Sam2

    def load(self, weights: str) -> None:
        """Load MedSAM."""
        untrained = weights == "untrained"
        self.weights = WeightsRecord(state="untrained", name="untrained")
        where = None if untrained else self._where(weights)
        if self.settings.generation == "medsam":
            self.network = load_sam(where or (None if untrained else RELEASED))
            self.sam = Sam(self.network)
        else:
            self.network = load_sam2(where, untrained=untrained)
            self.sam = Sam2(self.network)
        self.network.to(self.device.name)

    @cached_property
    def source(self) -> SliceDetector:
        """Whose masks become prompts; loaded when it is first asked.

        Raises
        ------
        MedadError
            If it has no weights, or does not look at slices.
        """
        untrained = self.weights.state == "untrained"
        source = load_detector(
            self.settings.source,
            device=self.device.name,
            weights="untrained" if untrained else self.settings.source_weights,
        )
        if not isinstance(source, SliceDetector):
            raise MedadError(
                f"The setting 'source' names '{self.settings.source}', which does not look at "
                "slices; name a slice detector such as ddpt."
            )
        return source

    def _where(self, weights: str) -> str | None:
        """Path of installed weights; None for the hub's, where none are installed."""
        installed = installed_weights(CARD.name)
        if (weights == "auto" and not installed) or (
            weights == "released" and weights not in installed
        ):
            self.weights = WeightsRecord(state="released", name=RELEASED)
            return None
        found = find_weights(CARD.name, weights, CARD.weights)
        self.weights = found.record()
        return str(found.path)

    def predict_volume(self, case: Case, state: Any, report: Report) -> Prediction:
        """Ask the source for masks, then MedSAM in the slices that have one."""
        plan = SlicePlan.of(case.foreground, case.axis)
        marked = self._marked(case, plan, report)
        anomaly = np.zeros(case.volume.array.shape, np.float32)
        view = plan.view(anomaly)
        inside = plan.view(case.foreground)
        wanted = np.flatnonzero(marked.any(axis=(1, 2)))
        grey = self._grey(plan.view(case.volume.array))
        if isinstance(self.sam, Sam2) and self.settings.propagate and wanted.size:
            key = int(marked.sum(axis=(1, 2)).argmax())
            view[:] = self.sam.follow(grey, key, **self._prompt(marked[key], key))
        else:
            for done, z in enumerate(wanted):
                self.sam.look(grey[z])
                view[z] = self.sam.ask(**self._prompt(marked[z], int(z)))
                report(plan.indices.size + done, plan.indices.size + wanted.size)
        view *= inside
        return Prediction({"anomaly": anomaly})

    def _marked(self, case: Case, plan: SlicePlan, report: Report) -> np.ndarray:
        """The source's masks in the planned crop, all slices, bool."""
        marked = np.zeros(plan.view(case.foreground).shape, bool)
        state, done = self.source.prepare(case), 0
        for indices in plan.batches(self.source.batch_size):
            maps = self.source.predict(SliceBatch(case, plan, indices), state).maps["anomaly"]
            peak = maps.max(axis=(1, 2), keepdims=True)
            marked[indices] = (maps > self.settings.source_mask_at * peak) & (peak > 0)
            done += indices.size
            report(done, 2 * plan.indices.size)
        return marked

    def _grey(self, slices: np.ndarray) -> np.ndarray:
        """Each slice's minimum..maximum as 0..255 with gamma, [n, h, w] uint8."""
        slices = np.nan_to_num(slices.astype(np.float32), posinf=0, neginf=0)
        low = slices.min(axis=(1, 2), keepdims=True)
        span = slices.max(axis=(1, 2), keepdims=True) - low
        share = np.floor(255 * (slices - low) / (span + 1e-8)) / 255
        return (255 * share**self.settings.gamma).astype(np.uint8)

    def _prompt(self, mask: np.ndarray, z: int) -> dict[str, Any]:
        """Box or points from one slice's mask; the same each time."""
        box = box_of(mask, self.settings.margin)
        assert box is not None
        if self.settings.prompt == "box":
            return {"box": box}
        points: Points = points_in(box, self.settings.points, np.random.default_rng(z))
        return {"points": points}

    def threshold(self, case: Case, state: Any) -> float:
        """The probability that MedSAM's authors cut at."""
        return 0.5

    def notes(self, case: Case, state: Any) -> tuple[str, ...]:
        """Whose boxes, and what points mean."""
        notes = [f"Prompts come from {self.settings.source}, weights {self.source.weights.state}."]
        if self.settings.prompt == "points":
            notes.append("MedSAM was trained on boxes only; points are off its label.")
        return tuple(notes)
