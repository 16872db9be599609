"""How well scores tell lesion voxels from the others, exactly, from one sort of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Ranking:
    """Lesion and other voxels at every score that a lesion voxel has.

    Between two such scores only false alarms change, so precision, recall and F1 have their
    steps and their maxima here, and nothing is approximated.

    Attributes
    ----------
    levels : ndarray [levels]
        Distinct scores of lesion voxels, ascending.
    at : ndarray [levels] of int
        Lesion voxels with exactly this score.
    below, ties : ndarray [levels] of int
        Other voxels with a lower score, and with exactly this score.
    positives, negatives : int
        Lesion voxels and other voxels in all.
    """

    levels: np.ndarray
    at: np.ndarray
    below: np.ndarray
    ties: np.ndarray
    positives: int
    negatives: int

    @classmethod
    def of(cls, scores: np.ndarray, truth: np.ndarray) -> Ranking:
        """From scores [n] float and truth [n] bool."""
        levels, at = np.unique(scores[truth], return_counts=True)
        others = np.sort(scores[~truth])
        below = np.searchsorted(others, levels, "left")
        ties = np.searchsorted(others, levels, "right") - below
        return cls(levels, at, below, ties, int(at.sum()), others.size)

    @cached_property
    def true_positives(self) -> np.ndarray:
        """Lesion voxels at or above each level."""
        return np.cumsum(self.at[::-1])[::-1]

    @cached_property
    def false_positives(self) -> np.ndarray:
        """Other voxels at or above each level."""
        return self.negatives - self.below

    @property
    def average_precision(self) -> float | None:
        """Sum of recall steps times precision, as in scikit-learn; None without lesion."""
        if not self.positives:
            return None
        precision = self.true_positives / (self.true_positives + self.false_positives)
        return float((self.at * precision).sum() / self.positives)

    @property
    def auroc(self) -> float | None:
        """Chance that a lesion voxel outscores another one, ties counting half (Mann-Whitney)."""
        if not self.positives or not self.negatives:
            return None
        won = self.at * (self.below + self.ties / 2)
        return float(won.sum() / self.positives / self.negatives)

    @property
    def best_f1(self) -> tuple[float, float] | None:
        """The highest F1 (Dice) of any threshold, and that threshold.

        Voxels *strictly above* the threshold are the ones found, as everywhere here.
        """
        if not self.positives:
            return None
        found = self.true_positives + self.false_positives
        f1 = 2 * self.true_positives / (found + self.positives)
        best = int(np.argmax(f1))
        level = self.levels[best]
        return float(f1[best]), float(np.nextafter(level, np.array(-np.inf, level.dtype)))


@dataclass(frozen=True)
class Overlap:
    """Counts of voxels of a mask against the truth."""

    true_positives: int
    false_positives: int
    false_negatives: int

    @classmethod
    def of(cls, found: np.ndarray, truth: np.ndarray) -> Overlap:
        """From two masks [n] bool."""
        both = int(np.count_nonzero(found & truth))
        return cls(both, int(np.count_nonzero(found)) - both, int(np.count_nonzero(truth)) - both)

    @property
    def dice(self) -> float | None:
        """2 TP / (2 TP + FP + FN); None where both masks are empty."""
        return _share(
            2 * self.true_positives,
            2 * self.true_positives + self.false_positives + self.false_negatives,
        )

    @property
    def sensitivity(self) -> float | None:
        """TP / (TP + FN); None without lesion."""
        return _share(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def precision(self) -> float | None:
        """TP / (TP + FP); None where nothing was found."""
        return _share(self.true_positives, self.true_positives + self.false_positives)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
