"""Which voxels are patient and which are air: what detectors look at, and metrics count."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from napari_medad.volumes.volume import Volume

ENOUGH_BACKGROUND = 0.05
"""Share of voxels with the corner value from which a scan counts as masked already."""

CT_AIR = -400
"""Hounsfield units between air and fat; a scan whose corners lie below twice this is a CT."""

EXACT_UP_TO = 40_000_000
"""Voxels from which on the largest piece is told from the others on a coarser grid."""


def foreground_of(volume: Volume) -> np.ndarray:
    """Patient voxels [z, y, x] bool.

    A scan whose background is one constant value (skull-stripped, masked) gives exactly
    the other voxels, holes filled per slice. A CT, told by Hounsfield units of air, is cut
    at `CT_AIR`; any other scan between the two classes that Otsu's threshold separates.
    Of a scan that was cut the largest piece is kept. A constant scan has no foreground.
    Non-finite voxels are background.
    """
    array = volume.array
    finite = np.isfinite(array) if array.dtype.kind == "f" else None
    corner = _background_value(array)
    mask = array != corner
    if finite is not None:
        mask &= finite
    if not mask.any():
        return mask
    if corner <= 2 * CT_AIR:
        mask = _largest_piece(array > CT_AIR)
    elif 1 - mask.mean() < ENOUGH_BACKGROUND:
        mask = _largest_piece(array > _between_air_and_tissue(array))
    return _fill(mask)


def _between_air_and_tissue(array: np.ndarray) -> float:
    """A quarter of the way from the mean of Otsu's darker class to that of the brighter."""
    sample = array.ravel()[:: max(1, array.size // 500_000)]
    sample = sample[np.isfinite(sample)] if array.dtype.kind == "f" else sample
    bright = sample > threshold_otsu(sample)
    air, tissue = float(sample[~bright].mean()), float(sample[bright].mean())
    return air + 0.25 * (tissue - air)


def _background_value(array: np.ndarray) -> float:
    corners = array[:: max(1, array.shape[0] - 1)][:, [0, -1]][:, :, [0, -1]].ravel()
    corners = corners[np.isfinite(corners)]
    if corners.size == 0:
        return 0.0
    values, counts = np.unique(corners, return_counts=True)
    return float(values[np.argmax(counts)])


def _largest_piece(mask: np.ndarray) -> np.ndarray:
    """The largest 6-connected piece; in a big scan found on every n-th voxel, to spare memory."""
    import cc3d

    step = 1 + round((mask.size / EXACT_UP_TO) ** (1 / 3)) if mask.size > EXACT_UP_TO else 1
    piece = cc3d.largest_k(mask[::step, ::step, ::step], k=1, connectivity=6) > 0
    if step == 1:
        return piece
    piece = ndimage.binary_dilation(piece, np.ones((3, 3, 3)))
    for z, plane in enumerate(mask):
        near = piece[z // step].repeat(step, axis=0).repeat(step, axis=1)
        plane &= near[: plane.shape[0], : plane.shape[1]]
    return mask


def _fill(mask: np.ndarray) -> np.ndarray:
    """Fill the holes of each axial slice, in place."""
    for plane in mask:
        if plane.any():
            ndimage.binary_fill_holes(plane, output=plane)
    return mask
