"""Lesion by lesion: which are found, how well, and what is found where none is."""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import numpy as np

from napari_medad.evaluation.pooled import StreamedRanking

PRO_LIMIT = 0.3
"""False-positive rate up to which the per-region overlap is averaged."""
PRO_STEPS = 200


@dataclass(frozen=True)
class LesionFigures:
    """Of one volume; its lesions are 26-connected components of the truth.

    Attributes
    ----------
    lesions : int
    recall : float or None
        Share of lesions that a found voxel touches; None without lesion.
    dice : float or None
        Mean over lesions of the Dice of a lesion with the found components that touch it.
    false_positives : int
        Found components that touch no lesion.
    """

    lesions: int
    recall: float | None
    dice: float | None
    false_positives: int


@dataclass(frozen=True, eq=False)
class LesionMatches:
    """How much of each lesion is found.

    Attributes
    ----------
    labels : ndarray [z, y, x]
        0, or the lesion's number from 1 on.
    shares : ndarray [lesions]
        Of its voxels that are found, 0..1.
    dice : ndarray [lesions]
        With the found components that touch it.
    false_positives : int
        Found components that touch no lesion.
    """

    labels: np.ndarray
    shares: np.ndarray
    dice: np.ndarray
    false_positives: int


def lesion_matches(found: np.ndarray, truth: np.ndarray) -> LesionMatches:
    """From two masks [z, y, x] bool."""
    lesions, count = cc3d.connected_components(truth, connectivity=26, return_N=True)
    pieces, others = cc3d.connected_components(found, connectivity=26, return_N=True)
    both = truth & found
    pairs = np.unique(np.stack([lesions[both], pieces[both]], 1), axis=0).astype(int)
    sizes = np.bincount(pieces.ravel(), minlength=others + 1)
    true_sizes = np.bincount(lesions.ravel(), minlength=count + 1)[1:]
    hits = np.bincount(lesions[both], minlength=count + 1)[1:]
    touching = np.bincount(pairs[:, 0], sizes[pairs[:, 1]], count + 1)[1:]
    return LesionMatches(
        labels=lesions,
        shares=hits / np.maximum(true_sizes, 1),
        dice=2 * hits / np.maximum(true_sizes + touching, 1),
        false_positives=int(others - np.unique(pairs[:, 1]).size),
    )


def lesion_figures(found: np.ndarray, truth: np.ndarray) -> LesionFigures:
    """From two masks [z, y, x] bool."""
    matches = lesion_matches(found, truth)
    count = matches.dice.size
    return LesionFigures(
        lesions=count,
        recall=float(np.mean(matches.shares > 0)) if count else None,
        dice=float(matches.dice.mean()) if count else None,
        false_positives=matches.false_positives,
    )


class RegionOverlap:
    """PRO: mean share of each lesion that is found, over the false-positive rate up to 0.3.

    The area of Bergmann et al., MVTec AD (IJCV 2021), eq. 2, scaled to 0..1. Thresholds are
    spaced evenly in the false-positive rate, not in the score, so that none is wasted.

    Parameters
    ----------
    ranking : StreamedRanking
        Of all volumes.
    """

    def __init__(self, ranking: StreamedRanking) -> None:
        false, _ = ranking.rates()
        false, scores = false[::-1], ranking.scores[::-1]
        last = np.searchsorted(false, np.linspace(0, PRO_LIMIT, PRO_STEPS + 1), "right") - 1
        first_beyond = min(int(np.searchsorted(false, PRO_LIMIT, "right")), false.size - 1)
        kept = np.unique(np.append(last[last >= 0], first_beyond))
        self.thresholds, self.rates = scores[kept], false[kept]
        self._found = np.zeros(kept.size)
        self._lesions = 0

    def add(self, scores: np.ndarray, truth: np.ndarray) -> None:
        """Count the lesions of one volume, [z, y, x] each."""
        lesions = cc3d.connected_components(truth, connectivity=26)
        numbers, held = lesions[truth], scores[truth]
        order = np.argsort(numbers, kind="stable")
        bounds = np.flatnonzero(np.diff(numbers[order])) + 1
        for own in np.split(held[order], bounds):
            if own.size:
                below = np.searchsorted(np.sort(own), self.thresholds, "left")
                self._found += 1 - below / own.size
                self._lesions += 1

    def value(self) -> float | None:
        """The area; None without lesions or without other voxels."""
        if not self._lesions or not self.rates.size or self.rates[-1] == 0:
            return None
        rates = np.concatenate([[0.0], self.rates])
        overlap = np.concatenate([[0.0], self._found / self._lesions])
        grid = np.unique(np.append(rates[rates < PRO_LIMIT], PRO_LIMIT))
        highest = dict(zip(rates, overlap, strict=True))
        known = np.array(sorted(highest))
        at = np.interp(grid, known, [highest[rate] for rate in known])
        return float(np.trapezoid(at, grid) / PRO_LIMIT)
