"""From slices with positions to one regular grid, or a sentence why there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_medad.errors import MedadError

SAME_PLACE = 0.01
"""Slices closer than this (mm) lie at the same place."""
GAP_TOLERANCE = 0.02
"""Relative difference of gaps that is rounding, not irregularity."""
WIDEST_GAP = 3.0
"""Gaps of more than so many usual ones mean that slices are missing."""
UNEQUAL_GAPS = "Unequal slice gaps"
"""What the note of a resampled stack begins with."""
SMALLEST_COMMON = 0.1
"""Quantile of the gaps that counts as the usual one: finer stacks keep all their slices, and a
single narrow step between two stacks does not set the spacing of the whole."""


@dataclass(frozen=True, eq=False)
class Slab:
    """Voxels (i, j, k[, rgb]) with their LPS affine.

    Attributes
    ----------
    order : tuple of float
        Sorts slabs that lie at the same place into frames.
    notes : tuple of str
        What had to be changed.
    """

    voxels: np.ndarray
    affine: np.ndarray
    order: tuple[float, float] = (0.0, 0.0)
    notes: tuple[str, ...] = ()


def place_slices(slices: list[Slab], frame: int | None, where: str) -> Slab:
    """Stack single slices into one grid by their positions.

    A tilted gantry gives a sheared affine. Unequal gaps up to `WIDEST_GAP` usual ones are
    resampled linearly to the usual gap. Several images at each place are frames.

    Raises
    ------
    MedadError
        If slices differ in size or direction, are missing, or repeat unevenly.
    """
    first = slices[0]
    for other in slices:
        if other.voxels.shape != first.voxels.shape:
            raise MedadError(
                f"The slices of {where} differ in size ({first.voxels.shape[:2]} and "
                f"{other.voxels.shape[:2]}); give the folder of one series."
            )
        if np.abs(other.affine[:3, :2] - first.affine[:3, :2]).max() > 1e-3:
            raise MedadError(
                f"The slices of {where} differ in direction or pixel size (a localiser or several "
                "stacks); give the folder of one stack."
            )
    normal = first.affine[:3, 2] / np.linalg.norm(first.affine[:3, 2])
    places = _places(slices, normal)
    stack = _one_frame(places, frame, where)
    if len(stack) == 1:
        return stack[0]
    return _regular(stack, normal, where)


def _places(slices: list[Slab], normal: np.ndarray) -> list[list[Slab]]:
    """Slices grouped by place, from low to high along the normal."""
    slices = sorted(slices, key=lambda s: (float(s.affine[:3, 3] @ normal), s.order))
    places = [[slices[0]]]
    for slab in slices[1:]:
        step = float((slab.affine[:3, 3] - places[-1][0].affine[:3, 3]) @ normal)
        if step < SAME_PLACE:
            places[-1].append(slab)
        else:
            places.append([slab])
    return places


def _one_frame(places: list[list[Slab]], frame: int | None, where: str) -> list[Slab]:
    counts = {len(place) for place in places}
    if counts == {1}:
        return [place[0] for place in places]
    if len(counts) > 1:
        raise MedadError(
            f"{where} has {min(counts)} to {max(counts)} images at the same place, so its slices "
            "do not make whole volumes; give the folder of one complete series."
        )
    count = counts.pop()
    if frame is None or not 0 <= frame < count:
        raise MedadError(f"{where} holds {count} frames; pick one with --frame 0 to {count - 1}.")
    return [sorted(place, key=lambda s: s.order)[frame] for place in places]


def _regular(stack: list[Slab], normal: np.ndarray, where: str) -> Slab:
    positions = np.array([slab.affine[:3, 3] for slab in stack])
    depth = (positions - positions[0]) @ normal
    gaps = np.diff(depth)
    usual = float(np.quantile(gaps, SMALLEST_COMMON, method="lower"))
    line = (positions[-1] - positions[0]) / depth[-1]
    if np.abs(positions - (positions[0] + depth[:, None] * line)).max() > 0.5:
        raise MedadError(
            f"The slices of {where} do not lie on one line; give the folder of one stack."
        )
    voxels = np.concatenate([slab.voxels for slab in stack], axis=2)
    affine = stack[0].affine.copy()
    if np.abs(gaps - usual).max() <= GAP_TOLERANCE * usual:
        affine[:3, 2] = (positions[-1] - positions[0]) / (len(stack) - 1)
        return Slab(voxels, affine)
    if gaps.max() > WIDEST_GAP * usual:
        raise MedadError(
            f"{where} lacks slices: its usual gap is {usual:.3g} mm but one is "
            f"{gaps.max():.3g} mm; export the whole series."
        )
    affine[:3, 2] = line * usual
    at = np.arange(int(np.floor(depth[-1] / usual + 1e-6)) + 1) * usual
    note = (
        f"{UNEQUAL_GAPS} ({gaps.min():.3g} to {gaps.max():.3g} mm) were resampled to "
        f"{usual:.3g} mm."
    )
    return Slab(_interpolated(voxels, depth, at), affine, notes=(note,))


def _interpolated(voxels: np.ndarray, depth: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Slices at new depths, linear between neighbours, in the same dtype."""
    above = np.clip(np.searchsorted(depth, at), 1, depth.size - 1)
    share = ((at - depth[above - 1]) / (depth[above] - depth[above - 1])).clip(0, 1)
    out = np.empty((*voxels.shape[:2], at.size, *voxels.shape[3:]), voxels.dtype)
    for k, (high, s) in enumerate(zip(above, share, strict=True)):
        mixed = voxels[:, :, high - 1] * (1 - s) + voxels[:, :, high] * s
        out[:, :, k] = np.rint(mixed) if voxels.dtype.kind in "iu" else mixed
    return out
