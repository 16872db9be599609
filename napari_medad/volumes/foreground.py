"""Which voxels are patient and which are air: what detectors look at, and metrics count."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from napari_medad.volumes.volume import Volume

ENOUGH_BACKGROUND = 0.05
"""Share of voxels with the corner value from which a scan counts as masked already."""

EXACT_UP_TO = 40_000_000
"""Voxels from which on the largest piece is told from the others on a coarser grid."""


def foreground_of(volume: Volume) -> np.ndarray:
    """Patient voxels [z, y, x] bool.

    A scan whose background is one constant value (skull-stripped, masked) gives exactly
    the other voxels, holes filled per slice. Any other scan is cut at half its Otsu
    threshold and the largest piece is kept. A constant scan has no foreground. Non-finite
    voxels are background.
    """
    array = volume.array
    finite = np.isfinite(array) if array.dtype.kind == "f" else None
    corner = _background_value(array)
    mask = array != corner
    if finite is not None:
        mask &= finite
    if not mask.any():
        return mask
    if 1 - mask.mean() < ENOUGH_BACKGROUND:
        sample = array.ravel()[:: max(1, array.size // 500_000)]
        sample = sample[np.isfinite(sample)] if finite is not None else sample
        low = float(sample.min())
        mask = array > low + 0.5 * (threshold_otsu(sample) - low)
        mask = _largest_piece(mask)
    return _fill(mask)


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
