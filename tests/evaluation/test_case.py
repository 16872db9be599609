"""One case measured: from arrays, from files, with and without a run record."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import napari_medad as medad
from napari_medad.errors import MedadError
from napari_medad.results.run_record import RunRecord

AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nib.Nifti1Image(array, affine).to_filename(path)
    return path


@pytest.fixture
def scores() -> np.ndarray:
    """A square of scores 1..16 in background 0; its right half is lesion in `truth`."""
    array = np.zeros((8, 8, 3), np.float32)
    array[2:6, 2:6, 1] = np.arange(1, 17).reshape(4, 4).T
    return array


@pytest.fixture
def truth() -> np.ndarray:
    array = np.zeros((8, 8, 3), np.uint8)
    array[2:6, 4:6, 1] = 3
    return array


def test_a_map_that_ranks_every_lesion_voxel_first_is_perfect(scores, truth):
    metrics = medad.evaluate(scores, truth, threshold=8)
    assert (metrics.voxels, metrics.lesion_voxels) == (16, 8)
    assert (metrics.average_precision, metrics.auroc, metrics.f1_max) == (1, 1, 1)
    assert 8 <= metrics.f1_max_threshold < 9
    assert (metrics.dice, metrics.sensitivity, metrics.precision) == (1, 1, 1)


def test_figures_at_a_threshold_by_hand(scores, truth):
    metrics = medad.evaluate(scores, truth, threshold=4)
    assert metrics.sensitivity == 1
    assert metrics.precision == pytest.approx(8 / 12)
    assert metrics.dice == pytest.approx(16 / 20)


def test_without_a_threshold_nothing_is_said_of_one(scores, truth):
    metrics = medad.evaluate(scores, truth)
    assert (metrics.threshold, metrics.dice, metrics.precision) == (None, None, None)


def test_a_lesion_the_map_leaves_at_zero_counts_as_missed(scores, truth):
    truth[0, 0, 0] = 1
    metrics = medad.evaluate(scores, truth, threshold=8)
    assert (metrics.voxels, metrics.lesion_voxels) == (17, 9)
    assert metrics.sensitivity == pytest.approx(8 / 9)


def test_zeros_inside_the_brain_are_counted(truth):
    ring = np.ones((1, 7, 7), np.float32)
    ring[0, 2:5, 2:5] = 0
    padded = np.pad(ring, ((0, 0), (2, 2), (2, 2)))
    assert medad.evaluate(padded, np.zeros_like(padded)).voxels == 49


def test_a_mask_says_what_is_counted(scores, truth):
    mask = np.zeros_like(truth)
    mask[2:4, 2:6, 1] = 1
    metrics = medad.evaluate(scores, truth, mask=mask)
    assert (metrics.voxels, metrics.lesion_voxels) == (8, 4)


def test_a_healthy_case_has_false_alarms_and_no_average_precision(scores, truth):
    metrics = medad.evaluate(scores, np.zeros_like(truth), threshold=8)
    assert metrics.average_precision is None
    assert (metrics.dice, metrics.precision, metrics.sensitivity) == (0, 0, None)


def test_files_in_any_orientation_and_the_threshold_of_the_run(tmp_path, scores, truth):
    anomaly = save(tmp_path / "case_moe_anomaly.nii.gz", scores)
    record = RunRecord(detector="moe", volume="t2f", threshold_value=4.0)
    (tmp_path / "case_moe_record.json").write_text(record.model_dump_json())
    flipped = np.diag([1.0, -1.0, 2.0, 1.0])
    flipped[0, 3] = -7
    reference = save(tmp_path / "truth.nii.gz", truth[::-1].copy(), flipped)
    metrics = medad.evaluate(anomaly, reference, out=tmp_path / "metrics.json")
    assert metrics.average_precision == 1
    assert metrics.threshold == 4
    assert metrics.dice == pytest.approx(16 / 20)
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics.model_dump()


def test_files_on_different_voxels_are_refused(tmp_path, scores, truth):
    anomaly = save(tmp_path / "map.nii.gz", scores)
    moved = AFFINE.copy()
    moved[0, 3] = 5
    reference = save(tmp_path / "truth.nii.gz", truth, moved)
    with pytest.raises(MedadError, match=r"do not lie on the same voxels; resample"):
        medad.evaluate(anomaly, reference)
    shorter = save(tmp_path / "shorter.nii.gz", truth[:7])
    with pytest.raises(MedadError, match=r"The truth has shape \(3, 8, 7\)"):
        medad.evaluate(anomaly, shorter)


def test_an_empty_mask_and_a_map_with_nan_are_refused(scores, truth):
    with pytest.raises(MedadError, match="mask is empty"):
        medad.evaluate(scores, truth, mask=np.zeros_like(truth))
    scores[3, 3, 1] = np.nan
    with pytest.raises(MedadError, match="NaN"):
        medad.evaluate(scores, truth)
