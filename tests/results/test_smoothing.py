"""The median filter of maps, against one over the whole volume."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_medad.results.smoothing import SLAB, median_inside


@pytest.mark.parametrize("size", [2, 3, 7])
@pytest.mark.parametrize("slices", [1, SLAB - 1, SLAB + 1, 2 * SLAB + 5])
def test_slab_by_slab_is_as_the_whole(size, slices):
    rng = np.random.default_rng(size)
    values = rng.random((slices + 4, 12, 14), dtype=np.float32)
    foreground = np.zeros(values.shape, bool)
    foreground[2 : 2 + slices, 3:10, 2:12] = rng.random((slices, 7, 10)) < 0.9
    foreground[[2, 1 + slices], 3, 2] = foreground[2, 9, 11] = True
    box = ndimage.find_objects(foreground.astype(int))[0]
    expected = values.copy()
    expected[box] = ndimage.median_filter(values[box], size, mode="nearest") * foreground[box]
    median_inside(values, foreground, size)
    assert np.array_equal(values, expected)


def test_a_median_of_one_and_an_empty_foreground_change_nothing():
    values = np.random.default_rng(0).random((4, 5, 6))
    before = values.copy()
    median_inside(values, np.ones(values.shape, bool), 1)
    median_inside(values, np.zeros(values.shape, bool), 3)
    assert np.array_equal(values, before)
