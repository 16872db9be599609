"""From an anomaly map and a threshold to things a radiologist can point at."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

import cc3d
import nibabel as nib
import numpy as np

from napari_medad.volumes import large_array
from napari_medad.volumes.volume import Volume


@dataclass(frozen=True)
class Finding:
    """One 26-connected component of the thresholded anomaly map.

    Attributes
    ----------
    id : int
        Label of the component in the mask; 1 is the largest.
    volume_ml : float
    max_score, mean_score : float
        Of the anomaly map inside the component.
    centroid_ras : tuple of float
        Centre of mass, RAS mm (right, anterior, superior positive).
    peak_zyx : tuple of int
        Array position of the highest score; see `middle_of` for where to look at it.
    extent_mm : tuple of float
        Bounding box size in mm along the array axes (z, y, x).
    slices : tuple of int
        First and last axial slice.
    category : str
        Name of the abnormality, where the detector tells one.
    """

    id: int
    volume_ml: float
    max_score: float
    mean_score: float
    centroid_ras: tuple[float, float, float]
    peak_zyx: tuple[int, int, int]
    extent_mm: tuple[float, float, float]
    slices: tuple[int, int]
    category: str = ""

    def row(self) -> dict[str, object]:
        """Flat columns for a table or CSV."""
        flat = asdict(self)
        out: dict[str, object] = {}
        for key, value in flat.items():
            if isinstance(value, tuple):
                out |= {f"{key}_{name}": v for name, v in zip(_PARTS[key], value, strict=True)}
            else:
                out[key] = value
        return out


_PARTS = {
    "centroid_ras": ("r", "a", "s"),
    "peak_zyx": ("z", "y", "x"),
    "extent_mm": ("z", "y", "x"),
    "slices": ("first", "last"),
}


def find(
    anomaly: np.ndarray,
    threshold: float,
    volume: Volume,
    *,
    minimum_ml: float = 0.0,
    category: str = "",
) -> tuple[np.ndarray, list[Finding]]:
    """Components of `anomaly` above `threshold`, largest first.

    Parameters
    ----------
    anomaly : ndarray [z, y, x] float32
    threshold : float
        Voxels strictly above it belong to a finding.
    volume : Volume
        Gives voxel size and world position.
    minimum_ml : float
        Smaller components are dropped, in mL.

    Returns
    -------
    labels : ndarray [z, y, x] uint16
        0 background, else the finding's id.
    findings : list of Finding
    """
    labels = large_array.zeros(anomaly.shape, np.uint16)
    box = _box_above(anomaly, threshold)
    if box is None:
        return labels, []
    components = cc3d.connected_components(_above(anomaly[box], threshold), connectivity=26)
    about = cc3d.statistics(components, no_slice_conversion=True)
    sizes = about["voxel_counts"][1:]
    smallest = max(1.0, minimum_ml / volume.voxel_volume - 1e-6)
    order = np.argsort(-sizes.astype(np.int64), kind="stable")
    kept = order[sizes[order] >= smallest][: np.iinfo(np.uint16).max] + 1
    renumber = np.zeros(sizes.size + 1, np.uint16)
    renumber[kept] = np.arange(1, kept.size + 1)
    scores = _number(components, renumber, labels[box], anomaly[box])
    spans = about["bounding_boxes"][kept].reshape(-1, 3, 2).astype(int)
    shapes = _Shapes(sizes[kept - 1], about["centroids"][kept], spans[..., 0], spans[..., 1])
    return labels, _describe(scores, box, volume, shapes, category)


def middle_of(finding: Finding, labels: np.ndarray, volume: Volume) -> tuple[int, int, int]:
    """Where to look at a finding: its voxel nearest to its centre of mass, in that plane.

    The highest score of a map that saturates may lie at the finding's edge.

    Parameters
    ----------
    finding : Finding
    labels : ndarray [z, y, x]
        Findings' numbers, `finding` among them.
    volume : Volume
        The labels' grid.

    Returns
    -------
    tuple of int
        z, y, x; the peak where the labels do not hold the finding.
    """
    centre = nib.affines.apply_affine(np.linalg.inv(volume.affine), finding.centroid_ras)[::-1]
    planes = range(finding.slices[0], finding.slices[1] + 1)
    for z in sorted(planes, key=lambda plane: abs(plane - centre[0])):
        places = np.argwhere(labels[z] == finding.id)
        if places.size:
            away = (places - centre[1:]) * np.array(volume.spacing[1:])
            y, x = places[np.linalg.norm(away, axis=1).argmin()].tolist()
            return z, y, x
    return finding.peak_zyx


class _Shapes(NamedTuple):
    """Voxels [n], centroids, first and last voxel [n, 3] (z, y, x) of components in a box."""

    sizes: np.ndarray
    centroids: np.ndarray
    first: np.ndarray
    last: np.ndarray


class _Scores(NamedTuple):
    """Sum, maximum and place of the maximum [n, 3] (in the box) of each finding's scores."""

    total: np.ndarray
    highest: np.ndarray
    peak: np.ndarray


