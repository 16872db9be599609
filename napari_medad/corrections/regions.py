"""Regions that the scan itself outlines: the magic wand, a new threshold, MedSAM's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cc3d
import numpy as np
from scipy import ndimage
from skimage.segmentation import flood

from napari_medad.corrections.correction import MOST_FINDINGS
from napari_medad.corrections.edit import Box, Edit, flat_positions, margin
from napari_medad.corrections.provenance import Provenance
from napari_medad.corrections.shapes import Report
from napari_medad.errors import MedadError

if TYPE_CHECKING:
    from napari_medad.backbones.medsam.prompts import Box as DrawnBox
    from napari_medad.backbones.medsam.prompts import Points
    from napari_medad.backbones.medsam.sam import Sam
    from napari_medad.corrections.correction import Correction

REACH_MM = 60.0
"""How far from the seed the wand goes at most."""


def wand(
    correction: Correction,
    seed: tuple[int, int, int],
    tolerance: float,
    number: int,
    *,
    axis: int | None = None,
    reach_mm: float = REACH_MM,
) -> Edit:
    """The connected region whose anomaly score is like the seed's, added to a finding.

    Parameters
    ----------
    seed : tuple of int (z, y, x)
    tolerance : float
        Largest difference of score from the seed's, in the map's units.
    number : int
        The finding; may be new. Other findings keep their voxels.
    axis : int, optional
        Stay in the seed's slice along this axis.
    reach_mm : float
        Stay within this distance of the seed along each axis.

    Raises
    ------
    MedadError
        If the seed lies outside the scan.
    """
    scores, shape = correction.detection.maps["anomaly"], correction.labels.shape
    if any(not 0 <= place < size for place, size in zip(seed, shape)):
        raise MedadError("The wand was used outside the scan; click inside it.")
    reach = np.floor(reach_mm / np.array(correction.volume.spacing))
    if axis is not None:
        reach[axis] = 0
    box = margin(tuple(slice(n, n + 1) for n in seed), shape, reach)
    start = tuple(n - part.start for n, part in zip(seed, box))
    region = flood(np.ascontiguousarray(scores[box]), start, tolerance=float(tolerance))
    return _drawn(correction, "wand", number, box, region)


def ask_medsam(
    correction: Correction,
    sam: Sam,
    grey: np.ndarray,
    axis: int,
    index: int,
    number: int,
    *,
    box: DrawnBox | None = None,
    points: Points | None = None,
) -> Edit:
    """What MedSAM outlines in a slice for a box or points, added to a finding.

    Parameters
    ----------
    sam : Sam
    grey : ndarray [h, w] uint8
        The slice as it is shown.
    axis, index : int
        Which slice it is.
    number : int
        The finding; may be new. Other findings keep their voxels.

    Raises
    ------
    MedadError
        If neither box nor points are given, or MedSAM sees nothing there.
    """
    sam.look(grey)
    seen = sam.ask(box=box, points=points) > 0.5
    if not seen.any():
        raise MedadError("MedSAM sees nothing there; draw the box closer to the lesion's edge.")
    place: Box = tuple(
        slice(index, index + 1) if a == axis else slice(0, n)
        for a, n in enumerate(correction.labels.shape)
    )
    return _drawn(correction, "MedSAM", number, place, np.expand_dims(seen, axis))


def cut(
    correction: Correction,
    threshold: float,
    *,
    minimum_ml: float | None = None,
    report: Report | None = None,
) -> Edit:
    """The detector's own voxels at another threshold; what the reader decided stays.

    New voxels join the finding that they touch, the nearest where they touch several; those
    that touch none become findings of their own, as many as a mask can number, the largest
    first.

    Parameters
    ----------
    threshold : float
        Voxels of the anomaly map strictly above it are the detector's.
    minimum_ml : float, optional
        Findings of their own are at least so large; default: the detection's.
    report : callable, optional
    """
    scores, provenance = correction.detection.maps["anomaly"], correction.provenance
    fresh, gone, size = np.zeros(provenance.shape, bool), [], provenance[0].size
    for z, (plane, kinds) in enumerate(zip(scores, provenance, strict=True)):
        above = plane > threshold
        np.logical_and(above, kinds == Provenance.BACKGROUND, out=fresh[z])
        gone.append(np.flatnonzero((kinds == Provenance.DETECTED) & ~above) + z * size)
        if report is not None:
            report(z, 2 * len(scores))
    removed = np.concatenate(gone)
    smallest = correction.detection.minimum_ml if minimum_ml is None else minimum_ml
    added, numbers = _joined(correction, fresh, threshold, smallest, report)
    parts = (removed.size, added.size)
    return Edit(
        f"threshold {threshold:.4g}",
        np.concatenate([removed, added]),
        np.concatenate([np.zeros(removed.size, np.uint16), numbers]),
        np.repeat(np.array([Provenance.BACKGROUND, Provenance.DETECTED], np.uint8), parts),
        None,
        correction.revision,
    )


def _joined(
    correction: Correction,
    fresh: np.ndarray,
    threshold: float,
    smallest_ml: float,
    report: Report | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Flat positions and ids of fresh voxels that join a finding or make one."""
    boxes = ndimage.find_objects(fresh.view(np.uint8))
    if not boxes:
        return np.zeros(0, np.int64), np.zeros(0, np.uint16)
    box = margin(boxes[0], fresh.shape, np.ones(3))
    crumbs = (correction.provenance[box] == Provenance.DETECTED) & (
        correction.detection.maps["anomaly"][box] <= threshold
    )
    staying = np.where(crumbs, 0, correction.labels[box])
    pieces = cc3d.connected_components(fresh[box], connectivity=26)
    places = np.nonzero(pieces)
    owners = pieces[places]
    sizes = np.bincount(owners)
    highest, lowest = _touched(places, owners, staying, report)
    numbers = np.where(highest == lowest, highest, 0)
    large = sizes * correction.volume.voxel_volume >= smallest_ml - 1e-9
    alone = np.flatnonzero((highest == 0) & large & (sizes > 0))
    first = correction.free_id()
    alone = alone[np.argsort(-sizes[alone], kind="stable")][: MOST_FINDINGS - first + 1]
    numbers[alone] = np.arange(first, first + alone.size)
    ids = numbers[owners]
    several = np.flatnonzero(highest != lowest).tolist()
    boxes = ndimage.find_objects(pieces) if several else []
    for piece in several:
        near = margin(boxes[piece - 1], pieces.shape, np.ones(3))
        mine = owners == piece
        at = tuple(along[mine] - part.start for along, part in zip(places, near, strict=True))
        ids[mine] = _nearest(staying[near], correction.volume.spacing)[at]
    start = tuple(along + part.start for along, part in zip(places, box, strict=True))
    flat = np.ravel_multi_index(start, fresh.shape)
    return flat[ids > 0], ids[ids > 0].astype(np.uint16)


