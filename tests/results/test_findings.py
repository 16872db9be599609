"""Findings of maps small enough to count by hand."""

from __future__ import annotations

import time

import numpy as np
import pytest

from napari_medad.results.findings import find, middle_of
from napari_medad.volumes.volume import Volume


@pytest.fixture
def anomaly() -> np.ndarray:
    """A 2 x 2 x 2 cube with one higher voxel, and a single voxel far from it."""
    array = np.zeros((12, 10, 8), np.float32)
    array[2:4, 3:5, 1:3] = 0.6
    array[3, 4, 2] = 0.9
    array[9, 8, 7] = 0.7
    return array


def test_every_figure_by_hand(anomaly, volume):
    labels, (cube, single) = find(anomaly, 0.5, volume)
    assert cube.volume_ml == pytest.approx(8 * 6 / 1000)
    assert cube.max_score == pytest.approx(0.9)
    assert cube.mean_score == pytest.approx((7 * 0.6 + 0.9) / 8)
    assert cube.centroid_ras == pytest.approx((10 - 1.5, 20 - 2 * 3.5, -30 + 3 * 2.5))
    assert cube.peak_zyx == (3, 4, 2)
    assert cube.extent_mm == pytest.approx((6, 4, 2))
    assert cube.slices == (2, 3)
    assert single.centroid_ras == pytest.approx((3, 4, -3))
    assert (single.peak_zyx, single.slices, single.id) == ((9, 8, 7), (9, 9), 2)
    assert labels.dtype == np.uint16
    assert np.array_equal(labels == 1, (anomaly > 0.5) & (np.arange(12) < 6)[:, None, None])
    assert np.argwhere(labels == 2).tolist() == [[9, 8, 7]]


def test_one_looks_at_a_finding_in_its_middle(volume):
    """A bar of planes 2 to 8, highest at its end, and a ring, whose centre is not its own."""
    bar = np.zeros((12, 10, 8), np.float32)
    bar[2:9, 3:6, 2:5] = 1
    bar[8, 5, 4] = 2
    labels, (finding,) = find(bar, 0.5, volume)
    assert finding.peak_zyx == (8, 5, 4)
    assert middle_of(finding, labels, volume) == (5, 4, 3)
    ring = np.zeros_like(bar)
    ring[4, 2:7, 1:6] = 1
    ring[4, 3:6, 2:5] = 0
    labels, (finding,) = find(ring, 0.5, volume)
    assert middle_of(finding, labels, volume) in ((4, 4, 1), (4, 4, 5))  # 2 mm away, not 4
    labels[:] = 0
    assert middle_of(finding, labels, volume) == finding.peak_zyx


def test_voxels_at_the_threshold_do_not_belong(anomaly, volume):
    level = float(np.float32(0.6))
    labels, found = find(anomaly, level, volume)
    assert [f.peak_zyx for f in found] == [(3, 4, 2), (9, 8, 7)]
    assert labels.astype(bool).sum() == 2


def test_voxels_that_touch_by_a_corner_are_one_finding(volume):
    anomaly = np.zeros(volume.array.shape, np.float32)
    anomaly[1, 1, 1] = anomaly[2, 2, 2] = 1
    assert len(find(anomaly, 0.5, volume)[1]) == 1


@pytest.mark.parametrize(
    ("minimum_ml", "left"), [(0, 2), (0.006, 2), (0.0061, 1), (0.048, 1), (0.05, 0)]
)
def test_smaller_ones_are_dropped_and_one_of_exactly_the_minimum_is_kept(
    anomaly, volume, minimum_ml, left
):
    labels, found = find(anomaly, 0.5, volume, minimum_ml=minimum_ml)
    assert len(found) == left == labels.max()


def test_nothing_above_the_threshold_is_no_finding(anomaly, volume):
    labels, found = find(anomaly, 1.0, volume)
    assert found == []
    assert not labels.any()


def test_labels_and_figures_agree_on_noise(volume):
    anomaly = np.random.default_rng(0).random(volume.array.shape, dtype=np.float32)
    labels, found = find(anomaly, 0.9, volume)
    assert np.array_equal(labels > 0, anomaly > 0.9)
    sizes = [f.volume_ml for f in found]
    assert sizes == sorted(sizes, reverse=True)
    for finding in found:
        inside = labels == finding.id
        where = np.argwhere(inside)
        assert finding.volume_ml == pytest.approx(len(where) * 0.006)
        assert finding.max_score == anomaly[inside].max() == anomaly[finding.peak_zyx]
        assert finding.mean_score == pytest.approx(anomaly[inside].mean())
        assert finding.centroid_ras == pytest.approx(tuple(volume.to_ras(where.mean(0))))
        assert finding.slices == (where[:, 0].min(), where[:, 0].max())


def test_a_row_is_flat(anomaly, volume):
    row = find(anomaly, 0.5, volume)[1][0].row()
    assert row["centroid_ras_a"] == pytest.approx(13)
    assert (row["slices_first"], row["slices_last"]) == (2, 3)
    assert all(isinstance(value, int | float | str) for value in row.values())


def test_a_slider_on_a_whole_brain_stays_fluent():
    rng = np.random.default_rng(1)
    coarse = rng.random((16, 24, 24), dtype=np.float32)
    anomaly = np.kron(coarse, np.ones((10, 10, 10), np.float32))[:155]
    volume = Volume(anomaly, np.diag([-1.0, -1.0, 1.0, 1.0]))
    spent = []
    for threshold in (0.97, 0.98, 0.99):
        began = time.process_time()
        find(anomaly, threshold, volume, minimum_ml=0.05)
        spent.append(time.process_time() - began)
    assert min(spent) < 0.15  # about 0.04 s on an idle machine
