"""What radiologists measure: diameters of a finding in its slices, and distances."""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import numpy as np
from scipy.spatial import ConvexHull, cKDTree

from napari_medad.errors import MedadError
from napari_medad.volumes.volume import Volume


@dataclass(frozen=True)
class Diameters:
    """The two diameters of a finding as RECIST 1.1 measures them.

    Attributes
    ----------
    longest_mm : float
        Longest straight line in one slice from edge to edge.
    perpendicular_mm : float
        Longest line at right angles to it in the same slice.
    slice : int
        Number of that slice.
    ends, perpendicular_ends : tuple of two (z, y, x)
        Array positions of the lines' ends, for drawing them.
    """

    longest_mm: float
    perpendicular_mm: float
    slice: int
    ends: tuple[tuple[float, ...], tuple[float, ...]]
    perpendicular_ends: tuple[tuple[float, ...], tuple[float, ...]]


def diameters(mask: np.ndarray, spacing: tuple[float, float, float], axis: int = 0) -> Diameters:
    """Longest diameter of a mask in any slice, and the diameter perpendicular to it.

    Lines run from edge to edge of the mask's convex outline, which passes through the middles
    of the outer faces of its voxels: a row of five voxels of 2 mm is 10 mm long. As RECIST
    (Eisenhauer et al., European Journal of Cancer 2009) asks, both lie in one slice.

    Parameters
    ----------
    mask : ndarray [z, y, x] bool
        Voxels of one finding.
    spacing : tuple of float (z, y, x)
        Voxel size in mm.
    axis : int
        Slices are along this array axis.

    Raises
    ------
    MedadError
        If the mask is empty.
    """
    planes = np.moveaxis(np.asarray(mask, bool), axis, 0)
    millimetres = np.delete(np.array(spacing, float), axis)
    best: tuple[float, int, np.ndarray, np.ndarray] | None = None
    for index in np.flatnonzero(planes.any(axis=(1, 2))).tolist():
        outline = _outline(planes[index], millimetres)
        pair = _farthest(outline)
        length = float(np.linalg.norm(pair[1] - pair[0]))
        if best is None or length > best[0] + 1e-9:
            best = length, index, outline, pair
    if best is None:
        raise MedadError("An empty finding has no diameter; paint something first.")
    longest, index, outline, pair = best
    across = _across(outline, pair)

    def placed(points: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
        voxels = np.insert(points / millimetres, axis, index, axis=1)
        start, end = (tuple(p.tolist()) for p in voxels)
        return start, end

    across_mm = float(np.linalg.norm(across[1] - across[0]))
    return Diameters(longest, across_mm, index, placed(pair), placed(across))


def finding_diameters(mask: np.ndarray, number: int, volume: Volume, axis: int = 0) -> Diameters:
    """Diameters of one finding of a mask of ids [z, y, x], with slices counted in the volume.

    Raises
    ------
    MedadError
        If the mask has no such finding.
    """
    box = cc3d.statistics(mask)["bounding_boxes"]
    if not 0 < number < len(box) or box[number] is None or not (mask[box[number]] == number).any():
        raise MedadError(f"The mask has no finding {number}; choose one that it has.")
    return diameters_in(mask, number, box[number], volume, axis)


def diameters_in(
    mask: np.ndarray, number: int, box: tuple[slice, ...], volume: Volume, axis: int = 0
) -> Diameters:
    """As `finding_diameters`, where the finding's bounding box is known."""
    found = diameters(mask[box] == number, volume.spacing, axis)
    start = np.array([part.start for part in box], float)

    def moved(
        ends: tuple[tuple[float, ...], tuple[float, ...]],
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        first, last = (tuple((start + end).tolist()) for end in ends)
        return first, last

    return Diameters(
        found.longest_mm,
        found.perpendicular_mm,
        found.slice + int(start[axis]),
        moved(found.ends),
        moved(found.perpendicular_ends),
    )


def distance_mm(volume: Volume, first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """Distance in mm between two array positions (z, y, x)."""
    there, here = volume.to_ras(np.array([first, second], float))
    return float(np.linalg.norm(there - here))


def gap_mm(mask: np.ndarray, first: int, second: int, volume: Volume) -> float:
    """Shortest distance in mm between voxel centres of two findings of a mask of ids.

    Raises
    ------
    MedadError
        If the mask lacks one of them.
    """
    places = []
    for number in (first, second):
        voxels = np.argwhere(mask == number)
        if not len(voxels):
            raise MedadError(f"The mask has no finding {number}; choose one that it has.")
        places.append(volume.to_ras(voxels))
    few, many = sorted(places, key=len)
    return float(cKDTree(many).query(few)[0].min())


def _outline(plane: np.ndarray, millimetres: np.ndarray) -> np.ndarray:
    """Corners [n, 2] in mm of the convex outline of a slice's mask [h, w]."""
    rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    height, width = plane.shape
    # Only the first and last voxels of rows and columns can touch the outline.
    ends = (
        (rows, plane[rows].argmax(axis=1)),
        (rows, width - 1 - plane[rows, ::-1].argmax(axis=1)),
        (plane[:, columns].argmax(axis=0), columns),
        (height - 1 - plane[::-1, columns].argmax(axis=0), columns),
    )
    voxels = np.unique(np.concatenate([np.stack(end, 1) for end in ends]), axis=0)
    faces = np.array([[0.5, 0], [-0.5, 0], [0, 0.5], [0, -0.5]])
    points = (voxels[:, None] + faces).reshape(-1, 2) * millimetres
    return points[ConvexHull(points).vertices]


def _farthest(outline: np.ndarray) -> np.ndarray:
    """The two points [2, 2] of an outline that are farthest apart."""
    apart = np.linalg.norm(outline[:, None] - outline[None], axis=-1)
    return outline[list(np.unravel_index(int(apart.argmax()), apart.shape))]


def _across(outline: np.ndarray, pair: np.ndarray) -> np.ndarray:
    """Ends [2, 2] of the longest chord of an outline at right angles to its longest diameter.

    Along the diameter the chord's length is concave and straight between corners of the
    outline, so it is longest at one of them.
    """
    along = (pair[1] - pair[0]) / np.linalg.norm(pair[1] - pair[0])
    turned = np.array([-along[1], along[0]])
    u, v = (outline - pair[0]) @ along, (outline - pair[0]) @ turned
    order = np.argsort(u)
    u, v = u[order], v[order]
    upper, lower = v > -1e-9, v < 1e-9  # the diameter's own ends belong to both
    high, low = np.interp(u, u[upper], v[upper]), np.interp(u, u[lower], v[lower])
    widest = int((high - low).argmax())
    foot = pair[0] + u[widest] * along
    return np.stack([foot + low[widest] * turned, foot + high[widest] * turned])
