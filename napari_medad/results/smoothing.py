"""Filters of whole maps that several detectors offer."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def median_inside(values: np.ndarray, foreground: np.ndarray, size: int) -> None:
    """Median filter a map [z, y, x] in place with a cube of `size` voxels, zero outside.

    Works in the foreground's bounding box. A median of one value changes nothing.
    """
    boxes = ndimage.find_objects(foreground.astype(np.uint8))
    if size == 1 or not boxes:
        return
    part = values[boxes[0]]
    part[...] = ndimage.median_filter(part, size, mode="nearest") * foreground[boxes[0]]
