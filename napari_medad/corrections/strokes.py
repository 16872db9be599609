"""Brush and eraser: a ball or a disc, in millimetres, drawn along a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_medad.corrections.edit import Box, Edit, flat_positions
from napari_medad.corrections.provenance import Provenance
from napari_medad.errors import MedadError

if TYPE_CHECKING:
    from napari_medad.corrections.correction import Correction


def paint(
    correction: Correction,
    points: np.ndarray,
    radius_mm: float,
    number: int,
    *,
    axis: int | None = None,
    over_others: bool = False,
) -> Edit:
    """A stroke of the brush.

    Parameters
    ----------
    points : ndarray [n, 3] float
        Array positions (z, y, x) that the stroke runs through.
    radius_mm : float
        Of the brush; voxels whose centre lies within it are painted, and always those that
        the points lie in.
    number : int
        The finding that is painted; may be new.
    axis : int, optional
        Slices are along this axis and the brush is a disc in them; default: a ball.
    over_others : bool
        Whether voxels of other findings are painted over.

    Raises
    ------
    MedadError
        If the radius is not positive or a point is not finite.
    """
    box, inside = stroke(correction, points, radius_mm, axis)
    held = correction.labels[box]
    inside &= (held != number) if over_others else (held == 0)
    where = flat_positions(correction.labels.shape, box, inside)
    return Edit("paint", where, number, int(Provenance.DRAWN))


def erase(
    correction: Correction,
    points: np.ndarray,
    radius_mm: float,
    *,
    axis: int | None = None,
    number: int | None = None,
) -> Edit:
    """A stroke of the eraser, as `paint`; of one finding only, where `number` is given."""
    box, inside = stroke(correction, points, radius_mm, axis)
    held = correction.labels[box]
    inside &= (held > 0) if number is None else (held == number)
    where = flat_positions(correction.labels.shape, box, inside)
    return Edit("erase", where, 0, int(Provenance.REMOVED))


def stroke(
    correction: Correction, points: np.ndarray, radius_mm: float, axis: int | None
) -> tuple[Box, np.ndarray]:
    """Box and mask of the voxels within a radius of a line through points."""
    points = np.atleast_2d(np.asarray(points, float))
    if not radius_mm > 0:
        raise MedadError(f"The brush's radius cannot be {radius_mm:g} mm; give one above 0.")
    if not np.isfinite(points).all():
        raise MedadError("A stroke runs through finite positions; draw it inside the scan.")
    spacing, shape = np.array(correction.volume.spacing), correction.labels.shape
    if axis is not None:
        points = points.copy()
        points[:, axis] = np.rint(points[:, axis])
    reach = np.ceil(radius_mm / spacing)
    if axis is not None:
        reach[axis] = 0
    low, high = points.min(axis=0) - reach, points.max(axis=0) + reach
    box = tuple(
        slice(int(np.clip(np.floor(a), 0, n)), int(np.clip(np.ceil(b) + 1, 0, n)))
        for a, b, n in zip(low, high, shape)
    )
    inside = np.zeros([part.stop - part.start for part in box], bool)
    starts = points[:-1] if len(points) > 1 else points
    for start, end in zip(starts, points[1:] if len(points) > 1 else points):
        inside |= _distance(box, spacing, start, end) <= radius_mm
    origin = np.array([part.start for part in box])
    nearest = np.rint(points).astype(int) - origin
    within = ((nearest >= 0) & (nearest < inside.shape)).all(axis=1)
    inside[tuple(nearest[within].T)] = True
    return box, inside


def _distance(box: Box, spacing: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Distance in mm of every voxel of a box to a line from start to end."""
    axes = np.ogrid[box]
    offset = [(along - a) * mm for along, a, mm in zip(axes, start, spacing)]
    line = (end - start) * spacing
    length = float(line @ line)
    share = sum(o * d for o, d in zip(offset, line)) / length if length else 0.0
    share = np.clip(share, 0.0, 1.0)
    return np.sqrt(sum((o - share * d) ** 2 for o, d in zip(offset, line)))
