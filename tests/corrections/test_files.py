"""A correction on disk: exact voxels, recovery, and what is refused."""

from __future__ import annotations

import csv
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_medad.corrections import strokes, verdicts
from napari_medad.corrections.correction import Correction
from napari_medad.corrections.files import (
    load_correction,
    load_recovery,
    refuse_moved,
    save_correction,
    save_recovery,
)
from napari_medad.errors import MedadError
from napari_medad.results.detection import Detection
from napari_medad.results.run_record import SourceRecord
from napari_medad.volumes.reader import read_study

OBLIQUE = np.array(
    [[0.1, 1.9, 0.3, -20], [-1.2, 0.15, 0.4, 30], [-0.15, -0.42, 2.9, 7], [0, 0, 0, 1]], float
)
OBLIQUE[:3, :3] = np.linalg.qr(OBLIQUE[:3, :3])[0] * [1.2, 2.0, 3.0]


@pytest.fixture
def edited(correction_of: Callable, two_cubes: np.ndarray) -> Correction:
    """Of everything something."""
    correction = correction_of(two_cubes)
    correction.apply(strokes.paint(correction, [[3, 3, 5]], 1.0, 1))
    correction.apply(strokes.erase(correction, [[9, 9, 10]], 0.4))
    correction.apply(verdicts.accept(correction, [1]))
    correction.apply(verdicts.name(correction, [1], "glioma"))
    return correction


def same(ours: Correction, theirs: Correction) -> None:
    np.testing.assert_array_equal(ours.labels, theirs.labels)
    np.testing.assert_array_equal(ours.provenance, theirs.provenance)
    assert ours.categories == theirs.categories
    assert ours.log == theirs.log
    assert [f.volume_ml for f in ours.findings] == [f.volume_ml for f in theirs.findings]


def test_saved_and_loaded(edited: Correction, tmp_path: Path) -> None:
    written = save_correction(edited, tmp_path)
    assert [path.name for path in written] == [
        "case_moe_corrected.nii.gz",
        "case_moe_provenance.nii.gz",
        "case_moe_corrected_findings.csv",
        "case_moe_correction.json",
    ]
    loaded = load_correction(edited.detection, tmp_path)
    same(loaded, edited)
    loaded.apply(verdicts.reject(loaded, [2]))
    with written[2].open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["id"], row["category"], row["state"]) for row in rows] == [
        ("1", "glioma", "confirmed"),
        ("2", "", "detected"),
    ]
    log = json.loads(written[3].read_text())
    assert [step["what"] for step in log["steps"]] == [
        "paint",
        "erase",
        "accept 1",
        "name 1 glioma",
    ]
    assert log["provenance"]["REMOVED"] == 4


def test_files_lie_on_the_sources_voxels(
    detected: Callable[..., Detection], tmp_path: Path
) -> None:
    stored = np.random.default_rng(0).random((9, 8, 7), dtype=np.float32)
    source = tmp_path / "case.nii.gz"
    nib.Nifti1Image(stored, OBLIQUE).to_filename(source)
    study = read_study(source)
    (name,) = study.volumes
    made = detected(study.volumes[name].array)
    record = made.record.model_copy(update={"volume": name})
    detection = replace(made, study=study, record=record)
    correction = Correction.of(detection)
    correction.apply(strokes.paint(correction, [[0, 0, 0]], 2.5, 9))
    mask = nib.load(save_correction(correction, tmp_path)[0])
    assert np.allclose(mask.affine, OBLIQUE, atol=1e-6)
    assert np.array_equal(
        np.asarray(mask.dataobj), detection.volume.on_source(correction.labels, labels=True)
    )
    same(load_correction(detection, tmp_path), correction)


def test_a_recovery_holds_the_same(edited: Correction, tmp_path: Path) -> None:
    assert save_recovery(edited, tmp_path / "case.npz") == edited.revision == 4
    same(load_recovery(edited.detection, tmp_path / "case.npz"), edited)


PAINTS_ON = """
import pickle, sys
from pathlib import Path
from napari_medad.corrections import strokes
from napari_medad.corrections.correction import Correction
from napari_medad.corrections.files import save_recovery

correction = Correction.of(pickle.loads(Path(sys.argv[1]).read_bytes()))
for x in range(10**6):
    correction.apply(strokes.paint(correction, [[x // 16 % 12, 12, x % 16]], 0.4, 3))
    save_recovery(correction, sys.argv[2])
    print(len(correction.log), flush=True)
"""


