"""Which voxels are patient and which are air: what detectors look at, and metrics count."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from napari_medad.volumes.intensity import background_value
from napari_medad.volumes.volume import Volume

ENOUGH_BACKGROUND = 0.05
"""Share of voxels with the corner value from which a scan can count as masked already."""

NEARLY_DARK, FEW_NEARLY_DARK = 0.05, 0.08
"""In a masked scan few of the other voxels lie within a twentieth of the range above the corner
value (at most 0.04 in stripped MRI of five centres); noisy air puts 0.1 to 0.9 of them there."""

CT_AIR = -400
"""Hounsfield units between air and fat; a scan whose corners lie below twice this is a CT."""

FILLED_FRAME = 0.3
"""Share of bright voxels on the in-plane border from which on no air surrounds the patient, so
that dark parts are patient too (heads below 0.07, fundus 0.26; ultrasound 0.31 and more)."""

SAMPLE = 500_000
"""Voxels that thresholds are chosen from, about."""

EXACT_UP_TO = 40_000_000
"""Voxels from which on the largest piece is told from the others on a coarser grid."""


def foreground_of(volume: Volume) -> np.ndarray:
    """Patient voxels [z, y, x] bool.

    A scan whose background is one constant value (skull-stripped, masked) gives exactly
    the other voxels. A CT, told by Hounsfield units of air, is cut at `CT_AIR`; any other
    scan, whose air is noise, between the two classes that Otsu's threshold separates, and
    not at all where no air surrounds the patient. Of a scan that was cut the largest piece
    is kept. Holes are filled per axial slice. A constant scan has no foreground. Non-finite
    voxels are background.
    """
    array = volume.array
    outside = background_value(array)
    finite = np.isfinite(array) if array.dtype.kind == "f" else None
    mask = np.not_equal(array, outside, out=np.empty(array.shape, bool))
    if finite is not None:
        mask &= finite
    if not mask.any():
        return mask
    sample = _sample(array)
    darkest = outside if volume.modality != "ct" else sample.min(initial=outside)
    ct = darkest <= 2 * CT_AIR
    if not ct and _is_masked(sample, outside):
        return _fill(mask)
    threshold = CT_AIR if ct else _between_air_and_tissue(sample)
    for inside, plane in zip(mask, array, strict=True):  # spares a second mask
        inside &= plane > threshold
    if not ct and _frame_share(mask) > FILLED_FRAME:
        return np.ones(array.shape, bool) if finite is None else finite
    return _fill(_largest_piece(mask))


def _sample(array: np.ndarray) -> np.ndarray:
    """Finite voxels on a regular coarser grid, about `SAMPLE` of them."""
    step = max(1, int(np.ceil((array.size / SAMPLE) ** (1 / 2))))
    values = array[:, ::step, ::step].ravel()
    return values[np.isfinite(values)] if values.dtype.kind == "f" else values


def _is_masked(sample: np.ndarray, outside: float) -> bool:
    """Whether the corner value was set by a mask, and is not just the darkest of noisy air."""
    others = sample[sample != outside]
    if others.size == 0:
        return True
    if 1 - others.size / sample.size < ENOUGH_BACKGROUND:
        return False
    low, high = np.percentile(others, (1, 99))
    near = NEARLY_DARK * (high - low)
    if outside > low + near:  # air is never brighter than tissue: scaled after masking
        return True
    return bool((others < outside + near).mean() < FEW_NEARLY_DARK)


def _frame_share(mask: np.ndarray) -> float:
    """Share of a mask [z, y, x] on the first and last rows and columns of its slices."""
    return float((mask[:, [0, -1]].mean() + mask[:, :, [0, -1]].mean()) / 2)


def _between_air_and_tissue(sample: np.ndarray) -> float:
    """A quarter of the way from the mean of Otsu's darker class to that of the brighter."""
    bright = sample > threshold_otsu(sample)
    if not bright.any():
        return float(sample.max())
    air, tissue = float(sample[~bright].mean()), float(sample[bright].mean())
    return air + 0.25 * (tissue - air)


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
        pieces, count = ndimage.label(~plane)
        if count > 1:
            border = (pieces[[0, -1]].ravel(), pieces[:, [0, -1]].ravel())
            kept = np.ones(count + 1, bool)
            kept[np.concatenate(border)] = False
            kept[0] = True  # the mask itself
            plane[:] = kept[pieces]
    return mask
