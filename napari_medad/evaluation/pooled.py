"""Voxels of hundreds of volumes ranked together, in memory that does not grow with them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from napari_medad.errors import MedadError
from napari_medad.evaluation.evaluation import PooledFigures

LEVELS = 1 << 20
"""Most distinct scores that are kept apart; beyond, neighbouring ones are merged in pairs."""
POINTS = 300
"""Most points of a curve that is kept for a plot."""
HISTOGRAM = 100
"""Bins of the score histograms."""
SIGN = np.uint32(1 << 31)


@dataclass(eq=False)
class StreamedRanking:
    """Counts of lesion and other voxels by score, exact until there are more than `levels` scores.

    A float32 score becomes a whole number of the same order (its bits, negative ones turned
    round). While too many differ, the last bit of all is dropped, which merges scores that
    are next to each other; a merged pair counts as a tie. With 2**20 levels AUROC, average
    precision and F1-max keep an error below 1e-4.

    Attributes
    ----------
    levels : int
        Most distinct scores that are kept apart.
    """

    levels: int = LEVELS
    shift: int = 0
    keys: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint32))
    lesion: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    others: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    def add(self, scores: np.ndarray, truth: np.ndarray) -> None:
        """Count the voxels of one volume.

        Parameters
        ----------
        scores : ndarray [n] float
        truth : ndarray [n] bool

        Raises
        ------
        MedadError
            If a score is not finite.
        """
        if not np.isfinite(scores).all():
            raise MedadError("The map holds NaN or infinite voxels; make it again without them.")
        keys = _ordered(scores) >> np.uint32(self.shift)
        lesion, hits = np.unique(keys[truth], return_counts=True)  # a sort each: no argsort of all
        others, alarms = np.unique(keys[~truth], return_counts=True)
        self._merge(
            np.concatenate([lesion, others]),
            np.concatenate([hits, np.zeros_like(alarms)]),
            np.concatenate([np.zeros_like(hits), alarms]),
        )

    def join(self, other: StreamedRanking) -> None:
        """Count another ranking's voxels too, as when volumes were counted apart."""
        while self.shift < other.shift:
            self._coarsen()
        drop = np.uint32(self.shift - other.shift)
        self._merge(other.keys >> drop, other.lesion, other.others)

    def _merge(self, keys: np.ndarray, lesion: np.ndarray, others: np.ndarray) -> None:
        all_keys = np.concatenate([self.keys, keys])
        self.keys, place = np.unique(all_keys, return_inverse=True)
        size = self.keys.size
        self.lesion = _sums(place, np.concatenate([self.lesion, lesion]), size)
        self.others = _sums(place, np.concatenate([self.others, others]), size)
        while self.keys.size > self.levels:
            self._coarsen()

    def _coarsen(self) -> None:
        self.shift += 1
        self.keys, place = np.unique(self.keys >> np.uint32(1), return_inverse=True)
        self.lesion = _sums(place, self.lesion, self.keys.size)
        self.others = _sums(place, self.others, self.keys.size)

    # What it says ---------------------------------------------------------------------------

    @property
    def scores(self) -> np.ndarray:
        """The lowest score of each level, ascending, [levels] float32."""
        return _scores(self.keys << np.uint32(self.shift))

    def rates(self) -> tuple[np.ndarray, np.ndarray]:
        """False- and true-positive rate where voxels at or above each level are found."""
        found, missed = np.cumsum(self.others[::-1])[::-1], np.cumsum(self.lesion[::-1])[::-1]
        return found / max(1, self.others.sum()), missed / max(1, self.lesion.sum())

    def auroc(self) -> float | None:
        """Chance that a lesion voxel outscores another one, ties counting half."""
        positives, negatives = int(self.lesion.sum()), int(self.others.sum())
        if not positives or not negatives:
            return None
        below = np.cumsum(self.others) - self.others
        return float((self.lesion * (below + self.others / 2)).sum() / positives / negatives)

    def average_precision(self) -> float | None:
        """Sum of recall steps times precision, as in scikit-learn; None without lesion."""
        positives = int(self.lesion.sum())
        if not positives:
            return None
        return float((self.lesion * self._precision()).sum() / positives)

    def best_f1(self) -> tuple[float, float] | None:
        """The highest F1 of any threshold, and that threshold: scores at or above it are found."""
        positives = int(self.lesion.sum())
        if not positives:
            return None
        hits = np.cumsum(self.lesion[::-1])[::-1]
        found = hits + np.cumsum(self.others[::-1])[::-1]
        f1 = 2 * hits / (found + positives)
        best = int(np.argmax(f1))
        return float(f1[best]), float(self.scores[best])

    def _precision(self) -> np.ndarray:
        hits = np.cumsum(self.lesion[::-1])[::-1]
        return hits / (hits + np.cumsum(self.others[::-1])[::-1])

    def figures(self, pro: float | None = None) -> PooledFigures:
        """Everything, with curves and histograms short enough to keep."""
        best = self.best_f1()
        positives, total = int(self.lesion.sum()), int(self.lesion.sum() + self.others.sum())
        edges, normal, lesion = self._histogram()
        false, true = (np.append(rate, 0.0) for rate in self.rates())
        defined = 0 < positives < total
        return PooledFigures(
            voxels=total,
            lesion_voxels=positives,
            auroc=self.auroc(),
            average_precision=self.average_precision(),
            f1_max=best[0] if best else None,
            f1_max_threshold=best[1] if best else None,
            pro=pro,
            roc=_thinned(false[::-1], true[::-1]) if defined else (),
            precision_recall=_thinned(true[:-1][::-1], self._precision()[::-1]) if defined else (),
            score_edges=edges,
            normal_counts=normal,
            lesion_counts=lesion,
        )

    def _histogram(self) -> tuple[tuple[float, ...], tuple[int, ...], tuple[int, ...]]:
        if not self.keys.size:
            return (), (), ()
        scores = self.scores.astype(float)
        width = scores[-1] - scores[0] or 1.0
        edges = np.linspace(scores[0], scores[0] + width, HISTOGRAM + 1)
        bins = np.clip(np.searchsorted(edges, scores, "right") - 1, 0, HISTOGRAM - 1)
        normal, lesion = (_sums(bins, counts, HISTOGRAM) for counts in (self.others, self.lesion))
        return tuple(edges.tolist()), tuple(normal.tolist()), tuple(lesion.tolist())