def test_a_recovery_outlives_a_kill(
    detected: Callable[..., Detection], two_cubes: np.ndarray, tmp_path: Path
) -> None:
    """A process that paints and saves itself is killed; every stroke it had saved is there."""
    detection, path = detected(two_cubes), tmp_path / "case.npz"
    held = tmp_path / "detection.pickle"
    held.write_bytes(pickle.dumps(detection))
    command = [sys.executable, "-c", PAINTS_ON, str(held), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(40):
            saved = int(process.stdout.readline())
        process.kill()
    recovered = load_recovery(detection, path)
    strokes_kept = len(recovered.log)
    assert strokes_kept >= saved == 40
    drawn = np.flatnonzero(recovered.labels[:, 12].ravel() == 3)
    assert drawn.tolist() == list(range(strokes_kept))


@pytest.mark.parametrize("load", [load_correction, load_recovery])
def test_another_scan_is_refused(
    edited: Correction, detected: Callable[..., Detection], tmp_path: Path, load: Callable
) -> None:
    save_correction(edited, tmp_path)
    save_recovery(edited, tmp_path / "case.npz")
    where = tmp_path if load is load_correction else tmp_path / "case.npz"
    other = detected(np.zeros((12, 14, 17)))
    with pytest.raises(MedadError, match=r"another grid \(12 x 14 x 16 voxels, this scan has 12"):
        load(other, where)
    with pytest.raises(MedadError, match="another grid"):
        load(detected(np.zeros((12, 14, 16)), (1, 1, 1.1)), where)
    if load is load_recovery:
        with pytest.raises(MedadError, match="corrects moe on case, not ddpt on case"):
            load(replace(edited.detection, detector="ddpt"), where)


def test_another_file_under_the_same_name_is_refused(edited: Correction, tmp_path: Path) -> None:
    def with_checksum(text: str) -> Detection:
        source = SourceRecord(volume="t2f", path="case.nii.gz", sha256=text)
        record = edited.detection.record.model_copy(update={"sources": [source]})
        return replace(edited.detection, record=record)

    correction = Correction(with_checksum("a" * 64), edited.labels, edited.provenance)
    save_correction(correction, tmp_path)
    load_correction(with_checksum("a" * 64), tmp_path)
    with pytest.raises(MedadError, match="another file of 't2f'"):
        load_correction(with_checksum("b" * 64), tmp_path)


def test_a_moved_study_is_named(detected: Callable[..., Detection], tmp_path: Path) -> None:
    source = tmp_path / "case.nii.gz"
    nib.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.eye(4)).to_filename(source)
    detection = replace(detected(np.zeros((4, 4, 4))), study=read_study(source))
    refuse_moved(detection)
    source.rename(tmp_path / "elsewhere.nii.gz")
    with pytest.raises(MedadError, match=r"case\.nii\.gz is no longer where"):
        refuse_moved(detection)


def test_damaged_files_are_told_in_a_sentence(edited: Correction, tmp_path: Path) -> None:
    mask, _, _, log = save_correction(edited, tmp_path)
    with pytest.raises(MedadError, match="There is no case_moe_correction.json"):
        load_correction(edited.detection, tmp_path / "nowhere")
    held = log.read_text()
    log.write_text(held.replace('"format": 1', '"format": 9'))
    with pytest.raises(MedadError, match="newer napari-medad"):
        load_correction(edited.detection, tmp_path)
    log.write_text("{}")
    with pytest.raises(MedadError, match="not the log of a correction"):
        load_correction(edited.detection, tmp_path)
    log.write_text(held)
    mask.write_bytes(mask.read_bytes()[:100])
    with pytest.raises(MedadError, match="cannot be read as a mask"):
        load_correction(edited.detection, tmp_path)
    path = tmp_path / "case.npz"
    path.write_bytes(b"nothing")
    with pytest.raises(MedadError, match="cannot be recovered"):
        load_recovery(edited.detection, path)


def test_a_full_disk_keeps_the_older_files(
    edited: Correction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_correction(edited, tmp_path)
    edited.apply(verdicts.reject(edited, [1]))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nib, "save", full)
    with pytest.raises(MedadError, match="No space left on device"):
        save_correction(edited, tmp_path)
    monkeypatch.undo()
    assert load_correction(edited.detection, tmp_path).ids == [1, 2]
