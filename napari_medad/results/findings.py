"""From an anomaly map and a threshold to things a radiologist can point at."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

import cc3d
import numpy as np

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
        Array position of the highest score: where the viewer goes on a click.
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
    labels = np.zeros(anomaly.shape, np.uint16)
    above = anomaly > threshold
    box = _bounding_box(above)
    if box is None:
        return labels, []
    components = cc3d.connected_components(above[box], connectivity=26)
    del above  # of a large CT each of these is hundreds of megabytes
    about = cc3d.statistics(components, no_slice_conversion=True)
    sizes = about["voxel_counts"][1:]
    smallest = max(1.0, minimum_ml / volume.voxel_volume - 1e-6)
    order = np.argsort(-sizes.astype(np.int64), kind="stable")
    kept = order[sizes[order] >= smallest][: np.iinfo(np.uint16).max] + 1
    renumber = np.zeros(sizes.size + 1, np.uint16)
    renumber[kept] = np.arange(1, kept.size + 1)
    for plane, pieces in zip(labels[box], components, strict=True):
        plane[...] = renumber[pieces]
    del components
    spans = about["bounding_boxes"][kept].reshape(-1, 3, 2).astype(int)
    shapes = _Shapes(sizes[kept - 1], about["centroids"][kept], spans[..., 0], spans[..., 1])
    return labels, _describe(labels[box], anomaly[box], box, volume, shapes, category)


class _Shapes(NamedTuple):
    """Voxels [n], centroids, first and last voxel [n, 3] (z, y, x) of components in a box."""

    sizes: np.ndarray
    centroids: np.ndarray
    first: np.ndarray
    last: np.ndarray


def _bounding_box(mask: np.ndarray) -> tuple[slice, slice, slice] | None:
    planes = np.flatnonzero(mask.any(axis=(1, 2)))
    if planes.size == 0:
        return None
    z = slice(int(planes[0]), int(planes[-1]) + 1)
    shadow = np.asarray(mask[z].any(axis=0))
    rows, columns = np.flatnonzero(shadow.any(axis=1)), np.flatnonzero(shadow.any(axis=0))
    y, x = (slice(int(hit[0]), int(hit[-1]) + 1) for hit in (rows, columns))
    return z, y, x


def _describe(
    labels: np.ndarray,
    scores: np.ndarray,
    box: tuple[slice, slice, slice],
    volume: Volume,
    shapes: _Shapes,
    category: str,
) -> list[Finding]:
    """Findings of every label, each score read once."""
    voxel_ml = volume.voxel_volume
    flat = labels.ravel()
    where = np.flatnonzero(flat)
    ids = flat[where]
    order = np.argsort(ids, kind="stable")
    where, score = where[order], scores[labels > 0][order]
    ends = np.cumsum(shapes.sizes, dtype=np.int64)
    origin = np.array([s.start for s in box])
    centroids = volume.to_ras(shapes.centroids + origin)
    extents = (shapes.last - shapes.first + 1) * np.array(volume.spacing)
    found = []
    for i, (end, size) in enumerate(zip(ends, shapes.sizes, strict=True)):
        values = score[end - size : end]
        highest = int(np.argmax(values))
        peak = np.unravel_index(where[end - size + highest], labels.shape) + origin
        found.append(
            Finding(
                id=i + 1,
                volume_ml=float(size * voxel_ml),
                max_score=float(values[highest]),
                mean_score=float(values.mean()),
                centroid_ras=tuple(centroids[i].tolist()),
                peak_zyx=tuple(peak.tolist()),
                extent_mm=tuple(extents[i].tolist()),
                slices=(int(shapes.first[i, 0] + origin[0]), int(shapes.last[i, 0] + origin[0])),
                category=category,
            )
        )
    return found
