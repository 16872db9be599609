"""Grey values, boxes, and the way there and back."""

import numpy as np
import pytest
import torch

from napari_medad.detectors.rasalore.framing import Framing, boxes_of, crop, paste


def test_published_grey_values_by_hand() -> None:
    pixels = np.array([[[0.0, 50.0, 100.0]]], np.float32)
    grey = Framing().grey(pixels, pixels > 0, (0.0, 1.0))
    # min-max and truncation give 0, 127, 254; then 255 (v / 255)^2, truncated
    assert grey.tolist() == [[[0, int(127**2 / 255), int(254**2 / 255)]]]


def test_a_lesion_does_not_change_how_normal_tissue_looks() -> None:
    rng = np.random.default_rng(0)
    healthy = rng.normal(500, 40, (4, 40, 40)).astype(np.float32)
    ill = healthy.copy()
    ill[:, :10, :10] = 5000
    inside = np.ones(healthy.shape, bool)
    framing = Framing("volume", 1.0)
    a = framing.grey(healthy, inside, framing.level(healthy, inside))
    b = framing.grey(ill, inside, framing.level(ill, inside))
    assert np.median(a) == pytest.approx(96, abs=0.5)
    assert a.std() == pytest.approx(32, abs=1)
    assert np.abs(a - b)[:, 10:, 10:].mean() < 5
    assert b[:, :10, :10].min() == 255


def test_what_is_brighter_than_tissue_is_drawn_apart() -> None:
    pixels = np.array([[[60.0, 100.0, 110.0, 120.0, 125.0]]], np.float32)
    grey = Framing("volume", 1.0, stretch=2.0).grey(pixels, pixels > 0, (100.0, 10.0))
    # -4, 0, 1, 2 and 2.5 deviations; those above 1 count double: 3 and 4
    assert grey.tolist() == [[[1, 96, 96 + 32, 96 + 3 * 32, 96 + 4 * 32]]]


def test_grey_levels_ignore_scale_and_offset() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.normal(0, 1, (3, 20, 20)).astype(np.float32)
    inside = np.ones(pixels.shape, bool)
    framing = Framing("volume", 1.0)
    one = framing.grey(pixels, inside, framing.level(pixels, inside))
    other = 7 * pixels - 300
    two = framing.grey(other, inside, framing.level(other, inside))
    assert np.abs(one - two).max() < 0.01


def test_small_boxes_grow_about_their_centre_and_stay_inside() -> None:
    grey = np.zeros((3, 100, 120), np.float32)
    grey[0, 10:90, 20:100] = 5
    grey[1, 50:60, 2:4] = 5
    boxes = boxes_of(grey)
    assert boxes[0] == (slice(10, 90), slice(20, 100))
    assert boxes[1] == (slice(23, 87), slice(0, 64))
    assert boxes[2] == (slice(0, 100), slice(0, 120))
    assert boxes_of(np.ones((1, 30, 200)))[0] == (slice(0, 30), slice(0, 200))


def test_what_is_cut_out_is_pasted_where_it_was() -> None:
    y, x = np.mgrid[:150, :130]
    blob = np.exp(-((y - 60) ** 2 + (x - 80) ** 2) / 200).astype(np.float32)[None]
    grey = 200 * (((y - 75) / 70) ** 2 + ((x - 65) / 60) ** 2 < 1)[None].astype(np.float32)
    boxes = boxes_of(grey)
    back = paste(crop(blob, boxes, 256), boxes, (150, 130))
    assert np.abs(back - blob).max() < 0.01
    assert np.unravel_index(back[0].argmax(), back[0].shape) == (60, 80)
    assert not back[0, :5].any()


def test_turning_twice_is_not_turning() -> None:
    slices = np.arange(24).reshape(2, 3, 4)
    framing = Framing(transposed=True)
    assert framing.turn(slices).shape == (2, 4, 3)
    assert (framing.turn(framing.turn(slices)) == slices).all()
    assert Framing().turn(slices) is slices


def test_crop_keeps_the_mean() -> None:
    image = np.random.default_rng(0).random((1, 128, 128)).astype(np.float32)
    small = crop(image, [(slice(0, 128), slice(0, 128))], 64)
    assert small.mean().item() == pytest.approx(image.mean(), abs=0.01)
    assert small.dtype == torch.float32
