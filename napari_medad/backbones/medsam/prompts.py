"""Boxes and points in pixels of the slice they are drawn on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Box:
    """A rectangle [x0, x1] x [y0, y1] in pixels; pixel (0, 0) covers 0..1."""

    x0: float
    y0: float
    x1: float
    y1: float

    def scaled(self, shape: tuple[int, int], size: int) -> list[float]:
        """x0, y0, x1, y1 after the slice of `shape` [h, w] is resized to size x size."""
        h, w = shape
        return [
            self.x0 / w * size,
            self.y0 / h * size,
            self.x1 / w * size,
            self.y1 / h * size,
        ]


@dataclass(frozen=True, eq=False)
class Points:
    """Points a user clicked, or that were drawn from a mask.

    Attributes
    ----------
    xy : ndarray [n, 2] float
        Centres in pixels, x first.
    inside : ndarray [n] bool
        Whether each point is on the lesion or off it.
    """

    xy: np.ndarray
    inside: np.ndarray

    def scaled(self, shape: tuple[int, int], size: int) -> np.ndarray:
        """Coordinates [n, 2] after the slice of `shape` [h, w] is resized to size x size."""
        h, w = shape
        return np.asarray(self.xy, np.float32) / (w, h) * size


def box_of(mask: np.ndarray, margin: float = 10) -> Box | None:
    """The mask's [h, w] bounding box, pushed out by a margin in pixels; None if it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    h, w = mask.shape
    return Box(
        max(0.0, columns[0] - margin),
        max(0.0, rows[0] - margin),
        min(float(w), columns[-1] + 1 + margin),
        min(float(h), rows[-1] + 1 + margin),
    )


def points_in(box: Box, count: int, generator: np.random.Generator) -> Points:
    """Points drawn uniformly from a box, all said to be on the lesion (published)."""
    xy = generator.uniform((box.x0, box.y0), (box.x1, box.y1), (count, 2))
    return Points(xy, np.ones(count, bool))
