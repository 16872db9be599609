"""A saved detection read back: the same maps, findings and decisions, of the same scan."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_medad import load_detection
from napari_medad.errors import MedadError
from napari_medad.inference.run import detect
from napari_medad.results.detection import Detection
from napari_medad.volumes.reader import read_study

TURNED = np.array([[0, 0, 2.0, -9], [-1.5, 0, 0, 30], [0, 1.2, 0, 4], [0, 0, 0, 1]])


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    stored = np.zeros((30, 28, 22), np.int16)
    stored[4:-4, 4:-4, 4:-4] = rng.integers(200, 400, (22, 20, 14))
    stored[10:16, 12:17, 8:12] = 900
    path = tmp_path / "scans" / "case.nii.gz"
    path.parent.mkdir()
    nib.Nifti1Image(stored, TURNED).to_filename(path)
    return path


@pytest.fixture
def saved(scan: Path, tmp_path: Path) -> tuple[Detection, Path]:
    detection = detect(read_study(scan), "hyperintensity", minimum_ml=0.1)
    signs = {"bleeding": np.where(detection.slice_scores > 0.5, 0.25, np.nan).astype(np.float32)}
    present = {"bleeding": np.nan_to_num(signs["bleeding"]) > 0}
    own = {"category:bleeding": detection.maps["anomaly"] / 2}
    detection = replace(
        detection,
        maps={**detection.maps, **own},
        category_scores=signs,
        category_chances=signs,
        category_present=present,
    )
    detection.save(tmp_path / "out")
    return detection, tmp_path / "out"


def test_what_was_saved_is_read(saved):
    was, folder = saved
    now = load_detection(folder)
    assert set(now.maps) == set(was.maps) == {"anomaly", "category:bleeding"}
    for name, values in was.maps.items():
        np.testing.assert_array_equal(now.maps[name], values)
    np.testing.assert_array_equal(now.mask, was.mask)
    np.testing.assert_array_equal(now.foreground, was.foreground)
    np.testing.assert_allclose(now.slice_scores, was.slice_scores, rtol=1e-5)
    np.testing.assert_allclose(
        now.category_scores["bleeding"], was.category_scores["bleeding"], rtol=1e-5
    )
    kept = np.isfinite(was.slice_scores)
    np.testing.assert_array_equal(
        now.category_present["bleeding"][kept], was.category_present["bleeding"][kept]
    )
    assert now.findings == was.findings
    assert now.findings
    assert now.record == was.record


def test_a_moved_scan_is_named_and_found(saved, scan, tmp_path):
    was, folder = saved
    shutil.move(scan, tmp_path / "moved.nii.gz")
    with pytest.raises(MedadError, match="no longer at .*case.nii.gz; put it back, or name"):
        load_detection(folder)
    now = load_detection(folder, source=tmp_path / "moved.nii.gz")
    assert now.study.name == "case"
    assert now.findings == was.findings


def test_another_scan_is_refused(saved, scan):
    image = nib.load(scan)
    nib.Nifti1Image(np.asarray(image.dataobj) + 1, image.affine).to_filename(scan)
    with pytest.raises(MedadError, match="is not the scan that was looked at"):
        load_detection(saved[1])


def test_what_is_missing_is_named(saved, tmp_path):
    _, folder = saved
    with pytest.raises(MedadError, match="There is no folder"):
        load_detection(tmp_path / "absent")
    with pytest.raises(MedadError, match="holds no saved detection"):
        load_detection(tmp_path / "scans")
    record = next(folder.glob("*_record.json"))
    shutil.copy(record, folder / "other_moe_record.json")
    with pytest.raises(MedadError, match="holds 2 detections"):
        load_detection(folder)
    next(folder.glob("*_slices.csv")).write_text("slice,score\nten,1\n")
    with pytest.raises(MedadError, match="cannot be read as the detection's slice table"):
        load_detection(record)
    next(folder.glob("*_anomaly.nii.gz")).unlink()
    with pytest.raises(MedadError, match="There is no case_hyperintensity_anomaly.nii.gz"):
        load_detection(record)


def test_a_scan_that_was_never_a_file_is_told(saved, tmp_path):
    was, _ = saved
    record = was.record.model_copy(update={"input": None, "sources": []})
    replace(was, record=record).save(tmp_path / "memory")
    with pytest.raises(MedadError, match="made in memory and never in a file"):
        load_detection(tmp_path / "memory")
