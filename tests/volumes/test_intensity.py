"""Scales of intensity, by hand."""

import numpy as np
import pytest
from PIL import Image

from napari_medad.volumes.intensity import (
    IntensityRange,
    RankScale,
    background_value,
    foreground_sample,
    rescaled,
    shown_range,
)
from napari_medad.volumes.reader import read_volume
from napari_medad.volumes.volume import Volume


@pytest.mark.parametrize(
    ("dtype", "slope", "intercept", "expected"),
    [
        (np.int16, 1, 0, np.int16),
        (np.uint16, 1, -1024, np.int16),
        (np.uint8, 1, 300, np.uint16),
        (np.int16, 0.5, 0, np.float32),
        (np.int16, 1, 0.25, np.float32),
        (np.float64, 1, 0, np.float32),
        (np.int64, 1, 0, np.float32),
        (">i2", 1, 0, np.int16),
    ],
)
def test_rescaled_keeps_whole_numbers_small(dtype, slope, intercept, expected) -> None:
    stored = np.array([0, 10, 100]).astype(dtype)
    out = rescaled(stored, slope, intercept)
    assert out.dtype == expected
    assert out.dtype.isnative
    np.testing.assert_allclose(out, np.array([0, 10, 100]) * slope + intercept)


def test_rescaled_complex_and_bool() -> None:
    assert rescaled(np.array([1 + 1j], np.complex64), 2, 0)[0] == 2 + 2j
    assert rescaled(np.array([True]), 1, 0).dtype == np.uint8


def test_range_maps_percentiles_to_unit_interval_and_back() -> None:
    array = np.arange(1000, dtype=np.int16).reshape(10, 10, 10)
    scale = IntensityRange.of(array, np.ones(array.shape, bool), (10, 90))
    np.testing.assert_allclose(scale.apply(np.array([scale.low, scale.high])), [0, 1], atol=1e-6)
    assert scale.apply(np.array([-500, 5000])).tolist() == [0, 1]
    values = np.array([200.0, 500.0])
    np.testing.assert_allclose(scale.invert(scale.apply(values)), values, rtol=1e-5)
    flat = IntensityRange.of(np.full((2, 2, 2), 7), np.ones((2, 2, 2), bool))
    assert flat.apply(np.array([7, 9])).tolist() == [0, 0]


def test_rank_is_the_share_of_darker_foreground() -> None:
    array = np.zeros((4, 50, 50), np.float32)
    foreground = np.zeros(array.shape, bool)
    foreground[1:3] = True
    array[foreground] = np.random.default_rng(0).permutation(5000)
    scale = RankScale.of(array, foreground)
    np.testing.assert_allclose(
        scale.apply(np.array([0, 1250, 2500, 4999])), [0, 0.25, 0.5, 1], atol=2e-3
    )


def test_ties_get_their_middle_rank_and_constants_zero() -> None:
    array = np.repeat([0.0, 1.0], 500).reshape(10, 10, 10)
    scale = RankScale.of(array, np.ones(array.shape, bool))
    np.testing.assert_allclose(scale.apply(np.array([0.0, 1.0])), [0.25, 0.75], atol=2e-3)
    flat = RankScale.of(np.ones((3, 3, 3)), np.ones((3, 3, 3), bool))
    assert flat.apply(np.array([1.0, 2.0])).tolist() == [0, 0]


def test_what_is_not_finite_is_zero_on_both_scales() -> None:
    array = np.arange(1000, dtype=np.float32).reshape(10, 10, 10)
    inside = np.ones(array.shape, bool)
    odd = np.array([np.nan, np.inf, -np.inf, 500], np.float32)
    for scale in (IntensityRange.of(array, inside), RankScale.of(array, inside)):
        np.testing.assert_allclose(scale.apply(odd), [0, 0, 0, 0.5], atol=0.01)
    assert np.isnan(odd[0])


def test_corner_value_is_the_commonest_finite_one() -> None:
    array = np.full((3, 4, 5), 7.0)
    array[0, 0, 0], array[-1, -1, -1] = np.nan, 2
    assert background_value(array) == 7
    assert background_value(np.full((2, 2, 2), np.nan)) == 0
    assert background_value(np.full((1, 4, 4), -1024, np.int16)) == -1024


def test_sample_leaves_out_what_is_not_finite_or_not_foreground() -> None:
    array = np.full((5, 40, 40), np.nan, np.float32)
    foreground = np.zeros(array.shape, bool)
    foreground[2] = True
    array[2, :20] = 3
    assert np.unique(foreground_sample(array, foreground)).tolist() == [3]


def test_pictures_keep_the_greys_of_their_file(tmp_path) -> None:
    pixels = np.tile(np.arange(40, 120, dtype=np.uint8), (80, 1))
    Image.fromarray(pixels).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([pixels, pixels, pixels // 2], -1)).save(tmp_path / "colour.png")
    Image.fromarray(pixels.astype(np.uint16) * 100).save(tmp_path / "deep.png")
    for name, bounds in (("grey", (0, 255)), ("colour", (0, 255)), ("deep", (4000, 11900))):
        volume = read_volume(tmp_path / f"{name}.png")
        inside = np.ones(volume.array.shape, bool)
        shown = shown_range(volume, inside)
        assert (shown.low, shown.high) == bounds
    scan = Volume(pixels[None], np.eye(4))  # the same bytes, of a scan
    assert shown_range(scan, np.ones(scan.array.shape, bool)) == IntensityRange(40, 119)
