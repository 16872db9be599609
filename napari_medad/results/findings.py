"""From an anomaly map and a threshold to things a radiologist can point at."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass

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
    components, count = cc3d.connected_components(above[box], connectivity=26, return_N=True)
    sizes = np.bincount(components.ravel(), minlength=count + 1)
    smallest = max(1.0, minimum_ml / volume.voxel_volume - 1e-6)
    kept = [i for i in np.argsort(-sizes[1:], kind="stable") + 1 if sizes[i] >= smallest]
    kept = kept[: np.iinfo(np.uint16).max]
    renumber = np.zeros(count + 1, np.uint16)
    renumber[kept] = np.arange(1, len(kept) + 1)
    labels[box] = renumber[components]
    return labels, _describe(labels[box], anomaly[box], box, volume, len(kept), category)


def _bounding_box(mask: np.ndarray) -> tuple[slice, slice, slice] | None:
    spans = []
    for axis in range(3):
        other = tuple(a for a in range(3) if a != axis)
        hit = np.flatnonzero(mask.any(axis=other))
        if hit.size == 0:
            return None
        spans.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return spans[0], spans[1], spans[2]


def _describe(
    labels: np.ndarray,
    scores: np.ndarray,
    box: tuple[slice, slice, slice],
    volume: Volume,
    count: int,
    category: str,
) -> list[Finding]:
    """Statistics of every label in one pass over the labelled voxels only."""
    if count == 0:
        return []
    where = np.flatnonzero(labels)
    ids, score = labels.ravel()[where], scores.ravel()[where]
    order = np.argsort(ids, kind="stable")
    ids, score, where = ids[order], score[order], where[order]
    zyx = np.stack(np.unravel_index(where, labels.shape), axis=1)
    starts = np.searchsorted(ids, np.arange(1, count + 2))
    origin = np.array([s.start for s in box])
    found = []
    for i, (a, b) in enumerate(itertools.pairwise(starts), start=1):
        part, values = zyx[a:b] + origin, score[a:b]
        low, high = part.min(0), part.max(0)
        centroid = volume.to_ras(part.mean(0))
        extent = (high - low + 1) * np.array(volume.spacing)
        peak = part[int(np.argmax(values))]
        found.append(
            Finding(
                id=i,
                volume_ml=float((b - a) * volume.voxel_volume),
                max_score=float(values.max()),
                mean_score=float(values.mean()),
                centroid_ras=(float(centroid[0]), float(centroid[1]), float(centroid[2])),
                peak_zyx=(int(peak[0]), int(peak[1]), int(peak[2])),
                extent_mm=(float(extent[0]), float(extent[1]), float(extent[2])),
                slices=(int(low[0]), int(high[0])),
                category=category,
            )
        )
    return found
