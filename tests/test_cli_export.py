"""`medad export`, from a saved detection to files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from napari_medad import load_detection
from napari_medad.cli import run, viewing
from napari_medad.cli.exporting import NAMES
from napari_medad.corrections import verdicts
from napari_medad.corrections.correction import Correction
from napari_medad.corrections.files import save_correction
from napari_medad.export.run import FORMATS


@pytest.fixture
def detected(tmp_path: Path) -> Path:
    stored = np.zeros((30, 28, 22), np.int16)
    stored[4:-4, 4:-4, 4:-4] = np.random.default_rng(1).integers(200, 400, (22, 20, 14))
    stored[10:16, 12:17, 8:12] = 900
    nib.Nifti1Image(stored, np.diag([2.0, 2, 2, 1])).to_filename(tmp_path / "case.nii.gz")
    out = tmp_path / "detected"
    asked = ["detect", str(tmp_path / "case.nii.gz"), "--detector", "hyperintensity"]
    assert run([*asked, "--out", str(out)]) == 0
    return out


def test_formats_are_written_and_listed(detected, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(["export", str(detected), "--format", "csv, json,nifti", "--out", str(out)]) == 0
    listed = capsys.readouterr().out.split()
    assert {Path(line).name for line in listed[-4:]} == {p.name for p in out.iterdir()}


def test_a_correction_in_the_folder_is_exported_unless_left_aside(detected, tmp_path, capsys):
    correction = Correction.of(load_detection(detected))
    count = len(correction.ids)
    correction.apply(verdicts.reject(correction, [1]))
    save_correction(correction, detected)
    assert run(["export", str(detected), "--format", "csv", "--out", str(tmp_path / "a")]) == 0
    assert "those of the correction" in capsys.readouterr().err
    asked = ["export", str(detected), "--format", "csv", "--as-detected"]
    assert run([*asked, "--out", str(tmp_path / "b")]) == 0
    rows = [len(next((tmp_path / f).iterdir()).read_text().splitlines()) - 1 for f in "ab"]
    assert rows == [count - 1, count]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--format", "doc"], "The format 'doc' is unknown"),
        (["--format", "dicom-seg"], "was not read from DICOM"),
        (["--source", "absent.nii.gz"], "no longer at absent.nii.gz"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_leaves_nothing(
    detected, tmp_path, capsys, arguments, told
):
    out = tmp_path / "out"
    assert run(["export", str(detected), "--out", str(out), *arguments]) == 1
    assert told in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


def test_open_tells_sessions_scans_and_cohorts_apart(tmp_path, monkeypatch):
    asked = []
    viewer = SimpleNamespace(
        open_saved=lambda path: asked.append(("session", path.name)),
        open_study=lambda path: asked.append(("scan", path.name)),
        open_cohort=lambda path: asked.append(("cohort", path.name)),
    )
    monkeypatch.setattr(viewing, "_viewer", lambda: viewer)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "session.json").write_text("{}")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "summary.jsonl").write_text("")
    for name in ("s.zip", "kept", "scan.nii.gz", "case", "results"):
        assert run(["open", str(tmp_path / name)]) == 0
    assert asked == [
        ("session", "s.zip"),
        ("session", "kept"),
        ("scan", "scan.nii.gz"),
        ("scan", "case"),
        ("cohort", "results"),
    ]


def test_the_help_names_every_format():
    assert tuple(NAMES.split(", ")) == tuple(FORMATS)
