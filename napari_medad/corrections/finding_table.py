"""Findings of a mask under correction, kept up to date from the changed voxels alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from napari_medad.corrections.history import Step
from napari_medad.corrections.provenance import Provenance, state_of
from napari_medad.results.findings import Finding
from napari_medad.volumes.volume import Volume


@dataclass(frozen=True)
class CorrectedFinding(Finding):
    """A finding of a mask under correction: all voxels of one label, connected or not.

    Attributes
    ----------
    state : str
        "detected", "edited", "confirmed" or "drawn"; see `provenance.state_of`.
    """

    state: str = "detected"


@dataclass
class _Tally:
    """Sums over one finding's voxels, in voxels."""

    voxels: int = 0
    score: float = 0.0
    position: np.ndarray = field(default_factory=lambda: np.zeros(3))
    provenance: np.ndarray = field(default_factory=lambda: np.zeros(len(Provenance), np.int64))
    first: np.ndarray = field(default_factory=lambda: np.full(3, np.iinfo(np.int64).max))
    last: np.ndarray = field(default_factory=lambda: np.full(3, -1))
    highest: float = -np.inf
    peak: tuple[int, ...] = (0, 0, 0)


class FindingTable:
    """Volume, place and scores of every finding.

    A step is added and subtracted voxel by voxel; only where it takes away the highest score
    or a face of a finding's box is that box looked at again.

    Parameters
    ----------
    labels : ndarray [z, y, x] uint16
        The mask; read when a box must be looked at again.
    anomaly : ndarray [z, y, x] float32
    volume : Volume
    """

    def __init__(self, labels: np.ndarray, anomaly: np.ndarray, volume: Volume) -> None:
        self._labels, self._anomaly, self._volume = labels, anomaly, volume
        self._tallies: dict[int, _Tally] = {}

    @property
    def ids(self) -> list[int]:
        """Findings that have a voxel."""
        return sorted(self._tallies)

    def box(self, number: int) -> tuple[slice, ...]:
        """Bounding box of a finding."""
        tally = self._tallies[number]
        return tuple(slice(int(a), int(b) + 1) for a, b in zip(tally.first, tally.last))

    def update(self, step: Step) -> None:
        """Take in a step that the mask already shows."""
        moved = np.flatnonzero(step.labels[0] != step.labels[1])
        places = np.stack(np.unravel_index(step.where[moved], step.shape), axis=1)
        scores = self._anomaly[tuple(places.T)]
        again: set[int] = set()
        for side, sign in ((0, -1), (1, 1)):
            ids, kinds = step.labels[side], step.provenance[side]
            pairs = np.bincount(ids.astype(np.int64) * len(Provenance) + kinds)
            for pair in np.flatnonzero(pairs[len(Provenance) :]) + len(Provenance):
                number, kind = divmod(int(pair), len(Provenance))
                self._tallies.setdefault(number, _Tally()).provenance[kind] += sign * pairs[pair]
            for number, mine in _by_id(ids[moved]):
                if self._count(self._tallies[number], places[mine], scores[mine], sign):
                    again.add(number)
        self._tallies = {n: tally for n, tally in self._tallies.items() if tally.voxels}
        for number in again & self._tallies.keys():
            self._look_again(number)

    def rows(self, categories: Mapping[int, str]) -> list[CorrectedFinding]:
        """The findings, by id."""
        return [self.row(n, categories.get(n, "")) for n in self.ids]

    def row(self, number: int, category: str = "") -> CorrectedFinding:
        """One finding."""
        tally = self._tallies[number]
        centre = self._volume.to_ras(tally.position / tally.voxels)
        extent = (tally.last - tally.first + 1) * np.array(self._volume.spacing)
        return CorrectedFinding(
            id=number,
            volume_ml=tally.voxels * self._volume.voxel_volume,
            max_score=tally.highest,
            mean_score=tally.score / tally.voxels,
            centroid_ras=tuple(centre.tolist()),
            peak_zyx=tally.peak,  # type: ignore[arg-type]
            extent_mm=tuple(extent.tolist()),
            slices=(int(tally.first[0]), int(tally.last[0])),
            category=category,
            state=state_of(tally.provenance),
        )

    @staticmethod
    def _count(tally: _Tally, places: np.ndarray, scores: np.ndarray, sign: int) -> bool:
        """Add or subtract voxels [n, 3]; whether box and peak must be looked at again."""
        tally.voxels += sign * len(places)
        tally.score += sign * float(scores.sum(dtype=np.float64))
        tally.position += sign * places.sum(axis=0)
        low, high, best = places.min(axis=0), places.max(axis=0), int(scores.argmax())
        if sign < 0:
            face = (low <= tally.first).any() or (high >= tally.last).any()
            return bool(face or scores[best] >= tally.highest)
        tally.first, tally.last = np.minimum(tally.first, low), np.maximum(tally.last, high)
        if scores[best] > tally.highest:
            tally.highest, tally.peak = float(scores[best]), tuple(places[best].tolist())
        return False

    def _look_again(self, number: int) -> None:
        """Box and peak from the mask, inside the box so far."""
        tally, box = self._tallies[number], self.box(number)
        inside = self._labels[box] == number
        start = np.array([s.start for s in box])
        for axis in range(3):
            others = tuple(a for a in range(3) if a != axis)
            hit = np.flatnonzero(inside.any(axis=others))
            tally.first[axis], tally.last[axis] = start[axis] + hit[0], start[axis] + hit[-1]
        scores = np.where(inside, self._anomaly[box], -np.inf)
        best = np.unravel_index(int(scores.argmax()), scores.shape)
        tally.highest, tally.peak = float(scores[best]), tuple((start + best).tolist())


def _by_id(ids: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each id but 0 with its positions in `ids` [n]."""
    if not ids.size:
        return
    order = np.argsort(ids, kind="stable")
    numbers, starts = np.unique(ids[order], return_index=True)
    for number, mine in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
        if number:
            yield number, mine
