"""`medad detect` on many studies: exit status, sentences, and what lies on disk."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_medad.cli import run


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Two folders with a bright cube in a ball each, and one with a broken file."""
    z, y, x = np.indices((16, 16, 16)) - 8
    array = np.where(z**2 + y**2 + x**2 < 49, 100.0, 0.0)
    array[6:9, 6:9, 6:9] = 300
    for name in ("a", "b", "broken"):
        path = tmp_path / "scans" / name / "t2f.nii.gz"
        path.parent.mkdir(parents=True)
        image = nib.Nifti1Image(array.astype(np.float32), np.diag([2.0, 2, 2, 1]))
        image.to_filename(path)
        if name == "broken":
            path.write_bytes(b"nothing")
    return tmp_path / "scans"


def medad(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = run([str(argument) for argument in arguments])
    told = capsys.readouterr()
    return status, told.out, told.err


def detect(capsys, source, out, *options):
    return medad(capsys, "detect", source, "--detector", "hyperintensity", "--out", out, *options)


def test_a_folder_of_studies_is_gone_through(capsys, scans, tmp_path):
    out = tmp_path / "out"
    status, told, warned = detect(capsys, scans, out)
    assert status == 0
    assert "2 done, 2 of them with findings; 1 failed." in told
    assert str(out / "index.html") in told
    assert "broken failed:" in warned
    assert (out / "studies" / "a" / "a_hyperintensity_record.json").is_file()
    status, _, warned = detect(capsys, scans, out, "--threshold", "0.5")
    assert status == 1
    assert "with the threshold auto, not 0.5" in warned


def test_a_single_study_is_written_as_ever(capsys, scans, tmp_path):
    assert detect(capsys, scans / "a", tmp_path / "out")[0] == 0
    assert (tmp_path / "out" / "a_hyperintensity_record.json").is_file()
    assert not (tmp_path / "out" / "cohort.json").exists()
    assert detect(capsys, scans / "a", tmp_path / "many", "--cohort")[0] == 0
    assert (tmp_path / "many" / "studies" / "a").is_dir()


def test_nothing_but_failures_is_an_error(capsys, scans, tmp_path):
    status, _, warned = detect(capsys, scans / "broken", tmp_path / "out", "--cohort")
    assert status == 1
    assert "None of the 1 studies could be looked at" in warned


@pytest.mark.parametrize(
    ("source", "options", "told"),
    [
        ("a", ["--workers", "2"], "is not a cohort, and --workers is for cohorts"),
        ("empty", ["--cohort"], "is not a cohort, and --cohort is for cohorts"),
        (".", ["--workers", "1", "--cluster", "tcp://127.0.0.1:9"], "not both"),
        (".", ["--detector", "hyperintensity,moe"], "gone through by one detector"),
        ("a", ["--one-study", "--cluster", "x"], "is not a cohort, and --cluster is"),
        (".", ["--again", "record.json", "--workers", "2"], "leave out --detector, --workers"),
    ],
)
def test_what_does_not_go_together_is_told(capsys, scans, tmp_path, source, options, told):
    (scans / "empty").mkdir()
    status, _, warned = detect(capsys, scans / source, tmp_path / "out", *options)
    assert status == 1
    assert told in " ".join(warned.split())
    assert not (tmp_path / "out").exists()


def test_a_cohort_needs_a_detector(capsys, scans, tmp_path):
    status, _, warned = medad(capsys, "detect", scans, "--out", tmp_path / "out")
    assert status == 1
    assert "--detector is missing; there are:" in warned
