"""Means over patients with their bootstrap intervals."""

from __future__ import annotations

import numpy as np

from napari_medad.evaluation.evaluation import Spread

DRAWS = 2000
LEVEL = 0.95


def spread(values: np.ndarray, *, seed: int = 0, draws: int = DRAWS) -> Spread:
    """Mean, SD and 95 % bootstrap interval of the mean.

    Parameters
    ----------
    values : ndarray [patients]
        NaN where a patient has no such figure.
    seed : int
    draws : int
        Resamples of the patients, with replacement; percentile interval.
    """
    known = values[np.isfinite(values)]
    undefined = int(values.size - known.size)
    if not known.size:
        return Spread(mean=None, sd=None, patients=0, undefined=undefined)
    low = high = sd = None
    if known.size > 1:
        sd = float(known.std(ddof=1))
        low, high = bootstrap_interval(known, seed=seed, draws=draws)
    return Spread(
        mean=float(known.mean()),
        sd=sd,
        low=low,
        high=high,
        patients=known.size,
        undefined=undefined,
    )


def bootstrap_interval(
    values: np.ndarray, *, seed: int = 0, draws: int = DRAWS
) -> tuple[float, float]:
    """95 % percentile interval of the mean of values [n], resampled with replacement."""
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, values.size, (draws, values.size))].mean(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
