"""A cohort from its scans to its table, also after kills, on this machine alone."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import napari_medad as medad
from napari_medad.cohorts.cohort import CohortFolder
from napari_medad.cohorts.folders import find_cohort
from napari_medad.cohorts.summary import append_rows, read_summary, write_summary
from napari_medad.errors import Cancelled, MedadError

DETECTOR = "hyperintensity"


def record_of(out: Path, study: str) -> Path:
    return out / "studies" / study / f"{study}_{DETECTOR}_record.json"


@pytest.fixture
def loads(monkeypatch):
    """Names of detectors, as they are loaded."""
    from napari_medad.cohorts import run

    names, load = [], run.load_detector

    def counted(name, **options):
        names.append(name)
        return load(name, **options)

    monkeypatch.setattr(run, "load_detector", counted)
    return names


def test_every_study_is_as_it_would_be_alone_and_the_model_is_loaded_once(scans, tmp_path, loads):
    cohort = medad.detect_cohort(scans, DETECTOR, tmp_path / "out", threshold="quantile:0.9")
    assert loads == [DETECTOR]
    assert cohort.computed == 3
    for number, row in enumerate(cohort.rows):
        name = f"case-{number}"
        alone = medad.detect(medad.read_study(scans / name), DETECTOR, threshold="quantile:0.9")
        written = {path.name: path for path in alone.save(tmp_path / "alone")}
        for file, path in written.items():
            if not file.endswith("_record.json"):
                assert (tmp_path / "out" / row.folder / file).read_bytes() == path.read_bytes()
        held = medad.load_detection(tmp_path / "out" / row.record)
        assert held.study.name == row.study == name
        assert held.record.input == row.source == str(scans / name)
        assert row.score == pytest.approx(np.nanmax(alone.slice_scores), rel=1e-5)
        assert row.findings == len(alone.findings) > 0
        assert row.volume_ml == pytest.approx(sum(f.volume_ml for f in alone.findings), abs=1e-4)
        assert (tmp_path / "out" / row.image).is_file()
    assert read_summary(tmp_path / "out") == cohort.rows
    assert (tmp_path / "out" / "index.html").is_file()


def test_a_bad_study_is_told_and_left_out(scans, tmp_path):
    (scans / "case-1" / "case-1_t2f.nii.gz").write_bytes(b"nothing")
    flat = nib.Nifti1Image(np.zeros((8, 8, 8), np.float32), np.eye(4))
    flat.to_filename(scans / "case-2" / "case-2_t2f.nii.gz")
    cohort = medad.detect_cohort(scans, DETECTOR, tmp_path / "out")
    assert [row.state for row in cohort.rows] == ["done", "failed", "failed"]
    assert "case-1/case-1_t2f.nii.gz" in cohort.rows[1].reason
    assert str(tmp_path) not in cohort.rows[1].reason
    assert "the same everywhere" in cohort.rows[2].reason
    assert cohort.failed == cohort.rows[1:]
    assert not (tmp_path / "out" / "studies" / "case-2").exists()


def test_going_on_computes_what_is_new_or_failed_and_nothing_twice(scans, scan, tmp_path):
    broken = scans / "case-1" / "case-1_t2f.nii.gz"
    whole = broken.read_bytes()
    broken.write_bytes(b"nothing")
    out = tmp_path / "out"
    medad.detect_cohort(scans, DETECTOR, out)
    kept = record_of(out, "case-0").stat().st_mtime_ns
    broken.write_bytes(whole)
    scan(scans / "case-3" / "t2f.nii.gz")
    told = []
    cohort = medad.detect_cohort(scans, DETECTOR, out, progress=told.append)
    assert cohort.computed == 2
    assert [(row.study, row.state) for row in cohort.rows] == [
        (f"case-{number}", "done") for number in (0, 1, 2, 3)
    ]
    assert record_of(out, "case-0").stat().st_mtime_ns == kept
    assert {step.study for step in told} == {"", "case-1", "case-3"}
    assert (told[-1].done, told[-1].total, told[-1].failed) == (4, 4, 0)
    assert told[-1].eta_s == 0
    assert medad.detect_cohort(scans, DETECTOR, out).computed == 0


def test_after_a_kill_in_the_midst_of_writing_everything_is_whole(scans, tmp_path):
    out = tmp_path / "out"
    before = medad.detect_cohort(scans, DETECTOR, out).rows
    record_of(out, "case-1").unlink()  # the last file to appear
    half = out / "studies" / "case-1" / ".part-abc"
    half.mkdir()
    (half / "case-1_mask.nii.gz").write_bytes(b"half")
    (out / "studies" / "case-1" / ".part-key.png").write_bytes(b"half")
    # nor had case-2 got its row, but its files were there
    write_summary(out, before[:1])
    with (out / "summary.jsonl").open("a") as stream:
        stream.write('{"study": "case-1", "sta')
    cohort = medad.detect_cohort(scans, DETECTOR, out)
    assert cohort.computed == 1
    assert not list(out.rglob(".part-*"))
    for row, earlier in zip(cohort.rows, before, strict=True):
        assert row == earlier.model_copy(update={"seconds": row.seconds})


def test_a_killed_process_goes_on_where_it_was(scan, tmp_path):
    for number in range(12):
        scan(tmp_path / "scans" / f"c{number:02}" / "t2f.nii.gz", number, size=32)
    out = tmp_path / "out"
    command = [sys.executable, "-c", "from napari_medad.cli import main; main()", "detect"]
    command += [str(tmp_path / "scans"), "--detector", DETECTOR, "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not record_of(out, "c02").is_file():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in out.glob("studies/*/*_record.json")}
    assert 3 <= len(done) < 12
    cohort = medad.detect_cohort(tmp_path / "scans", DETECTOR, out)
    assert cohort.computed == 12 - len(done)
    assert [row.state for row in cohort.rows] == ["done"] * 12
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert not list(out.rglob(".part-*"))


def test_stopping_keeps_what_is_done(scans, tmp_path):
    def second(step):
        return "stop" if step.study == "case-1" and step.step else None

    with pytest.raises(Cancelled):
        medad.detect_cohort(scans, DETECTOR, tmp_path / "out", progress=second)
    states = [row.state for row in read_summary(tmp_path / "out")]
    assert states == ["done", "waiting", "waiting"]
    listed = csv.DictReader((tmp_path / "out" / "summary.csv").read_text().splitlines())
    assert [row["state"] for row in listed] == states
    page = (tmp_path / "out" / "index.html").read_text()
    assert "case-0_hyperintensity_key.png" in page
    assert "case-1_hyperintensity_key.png" not in page
    assert medad.detect_cohort(scans, DETECTOR, tmp_path / "out").computed == 2


def test_what_a_reader_marked_stays_marked(scans, tmp_path):
    out = tmp_path / "out"
    first = medad.detect_cohort(scans, DETECTOR, out).rows[0]
    append_rows(out, [first.model_copy(update={"corrected": True})])
    assert [r.corrected for r in medad.detect_cohort(scans, DETECTOR, out).rows] == [
        True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"threshold": 0.5}, "with the threshold auto, not 0.5;"),
        ({"settings": {"median": 5}}, "with the setting median 3, not 5;"),
        ({"axis": "coronal", "seed": 1}, "the axis axial, not coronal, the seed 0, not 1;"),
    ],
)
def test_a_folder_of_other_settings_is_refused_with_the_difference(scans, tmp_path, options, told):
    medad.detect_cohort(scans, DETECTOR, tmp_path / "out")
    with pytest.raises(MedadError, match=told):
        medad.detect_cohort(scans, DETECTOR, tmp_path / "out", **options)


def test_a_folder_of_other_scans_or_weights_is_refused(scans, tmp_path):
    out = tmp_path / "out"
    medad.detect_cohort(scans, DETECTOR, out)
    with pytest.raises(MedadError, match=f"with the input {scans}, not {scans / 'case-0'}"):
        medad.detect_cohort(scans / "case-0", DETECTOR, out)
    held = json.loads((out / "cohort.json").read_text())
    held["weights"]["sha256"] = "abc"
    (out / "cohort.json").write_text(json.dumps(held))
    with pytest.raises(MedadError, match="with the sha256 of the weights abc, not none"):
        medad.detect_cohort(scans, DETECTOR, out)


def test_a_folder_that_lost_its_record_is_refused(scans, tmp_path):
    medad.detect_cohort(scans, DETECTOR, tmp_path / "out")
    (tmp_path / "out" / "cohort.json").unlink()
    with pytest.raises(MedadError, match=r"summary\.jsonl without cohort\.json; choose another"):
        medad.detect_cohort(scans, DETECTOR, tmp_path / "out")
    (tmp_path / "out" / "cohort.json").write_text("{}")
    with pytest.raises(MedadError, match=r"no readable cohort\.json"):
        medad.detect_cohort(scans, DETECTOR, tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"axis": "diagonal"}, "axis 'diagonal' is unknown"),
        ({"threshold": "high"}, "high"),
        ({"minimum_ml": -1}, "cannot be -1 mL"),
        ({"settings": {"median": 99}}, "median"),
    ],
)
def test_wrong_options_are_told_before_anything_is_written(scans, tmp_path, options, told):
    with pytest.raises(MedadError, match=told):
        medad.detect_cohort(scans, DETECTOR, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_results_that_cannot_be_written_end_the_run(scans, tmp_path):
    (tmp_path / "out" / "studies").mkdir(parents=True)
    (tmp_path / "out" / "studies" / "case-0").touch()  # a file in place of the folder
    with pytest.raises(MedadError, match="case-0.* cannot be written"):
        medad.detect_cohort(scans, DETECTOR, tmp_path / "out")


def test_an_input_without_studies_is_refused(tmp_path):
    with pytest.raises(MedadError, match="There is no file or folder"):
        medad.detect_cohort(tmp_path / "gone", DETECTOR, tmp_path / "out")
    with pytest.raises(MedadError, match="holds no studies; give a folder of scans"):
        medad.detect_cohort(tmp_path, DETECTOR, tmp_path / "out")


def test_studies_of_a_manifest_keep_its_names_and_volumes(scans, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("study,t1c\nfirst,scans/case-0/case-0_t2f.nii.gz\n")
    cohort = medad.detect_cohort(find_cohort(path), DETECTOR, tmp_path / "out")
    held = medad.load_detection(tmp_path / "out" / cohort.rows[0].record)
    assert (held.study.name, held.record.volume) == ("first", "t1c")


def test_what_a_dead_worker_left_half_written_is_gone_when_its_study_is_done(
    scans, tmp_path, monkeypatch
):
    begin = CohortFolder.begin

    def begun(folder, record, sources):
        left = begin(folder, record, sources)
        part = folder.of(sources[0].name) / ".part-dead"
        part.mkdir(parents=True)
        (part / "map.nii.gz").write_bytes(b"half")
        return left

    monkeypatch.setattr(CohortFolder, "begin", begun)
    cohort = medad.detect_cohort(scans, "hyperintensity", tmp_path / "out")
    assert {row.state for row in cohort.rows} == {"done"}
    assert not list((tmp_path / "out").rglob(".part-*"))
