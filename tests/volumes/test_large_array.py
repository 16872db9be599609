"""Arrays that live in a file behave like those that do not."""

from __future__ import annotations

import shutil
from collections import namedtuple

import numpy as np
import pytest

import napari_medad as medad
from napari_medad.volumes import large_array
from napari_medad.volumes.phantom import make_brain


def is_in_a_file(array: np.ndarray) -> bool:
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


@pytest.fixture
def everything_is_large(monkeypatch):
    monkeypatch.setattr(large_array, "LARGE_BYTES", 1)


def test_small_arrays_are_in_memory():
    assert not is_in_a_file(large_array.zeros((4, 5, 6)))


def test_values_survive_their_release(everything_is_large):
    array = large_array.zeros((4, 5, 6), np.int16)
    assert is_in_a_file(array)
    assert array.dtype == np.int16
    assert not array.any()
    view = array[1:, ::2]
    view[...] = 7
    large_array.release(view)
    assert array.sum() == 7 * view.size
    array[0] = 1
    assert array.sum() == 7 * view.size + 30


def test_without_room_on_disk_arrays_are_in_memory(everything_is_large, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(9, 9, 0))
    array = large_array.zeros((4, 5, 6))
    assert not is_in_a_file(array)
    large_array.release(array)
    assert array.shape == (4, 5, 6)


def test_a_detection_in_files_equals_one_in_memory(monkeypatch):
    study = make_brain(3, lesions=("tumour",), spacing=4.0, contrasts=("t2f",)).study
    plain = medad.detect(study, "hyperintensity")
    monkeypatch.setattr(large_array, "LARGE_BYTES", 1)
    filed = medad.detect(study, "hyperintensity")
    assert is_in_a_file(filed.maps["anomaly"])
    np.testing.assert_array_equal(filed.maps["anomaly"], plain.maps["anomaly"])
    np.testing.assert_array_equal(filed.mask, plain.mask)
    assert filed.findings == plain.findings
    assert filed.threshold == plain.threshold