def _touched(
    places: tuple[np.ndarray, ...], owners: np.ndarray, labels: np.ndarray, report: Report | None
) -> tuple[np.ndarray, np.ndarray]:
    """Highest and lowest id that each piece touches; 0 where it touches none.

    Parameters
    ----------
    places : tuple of ndarray [n]
        Voxels of all pieces.
    owners : ndarray [n]
        The piece of each.
    labels : ndarray [z, y, x]
    """
    padded = np.pad(labels, 1).reshape(-1)
    shape = tuple(n + 2 for n in labels.shape)
    flat = np.ravel_multi_index(tuple(along + 1 for along in places), shape)
    nothing = MOST_FINDINGS + 1
    high, low = np.zeros(flat.size, np.int32), np.full(flat.size, nothing, np.int32)
    steps = [np.ravel_multi_index(step, shape) for step in np.ndindex(3, 3, 3)]
    for done, step in enumerate(steps):
        if report is not None:
            report(len(steps) + done, 2 * len(steps))
        found = padded[flat + (step - steps[len(steps) // 2])]
        np.maximum(high, found, out=high)
        np.minimum(low, found, out=low, where=found > 0)
    count = int(owners.max()) + 1
    highest, lowest = np.zeros(count, np.int32), np.full(count, nothing, np.int32)
    np.maximum.at(highest, owners, high)
    np.minimum.at(lowest, owners, low)
    return highest, np.where(lowest == nothing, 0, lowest)


def _nearest(labels: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """Id of the nearest labelled voxel, for every voxel."""
    _, places = ndimage.distance_transform_edt(labels == 0, sampling=spacing, return_indices=True)
    return labels[tuple(places)]


def _drawn(correction: Correction, what: str, number: int, box: Box, region: np.ndarray) -> Edit:
    """A region's free voxels drawn as part of a finding."""
    free = region & (correction.labels[box] == 0)
    where = flat_positions(correction.labels.shape, box, free)
    return Edit(what, where, number, int(Provenance.DRAWN), revision=correction.revision)
