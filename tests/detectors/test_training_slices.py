"""Slices that networks learn from: which, on what scale, and varied how."""

from __future__ import annotations

import numpy as np
import torch

from napari_medad.detectors.calibration import PER_VOLUME, healthy_level, thinned
from napari_medad.detectors.training_slices import (
    FramedSlices,
    cut,
    framed,
    synthetic_seeds,
    usable_slices,
    varied,
)
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.volume import Volume


def ball() -> Volume:
    """A ball that grows brighter from 100 to 200 through its 40 slices, in air of 0."""
    z, y, x = np.mgrid[:40, :48, :64]
    inside = ((z - 20) / 18) ** 2 + ((y - 24) / 20) ** 2 + ((x - 32) / 20) ** 2 < 1
    return Volume(np.where(inside, 100 + 2.5 * z, 0).astype(np.float32), np.eye(4), "t2f")


def test_slices_with_little_in_them_are_left_out_and_the_others_evenly_thinned() -> None:
    foreground = np.zeros((10, 10, 10), bool)
    foreground[2:8, :, :] = True
    foreground[8, 0, 0] = True
    assert usable_slices(foreground, 100).tolist() == [2, 3, 4, 5, 6, 7]
    assert usable_slices(foreground, 2).tolist() == [2, 7]
    assert usable_slices(np.zeros((3, 4, 4), bool), 5).size == 0


def test_a_cut_slice_holds_its_intensity_on_the_scans_scale() -> None:
    volume = ball()
    foreground = foreground_of(volume)
    slices = cut(volume, foreground, np.array([10, 20, 30]), 64, "percentile")
    assert slices.shape == (3, 2, 64, 64)
    low, high = np.percentile(volume.array[foreground], (0.5, 99.5))
    for plane, z in zip(slices, (10, 20, 30), strict=True):
        expected = (100 + 2.5 * z - low) / (high - low)
        assert abs(plane[0, 32, 32].item() / 255 - expected) < 0.01
        assert plane[1, 32, 32] == 255
        assert not plane[:, 0, 0].any()


def test_held_out_slices_are_given_as_they_are_and_others_varied_inside_the_foreground() -> None:
    slices = list(framed([ball()], 64, "robust", 5))
    still, moving = (FramedSlices(slices, 64, vary=vary) for vary in (False, True))
    assert len(still) == 5
    assert torch.equal(still[2]["image"], still[2]["image"])
    assert not torch.equal(moving[2]["image"], moving[2]["image"])
    for item in (still[2], moving[2]):
        assert not item["image"][item["foreground"] == 0].any()
        assert 0 <= item["image"].min() <= item["image"].max() <= 1


def test_variation_moves_image_and_foreground_together() -> None:
    torch.manual_seed(0)
    plane = torch.zeros(64, 64)
    plane[10:30, 8:20] = 1
    for _ in range(20):
        image, foreground = varied(plane * 0.8, plane)
        inside, outside = image[foreground > 0.99], image[foreground < 0.01]
        assert inside.min() > outside.max() + 0.1


def test_synthetic_seeds_of_learning_and_of_holding_out_never_meet() -> None:
    learned, held = (set(synthetic_seeds(30, 4, held_out=h)) for h in (False, True))
    assert (len(learned), len(held)) == (27, 3)
    assert not learned & held
    assert not (learned | held) & set(synthetic_seeds(30, 5, held_out=False))


def test_a_healthy_level_leaves_two_in_a_thousand_above() -> None:
    anomaly = np.arange(1_000_000, dtype=np.float32).reshape(100, 100, 100)
    foreground = np.ones(anomaly.shape, bool)
    kept = thinned(anomaly, foreground)
    assert PER_VOLUME <= kept.size < 2 * PER_VOLUME
    assert abs((anomaly > healthy_level([kept])).mean() - 0.002) < 1e-4
