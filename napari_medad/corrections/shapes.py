"""A finding's shape: grown, shrunk, smoothed, its holes and the slices between filled."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_medad.corrections.edit import Box, Edit, becomes, margin
from napari_medad.errors import MedadError

if TYPE_CHECKING:
    from napari_medad.corrections.correction import Correction

Report = Callable[[int, int], None]
"""Told how many of how many parts are done; may raise `Cancelled`."""


def grow(correction: Correction, number: int, by_mm: float) -> Edit:
    """A finding's edge moved outward by millimetres, inward where negative.

    Voxels whose centre lies within `by_mm` of a voxel of the finding join it; other findings
    stay as they are. Shrinking takes away those within `-by_mm` of a voxel that is not its own;
    the scan's border is no edge.

    Raises
    ------
    MedadError
        If there is no such finding (all functions here), or shrinking leaves nothing.
    """
    box, inside = _around(correction, number, max(by_mm, 0.0))
    spacing = correction.volume.spacing
    if by_mm >= 0:
        grown = ndimage.distance_transform_edt(~inside, sampling=spacing) <= by_mm
        return becomes(correction, f"grow {number} by {by_mm:g} mm", number, box, grown)
    kept = ndimage.distance_transform_edt(inside, sampling=spacing) > -by_mm
    if not kept.any():
        raise MedadError(
            f"Shrinking finding {number} by {-by_mm:g} mm leaves nothing of it; shrink it by "
            "less, or reject it."
        )
    return becomes(correction, f"shrink {number} by {-by_mm:g} mm", number, box, kept)


def smooth(correction: Correction, number: int, sigma_mm: float) -> Edit:
    """A finding's edge made smooth: its mask blurred by a Gaussian and cut at one half.

    Raises
    ------
    MedadError
        If nothing is left, as of a finding that is thinner than `sigma_mm`.
    """
    if not sigma_mm > 0:
        raise MedadError(f"Smoothing by {sigma_mm:g} mm is none; give a number above 0.")
    box, inside = _around(correction, number, 2 * sigma_mm)
    sigma = sigma_mm / np.array(correction.volume.spacing)
    kept = ndimage.gaussian_filter(inside.astype(np.float32), sigma, mode="nearest") > 0.5
    if not kept.any():
        raise MedadError(
            f"Smoothing finding {number} by {sigma_mm:g} mm leaves nothing of it; smooth by less."
        )
    return becomes(correction, f"smooth {number}", number, box, kept)


def fill_holes(correction: Correction, number: int, axis: int | None = None) -> Edit:
    """Background that a finding encloses joins it: in 3D, or in each slice along an axis."""
    box, inside = _around(correction, number, 0.0)
    if axis is None:
        filled = ndimage.binary_fill_holes(inside)
    else:
        planes = np.moveaxis(inside, axis, 0)
        filled = np.stack([ndimage.binary_fill_holes(plane) for plane in planes])
        filled = np.moveaxis(filled, 0, axis)
    return becomes(correction, f"fill holes of {number}", number, box, filled)


def fill_between(
    correction: Correction, number: int, axis: int, report: Report | None = None
) -> Edit:
    """Empty slices between painted ones, filled by shape-based interpolation.

    Between two slices the signed distance to the outline (mm) runs linearly from one to the
    other, each outline carried along with its centre of mass, and the finding is where it is
    positive. Slices that hold something of the finding stay as they are. After Raya and Udupa,
    IEEE Transactions on Medical Imaging 1990.

    Parameters
    ----------
    axis : int
        Slices are along this array axis.

    Raises
    ------
    MedadError
        If no slice is empty between two that are not.
    """
    box, inside = _around(correction, number, 0.0)
    planes = np.moveaxis(inside, axis, 0)
    painted = np.flatnonzero(planes.any(axis=(1, 2)))
    gaps = [(a, b) for a, b in pairwise(painted.tolist()) if b - a > 1]
    if not gaps:
        raise MedadError(
            f"Finding {number} has no empty slice between painted ones; paint it on two slices "
            "some way apart."
        )
    spacing = np.delete(correction.volume.spacing, axis)
    filled = planes.copy()
    for done, (first, last) in enumerate(gaps):
        if report is not None:
            report(done, len(gaps))
        filled[first + 1 : last] = _between(planes[first], planes[last], last - first, spacing)
    filled = np.moveaxis(filled, 0, axis)
    return becomes(correction, f"fill {number} between slices", number, box, filled)


def signed_distance(plane: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Distance in mm to the outline of a mask [h, w], positive inside."""
    padded = np.pad(plane, 1)
    inside = ndimage.distance_transform_edt(padded, sampling=spacing)
    outside = ndimage.distance_transform_edt(~padded, sampling=spacing)
    return (inside - outside)[1:-1, 1:-1]


def _between(first: np.ndarray, last: np.ndarray, steps: int, spacing: np.ndarray) -> np.ndarray:
    """Masks [steps - 1, h, w] between two slices."""
    centres = [np.array(ndimage.center_of_mass(plane)) for plane in (first, last)]
    travel = centres[1] - centres[0]
    pad = [(int(np.ceil(abs(t))) + 1,) * 2 for t in travel]
    ends = [signed_distance(np.pad(plane, pad), spacing) for plane in (first, last)]
    filled = np.zeros((steps - 1, *first.shape), bool)
    crop = tuple(slice(p[0], p[0] + n) for p, n in zip(pad, first.shape))
    for step in range(1, steps):
        share = step / steps
        there = ndimage.shift(ends[0], share * travel, order=1, mode="nearest")
        back = ndimage.shift(ends[1], (share - 1) * travel, order=1, mode="nearest")
        filled[step - 1] = ((1 - share) * there + share * back)[crop] > 0
    return filled


def _around(correction: Correction, number: int, mm: float) -> tuple[Box, np.ndarray]:
    """A finding's box with a margin, and its voxels in it.

    One voxel more on each side, where the scan has it, so that the finding's edge is seen.
    """
    reach = np.ceil(mm / np.array(correction.volume.spacing)) + 1
    box = margin(correction.box(number), correction.labels.shape, reach)
    return box, correction.labels[box] == number