def _sums(place: np.ndarray, counts: np.ndarray, size: int) -> np.ndarray:
    """Whole-number sums by place; `bincount` with weights is exact up to 2**53."""
    return np.bincount(place, counts, size).astype(np.int64)


def _ordered(scores: np.ndarray) -> np.ndarray:
    """Whole numbers [n] uint32 in the order of the scores; -0 and 0 are one."""
    bits = (np.ascontiguousarray(scores, np.float32) + np.float32(0)).view(np.uint32)
    return np.where(bits & SIGN, ~bits, bits | SIGN)


def _scores(keys: np.ndarray) -> np.ndarray:
    return np.where(keys & SIGN, keys ^ SIGN, ~keys).astype(np.uint32).view(np.float32)


def _thinned(across: np.ndarray, up: np.ndarray) -> tuple[tuple[float, float], ...]:
    """At most `POINTS` points of a curve, evenly spaced along it, ends kept."""
    if across.size > POINTS:
        steps = np.abs(np.diff(across)) + np.abs(np.diff(up))
        along = np.concatenate([[0.0], np.cumsum(steps)])
        wanted = np.linspace(0, along[-1], POINTS)
        kept = np.unique(np.searchsorted(along, wanted).clip(0, across.size - 1))
        across, up = across[kept], up[kept]
    return tuple(zip(across.tolist(), up.tolist(), strict=True))
