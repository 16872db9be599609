"""Regions that the scan itself outlines: the magic wand, a new threshold, MedSAM's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cc3d
import numpy as np
from scipy import ndimage
from skimage.segmentation import flood

from napari_medad.corrections.edit import Box, Edit, flat_positions, margin
from napari_medad.corrections.provenance import READERS, Provenance
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


def cut(correction: Correction, threshold: float) -> Edit:
    """The detector's own voxels at another threshold; what the reader decided stays.

    New voxels join the finding that they touch, the nearest where they touch several;
    those that touch none become findings of their own. As many as a mask can number are
    kept, the largest first.

    Parameters
    ----------
    threshold : float
        Voxels of the anomaly map strictly above it are the detector's.
    """
    labels, provenance = correction.labels, correction.provenance
    above = correction.detection.maps["anomaly"] > threshold
    above &= ~np.isin(provenance, READERS)
    gone = (provenance == Provenance.DETECTED) & ~above
    fresh = above & (labels == 0)
    shape = labels.shape
    removed = flat_positions(shape, _whole(shape), gone)
    added = flat_positions(shape, _whole(shape), fresh)
    where = np.concatenate([removed, added])
    numbers = np.zeros(where.size, np.uint16)
    if added.size:
        numbers[removed.size :] = _joined(correction, fresh, np.where(gone, 0, labels))
    kinds = np.where(numbers > 0, Provenance.DETECTED, Provenance.BACKGROUND)
    return Edit(f"threshold {threshold:.4g}", where, numbers, kinds, None, correction.revision)


def _joined(correction: Correction, fresh: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Ids of the fresh voxels, in flat order, given the labels that stay."""
    pieces = cc3d.connected_components(fresh, connectivity=26)
    numbers = np.zeros(int(pieces.max()) + 1, np.int64)
    about = cc3d.statistics(pieces)
    out = np.zeros(pieces.shape, np.uint16)
    alone = []
    for piece, found in enumerate(about["bounding_boxes"][1:], start=1):
        box = margin(found, labels.shape, np.ones(3))
        mine, near = pieces[box] == piece, labels[box]
        touching = np.unique(near[ndimage.binary_dilation(mine, np.ones((3, 3, 3))) & (near > 0)])
        if touching.size == 0:
            alone.append(piece)
        elif touching.size == 1:
            out[box][mine] = touching[0]
        else:
            _, nearest = ndimage.distance_transform_edt(
                near == 0, sampling=correction.volume.spacing, return_indices=True
            )
            out[box][mine] = near[tuple(nearest)][mine]
    alone.sort(key=lambda piece: -int(about["voxel_counts"][piece]))
    first = correction.free_id(max(1, len(alone)))
    numbers[alone] = np.arange(first, first + len(alone))
    lone = numbers[pieces]
    np.copyto(out, lone, where=lone > 0, casting="unsafe")
    return out[fresh]


def _drawn(correction: Correction, what: str, number: int, box: Box, region: np.ndarray) -> Edit:
    """A region's free voxels drawn as part of a finding."""
    free = region & (correction.labels[box] == 0)
    where = flat_positions(correction.labels.shape, box, free)
    return Edit(what, where, number, int(Provenance.DRAWN), revision=correction.revision)


def _whole(shape: tuple[int, ...]) -> Box:
    return tuple(slice(0, n) for n in shape)