def _box_above(anomaly: np.ndarray, threshold: float) -> tuple[slice, slice, slice] | None:
    """Where the map is above the threshold, read plane by plane."""
    shadows = [np.zeros(n, bool) for n in anomaly.shape]
    for z, plane in enumerate(anomaly):
        hit = plane > threshold
        shadows[0][z] = hit.any()
        shadows[1] |= hit.any(axis=1)
        shadows[2] |= hit.any(axis=0)
        large_array.release(anomaly)
    if not shadows[0].any():
        return None
    planes, rows, columns = (slice(int(h[0]), int(h[-1]) + 1) for h in map(np.flatnonzero, shadows))
    return planes, rows, columns


def _above(anomaly: np.ndarray, threshold: float) -> np.ndarray:
    above = np.empty(anomaly.shape, bool)
    for into, plane in zip(above, anomaly, strict=True):
        np.greater(plane, threshold, out=into)
        large_array.release(anomaly)
    return above


def _number(
    components: np.ndarray, renumber: np.ndarray, labels: np.ndarray, anomaly: np.ndarray
) -> _Scores:
    """Write the findings' numbers into `labels`, and read their scores, plane by plane."""
    count = int(renumber.max()) + 1
    total, highest = np.zeros(count), np.full(count, -np.inf)
    peak = np.zeros((count, 3), int)
    for z, pieces in enumerate(components):
        labels[z] = numbers = renumber[pieces]
        rows, columns = np.nonzero(numbers)
        ids, scores = numbers[rows, columns], anomaly[z][rows, columns]
        total += np.bincount(ids, scores, count)
        first = np.lexsort((-scores, ids))
        present, begin = np.unique(ids[first], return_index=True)
        best = first[begin]
        better = scores[best] > highest[present]
        present, best = present[better], best[better]
        highest[present] = scores[best]
        peak[present] = np.stack([np.full_like(best, z), rows[best], columns[best]], 1)
        large_array.release(labels)
        large_array.release(anomaly)
    return _Scores(total[1:], highest[1:], peak[1:])


def _describe(
    scores: _Scores,
    box: tuple[slice, slice, slice],
    volume: Volume,
    shapes: _Shapes,
    category: str,
) -> list[Finding]:
    voxel_ml = volume.voxel_volume
    origin = np.array([s.start for s in box])
    centroids = volume.to_ras(shapes.centroids + origin)
    extents = (shapes.last - shapes.first + 1) * np.array(volume.spacing)
    return [
        Finding(
            id=i + 1,
            volume_ml=float(size * voxel_ml),
            max_score=float(scores.highest[i]),
            mean_score=float(scores.total[i] / size),
            centroid_ras=tuple(centroids[i].tolist()),
            peak_zyx=tuple((scores.peak[i] + origin).tolist()),
            extent_mm=tuple(extents[i].tolist()),
            slices=(int(shapes.first[i, 0] + origin[0]), int(shapes.last[i, 0] + origin[0])),
            category=category,
        )
        for i, size in enumerate(shapes.sizes)
    ]
