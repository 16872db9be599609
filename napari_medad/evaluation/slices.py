"""Axial slices with a lesion: how well each is outlined, how large it is and where it lies."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.stats import spearmanr

from napari_medad.evaluation.evaluation import SliceFigures

BINS = 20
"""Of the distance from the middle of the brain, -1..1."""


def slice_dice(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Dice of every axial slice.

    Parameters
    ----------
    found, truth : ndarray [z, y, x] bool

    Returns
    -------
    ndarray [z] float
        NaN in slices without lesion.
    """
    both = np.count_nonzero(found & truth, axis=(1, 2))
    true = np.count_nonzero(truth, axis=(1, 2))
    whole = np.count_nonzero(found, axis=(1, 2)) + true
    return np.where(true > 0, 2 * both / np.maximum(whole, 1), np.nan)


def centre_distance(brain: np.ndarray) -> np.ndarray:
    """Distance of every axial slice from the middle of the brain's extent along z.

    Parameters
    ----------
    brain : ndarray [z, y, x] bool
        The middle of the grid is taken where it is empty.

    Returns
    -------
    ndarray [z] float
        -1 at the brain's inferior end, +1 at its superior end.
    """
    inside = np.flatnonzero(brain.any(axis=(1, 2)))
    first, last = (inside[0], inside[-1]) if inside.size else (0, len(brain) - 1)
    half = max((last - first) / 2, 0.5)
    return (np.arange(len(brain)) - (first + last) / 2) / half


def slice_figures(
    found: np.ndarray, truth: np.ndarray, brain: np.ndarray, spacing: tuple[float, float, float]
) -> tuple[SliceFigures, ...]:
    """Figures of every slice with a lesion.

    Parameters
    ----------
    found, truth, brain : ndarray [z, y, x] bool
    spacing : (z, y, x) in mm
    """
    dice, distance = slice_dice(found, truth), centre_distance(brain)
    area = np.count_nonzero(truth, axis=(1, 2)) * spacing[1] * spacing[2]
    return tuple(
        SliceFigures(z=int(z), distance=float(distance[z]), lesion_mm2=area[z], dice=dice[z])
        for z in np.flatnonzero(area)
    )


def distance_curve(slices: Iterable[SliceFigures]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean Dice and count of slices by distance from the middle of the brain.

    Returns
    -------
    centres : ndarray [20]
        Of the bins of -1..1.
    dice : ndarray [20]
        NaN in empty bins.
    counts : ndarray [20] of int
    """
    held = list(slices)
    edges = np.linspace(-1, 1, BINS + 1)
    at = np.array([s.distance for s in held], float).clip(-1, 1)
    bins = np.clip(np.searchsorted(edges, at, "right") - 1, 0, BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    total = np.bincount(bins, [s.dice for s in held], BINS) if held else np.zeros(BINS)
    dice = np.where(counts > 0, total / np.maximum(counts, 1), np.nan)
    return (edges[:-1] + edges[1:]) / 2, dice, counts


def size_correlation(sizes: np.ndarray, dice: np.ndarray) -> float | None:
    """Spearman's rank correlation of lesion size and Dice, [n] each; None where undefined."""
    known = np.isfinite(sizes) & np.isfinite(dice)
    sizes, dice = sizes[known], dice[known]
    if sizes.size < 3 or np.ptp(sizes) == 0 or np.ptp(dice) == 0:
        return None
    return float(spearmanr(sizes, dice).statistic)
