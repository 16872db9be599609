"""Maps that follow the edges of their image and go on from slice to slice: the guided filter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import uniform_filter

SOFTNESS = 1.0
"""Variance of grey values, in robust standard deviations, below which a window has no edge."""
SEEN = 0.005
"""Where all of a map is below, it stays as it is."""
LEAST = 1e-6
"""Of what was looked at: 0 stands for what was not."""
SLAB = 32
"""Planes at a time: a large scan's intermediate results do not fit into memory."""


def follow_edges(
    anomaly: np.ndarray,
    image: np.ndarray,
    foreground: np.ndarray,
    level: tuple[float, float],
    radius: Sequence[int],
) -> None:
    """Replace a map by what is linear in its image within every window, in place.

    The guided filter (He, Sun and Tang, TPAMI 2013, Eqs. 5, 6 and 8) in three dimensions: it
    joins slices that were looked at one by one, and brings borders from the network's coarse
    grid to those of the image.

    Parameters
    ----------
    anomaly : ndarray [z, y, x] float32
        Changed; within 0..1.
    image : ndarray [z, y, x]
        That the map was made from.
    foreground : ndarray [z, y, x] bool
    level : (float, float)
        Median and robust standard deviation of the image.
    radius : sequence of int
        Of the windows along z, y and x, in voxels.
    """
    box = _box(anomaly, radius)
    if box is None:
        return
    held, guide, inside = anomaly[box].copy(), image[box], foreground[box]
    halo = 2 * radius[0]
    for first in range(0, len(held), SLAB):
        begin, end = max(0, first - halo), min(len(held), first + SLAB + halo)
        bright = np.nan_to_num(guide[begin:end].astype(np.float32))
        bright = np.where(inside[begin:end], np.clip((bright - level[0]) / level[1], -3, 5), -3)
        filtered = _guided(bright, held[begin:end], radius)
        own = slice(first - begin, min(first + SLAB, len(held)) - begin)
        into = anomaly[box][first : first + SLAB]
        np.clip(filtered[own], LEAST, 1, out=into)
        into *= inside[first : first + SLAB]


def _guided(image: np.ndarray, p: np.ndarray, radius: Sequence[int]) -> np.ndarray:
    """Q = mean(a) I + mean(b), where a I + b is the best fit to p in each window."""
    size = [2 * r + 1 for r in radius]
    mean_image, mean_p = uniform_filter(image, size), uniform_filter(p, size)
    covariance = uniform_filter(image * p, size) - mean_image * mean_p
    variance = uniform_filter(image * image, size) - mean_image**2
    a = covariance / (variance + SOFTNESS)
    b = mean_p - a * mean_image
    return uniform_filter(a, size) * image + uniform_filter(b, size)


def _box(anomaly: np.ndarray, radius: Sequence[int]) -> tuple[slice, ...] | None:
    """Where the map says something, and what its filtered values depend on."""
    seen = [np.zeros(n, bool) for n in anomaly.shape]
    for z, plane in enumerate(anomaly):
        hit = plane > SEEN
        seen[0][z] = hit.any()
        seen[1] |= hit.any(axis=1)
        seen[2] |= hit.any(axis=0)
    if not seen[0].any():
        return None
    spans = [np.flatnonzero(s)[[0, -1]] for s in seen]
    return tuple(
        slice(max(0, int(first) - 2 * r), int(last) + 1 + 2 * r)
        for (first, last), r in zip(spans, radius, strict=True)
    )
