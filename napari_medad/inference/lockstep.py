"""Detectors over a case: batch by batch, side by side where they look through one backbone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import zip_longest
from typing import Any

import numpy as np

from napari_medad.backbones.clip.passes import shared_passes
from napari_medad.detectors.detector import (
    Case,
    Detector,
    SliceBatch,
    SliceDetector,
    VolumeDetector,
)
from napari_medad.inference.progress import Callback, Reporter
from napari_medad.volumes import large_array
from napari_medad.volumes.slices import SlicePlan
from napari_medad.volumes.volume import AXES


class Run:
    """A detector on its way through a case.

    Attributes
    ----------
    state : object
        What the detector prepared for the case.
    maps : mapping of str to ndarray [z, y, x] float32
    scores : ndarray [slices] float32
    categories, chances : mapping of str to ndarray [slices] float32
    present : mapping of str to ndarray [slices] bool
    spent_s : float
        Seconds that it took.
    """

    def __init__(
        self,
        detector: Detector,
        case: Case,
        start: int | None,
        seed: int,
        progress: Callback | None,
    ) -> None:
        self.detector, self.case, self.seed = detector, case, seed
        self._start, self._progress = start, progress
        self.state: Any = None
        self.maps: Mapping[str, np.ndarray] = {}
        self.scores = np.empty(0, np.float32)
        self.categories: Mapping[str, np.ndarray] = {}
        self.chances: Mapping[str, np.ndarray] = {}
        self.present: Mapping[str, np.ndarray] = {}
        self.spent_s = 0.0

    def steps(self) -> Iterator[None]:
        """Go on by one batch each time; done when it ends."""
        work = self._volume() if isinstance(self.detector, VolumeDetector) else self._slices()
        began = time.monotonic()
        for _ in work:
            self.spent_s += time.monotonic() - began
            yield
            began = time.monotonic()
        self.spent_s += time.monotonic() - began

    def _volume(self) -> Iterator[None]:
        detector, case = self.detector, self.case
        assert isinstance(detector, VolumeDetector)
        self._prepare()
        report = Reporter(self._progress, 1, "steps")
        said = detector.predict_volume(case, self.state, report)
        self.maps = said.maps
        for values in self.maps.values():
            np.multiply(values, case.foreground, out=values)
        detector.finish(self.maps, case, self.state)
        means = _mean_scores(self.maps["anomaly"], case)
        skipped = np.isnan(means)
        self.scores = means if said.scores is None else np.where(skipped, np.nan, said.scores)
        self.categories, self.chances = (
            {name: np.where(skipped, np.nan, values) for name, values in given.items()}
            for given in (said.categories, said.chances)
        )
        self.present = {name: values & ~skipped for name, values in said.present.items()}
        yield

    def _slices(self) -> Iterator[None]:
        detector, case = self.detector, self.case
        assert isinstance(detector, SliceDetector)
        self._prepare()
        shape = case.volume.array.shape
        self.maps = {name: large_array.zeros(shape) for name in detector.outputs}
        plan = SlicePlan.of(case.foreground, case.axis)
        slices = shape[plan.axis]
        self.scores = np.full(slices, np.nan, np.float32)
        self.categories = {c: np.full(slices, np.nan, np.float32) for c in detector.categories}
        self.chances = {c: np.full(slices, np.nan, np.float32) for c in detector.categories}
        self.present = {c: np.zeros(slices, bool) for c in detector.categories}
        report = Reporter(self._progress, plan.indices.size)
        for indices in plan.batches(detector.batch_size, self._start):
            self._batch(detector, SliceBatch(case, plan, indices))
            report(report.done + indices.size, indices=indices, maps=self.maps)
            yield
        detector.finish(self.maps, case, self.state)

    def _prepare(self) -> None:
        import torch

        torch.manual_seed(self.seed)
        self.state = self.detector.prepare(self.case)

    def _batch(self, detector: SliceDetector, batch: SliceBatch) -> None:
        prediction = detector.predict(batch, self.state)
        inside = batch.foreground
        for name, values in prediction.maps.items():
            batch.plan.view(self.maps[name])[batch.indices] = np.where(inside, values, 0)
            large_array.release(self.maps[name])
        own, anomaly = prediction.scores, prediction.maps["anomaly"]
        self.scores[batch.indices] = _scores(own, anomaly, inside)
        for into, said in (
            (self.categories, prediction.categories),
            (self.chances, prediction.chances),
            (self.present, prediction.present),
        ):
            for name, values in said.items():
                into[name][batch.indices] = values


def groups(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs by the backbone that their detectors look through; one without is alone."""
    if len(runs) == 1:
        return [list(runs)]
    found: dict[object, list[Run]] = {}
    for run in runs:
        found.setdefault(run.detector.looks_through or id(run), []).append(run)
    return list(found.values())


def in_lockstep(runs: Sequence[Run]) -> None:
    """All runs to their ends, a batch of each in turn, so that only one batch need be kept."""
    with shared_passes() if len(runs) > 1 else nullcontext():
        for _ in zip_longest(*(run.steps() for run in runs)):
            pass


def _scores(own: np.ndarray | None, anomaly: np.ndarray, inside: np.ndarray) -> np.ndarray:
    if own is not None:
        return own
    return (anomaly * inside).sum(axis=(1, 2)) / np.maximum(inside.sum(axis=(1, 2)), 1)


def _mean_scores(anomaly: np.ndarray, case: Case) -> np.ndarray:
    """Mean anomaly over each slice's foreground; NaN where there is none."""
    inside = np.moveaxis(case.foreground, AXES[case.axis], 0)
    stacked = np.moveaxis(anomaly, AXES[case.axis], 0)
    means = (plane[here].mean() if here.any() else np.nan for plane, here in zip(stacked, inside))
    return np.fromiter(means, np.float32, len(stacked))
