"""Filters of whole maps that several detectors offer."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_medad.volumes.large_array import release

SLAB = 32
"""Slices filtered at a time, so that a large scan needs no second map."""


def median_inside(values: np.ndarray, foreground: np.ndarray, size: int) -> None:
    """Median filter a map [z, y, x] in place with a cube of `size` voxels, zero outside.

    Works in the foreground's bounding box. A median of one value changes nothing.
    """
    boxes = ndimage.find_objects(foreground.view(np.uint8))
    if size == 1 or not boxes:
        return
    part, inside = values[boxes[0]], foreground[boxes[0]]
    reach = size // 2
    above = part[:0]
    for first in range(0, len(part), SLAB):
        last = min(first + SLAB, len(part))
        stack = np.concatenate([above, part[first : last + reach]])
        before, above = len(above), part[max(0, last - reach) : last].copy()
        filtered = ndimage.median_filter(stack, size, mode="nearest")
        part[first:last] = filtered[before : before + last - first] * inside[first:last]
        release(values)
