"""The command as its users meet it: exit status, one sentence, and what lies on disk."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import napari_medad
from napari_medad.cli import run
from napari_medad.errors import MedadError

AFFINE = np.array([[-1.5, 0, 0, 30], [0, 1.25, 0, -20], [0, 0, 3.0, 5], [0, 0, 0, 1]])


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A ball with a bright cube in it, in LAS orientation with 1.5 x 1.25 x 3 mm voxels."""
    i, j, k = np.indices((40, 36, 16))
    ball = ((i - 20) / 16) ** 2 + ((j - 18) / 14) ** 2 + ((k - 8) / 7) ** 2 < 1
    texture = np.random.default_rng(0).normal(100, 5, ball.shape)
    array = np.where(ball, texture, 0)
    array[24:30, 16:22, 6:10] = 300
    path = tmp_path / "case.nii.gz"
    nib.Nifti1Image(array.astype(np.float32), AFFINE).to_filename(path)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Python's own answer to Ctrl-C, which a background shell switches off for its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def medad(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run the command here; its status, stdout and stderr."""
    status = run([str(argument) for argument in arguments])
    told = capsys.readouterr()
    return status, told.out, told.err


def detected(scan: Path, out: Path) -> Path:
    """Run the baseline and return its record."""
    assert run(["detect", str(scan), "--detector", "hyperintensity", "--out", str(out)]) == 0
    return out / "case_hyperintensity_record.json"


@pytest.mark.parametrize("arguments", [["--help"], ["detectors"], ["weights", "list"]])
def test_help_and_lists_start_without_torch_and_qt(arguments):
    script = (
        f"import sys; from napari_medad.cli import run; status = run({arguments!r})\n"
        "assert not {'torch', 'napari', 'qtpy'} & set(sys.modules)\n"
        "sys.exit(status)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "hyperintensity" in ran.stdout or "detectors" in ran.stdout


def test_detectors_says_what_each_reads_and_which_weights_there_are(capsys, wide_terminal):
    status, told, _ = medad(capsys, "detectors")
    assert status == 0
    line = next(line for line in told.splitlines() if "hyperintensity" in line)
    assert "needs none" in line
    assert "2021" in told


def test_detect_writes_everything_on_the_voxels_of_the_input(capsys, scan, out):
    status, told, _ = medad(capsys, "detect", scan, "--detector", "hyperintensity", "--out", out)
    assert status == 0
    names = [f"case_hyperintensity_{part}" for part in ("anomaly.nii.gz", "mask.nii.gz")]
    for name in names:
        image = nib.load(out / name)
        assert image.shape == (40, 36, 16)
        np.testing.assert_array_equal(image.affine, AFFINE)
        assert str(out / name) in told
    mask = np.asarray(nib.load(out / names[1]).dataobj)
    inside = np.zeros(mask.shape, bool)
    inside[24:30, 16:22, 6:10] = True
    assert mask[25:29, 17:21, 7:9].all()
    assert (mask[~inside] > 0).mean() < 0.02
    assert "case: findings above " in told


@pytest.mark.parametrize("value", [0, 7, np.nan])
def test_a_scan_of_one_value_is_refused(capsys, tmp_path, out, value):
    array = np.full((12, 12, 5), value, np.float32)
    nib.Nifti1Image(array, AFFINE).to_filename(tmp_path / "flat.nii.gz")
    arguments = ["--detector", "hyperintensity", "--out", out]
    status, _, complaint = medad(capsys, "detect", tmp_path / "flat.nii.gz", *arguments)
    assert status == 1
    assert "'flat' of flat is the same everywhere" in complaint
    assert not out.exists()


def test_a_flat_image_is_a_study_of_one_slice(tmp_path, out):
    array = np.random.default_rng(0).normal(100, 5, (30, 20)).astype(np.float32)
    nib.Nifti1Image(array, AFFINE).to_filename(tmp_path / "flat.nii.gz")
    arguments = ["--detector", "hyperintensity", "--out", str(out)]
    assert run(["detect", str(tmp_path / "flat.nii.gz"), *arguments]) == 0
    written = nib.load(out / "flat_hyperintensity_anomaly.nii.gz")
    assert written.shape == (30, 20, 1)
    np.testing.assert_array_equal(written.affine, AFFINE)


def test_options_of_detect_reach_the_record(scan, out):
    options = "--axis coronal --threshold quantile:0.9 --minimum-ml 0.2 --seed 3 --device cpu"
    arguments = ["detect", str(scan), "--detector", "hyperintensity", "--out", str(out)]
    assert run([*arguments, *options.split()]) == 0
    record = json.loads((out / "case_hyperintensity_record.json").read_text())
    kept = {key: record[key] for key in ("axis", "threshold", "minimum_ml", "seed", "device")}
    assert kept == {
        "axis": "coronal",
        "threshold": "quantile:0.9",
        "minimum_ml": 0.2,
        "seed": 3,
        "device": "cpu",
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.nii.gz", "--detector", "hyperintensity"], "nowhere.nii.gz"),
        (["SCAN", "--detector", "magic"], "There is no detector 'magic'; there are: "),
        (["SCAN"], "--detector is missing; there are: "),
        (["--detector", "hyperintensity"], "INPUT is missing"),
        (["SCAN", "--detector", "hyperintensity", "--threshold", "much"], "'much'"),
        (["SCAN", "--detector", "hyperintensity", "--axis", "up"], "'up' is unknown"),
        (["SCAN", "--detector", "hyperintensity", "--volume", "t9"], "no volume 't9'"),
        (["SCAN", "--detector", "hyperintensity", "--device", "abacus"], "'abacus'"),
        (["SCAN", "--detector", "hyperintensity", "--set", "colour=red"], "'colour'"),
        (["SCAN", "--detector", "hyperintensity", "--set", "colour"], "--set key=value"),
        (["SCAN", "--detector", "hyperintensity", "--minimum-ml", "-1"], "--minimum-ml"),
        (["SCAN", "--detector", "hyperintensity", "--shout"], "No such option: --shout"),
        (["SCAN", "--detector", "moe", "--weights", "nowhere"], "no weights 'nowhere'"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_leaves_nothing(capsys, scan, out, arguments, told):
    arguments = [str(scan) if a == "SCAN" else a for a in arguments]
    status, _, complaint = medad(capsys, "detect", *arguments, "--out", out)
    assert status == 1
    last = complaint.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert told in last
    assert "Traceback" not in complaint
    assert not out.exists()


def test_a_folder_that_cannot_be_written_is_told(capsys, scan):
    arguments = ["--detector", "hyperintensity", "--out", scan / "inside"]
    status, _, complaint = medad(capsys, "detect", scan, *arguments)
    assert status == 1
    assert f"{scan / 'inside'} cannot be written" in complaint


def test_debug_anywhere_lets_the_error_through(out):
    with pytest.raises(MedadError, match="nowhere"):
        run(["detect", "nowhere.nii", "--detector", "hyperintensity", "--out", str(out), "--debug"])


def test_the_unexpected_is_a_sentence_too(capsys, scan, out, monkeypatch):
    def break_down(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(napari_medad, "read_study", break_down, raising=False)
    status, _, complaint = medad(
        capsys, "detect", scan, "--detector", "hyperintensity", "--out", out
    )
    assert status == 1
    assert "ZeroDivisionError: division by zero" in complaint
    assert "--debug" in complaint
    assert "Traceback" not in complaint


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_stops_at_the_next_batch_and_leaves_nothing(capsys, scan, out, monkeypatch):
    detector = napari_medad.load_detector("hyperintensity", device="cpu")
    kind = type(detector)
    batches = []
    predict = kind.predict

    def interrupted(self, batch, state):
        batches.append(batch.indices)
        signal.raise_signal(signal.SIGINT)
        return predict(self, batch, state)

    monkeypatch.setattr(kind, "predict", interrupted)
    monkeypatch.setattr(kind, "batch_size", 4)
    status, _, complaint = medad(
        capsys, "detect", scan, "--detector", "hyperintensity", "--out", out
    )
    assert status == 130
    assert len(batches) == 1
    assert "Cancelled" in complaint
    assert not out.exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupted_save_leaves_the_older_results_whole(capsys, scan, out, monkeypatch):
    from napari_medad.results import files

    detected(scan, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    write = files.write_nifti

    def interrupted(values, volume, path, **options):
        write(values, volume, path, **options)
        if "mask" in path.name:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(files, "write_nifti", interrupted)
    arguments = ["--detector", "hyperintensity", "--threshold", "0.5", "--out", out]
    status, _, _ = medad(capsys, "detect", scan, *arguments)
    assert status == 130
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_again_repeats_the_run(capsys, scan, out, tmp_path):
    record = detected(scan, out)
    status, _, _ = medad(capsys, "detect", "--again", record, "--out", tmp_path / "again")
    assert status == 0
    first, second = (
        np.asarray(nib.load(folder / "case_hyperintensity_anomaly.nii.gz").dataobj)
        for folder in (out, tmp_path / "again")
    )
    np.testing.assert_array_equal(first, second)
    kept, repeated = (
        json.loads((folder / record.name).read_text()) for folder in (out, tmp_path / "again")
    )
    for timed in ("started", "duration_s"):
        del kept[timed], repeated[timed]
    assert kept == repeated


def test_again_refuses_a_changed_source_by_name_unless_forced(capsys, scan, out, tmp_path):
    record = detected(scan, out)
    image = nib.load(scan)
    nib.Nifti1Image(image.get_fdata(dtype=np.float32) + 1, AFFINE).to_filename(scan)
    arguments = ["detect", "--again", record, "--out", tmp_path / "again"]
    status, _, complaint = medad(capsys, *arguments)
    assert status == 1
    assert f"{scan} is not the file that the run was made on" in complaint
    assert not (tmp_path / "again").exists()
    assert medad(capsys, *arguments, "--force")[0] == 0


def test_again_finds_a_source_that_moved(capsys, scan, out, tmp_path):
    record = detected(scan, out)
    moved = scan.rename(tmp_path / "elsewhere.nii.gz")
    again = tmp_path / "again"
    status, _, _ = medad(capsys, "detect", moved, "--again", record, "--out", again)
    assert status == 0
    assert (again / record.name).is_file()


def test_again_takes_no_option_of_its_own(capsys, scan, out, tmp_path):
    record = detected(scan, out)
    arguments = ["--again", record, "--threshold", "0.3", "--out", tmp_path / "again"]
    status, _, complaint = medad(capsys, "detect", *arguments)
    assert status == 1
    assert "leave out --threshold" in complaint


def test_untrained_weights_are_marked_on_the_terminal_and_in_the_record(capsys, scan, out):
    arguments = ["--detector", "moe", "--weights", "untrained", "--set", "size=128", "--out", out]
    status, _, complaint = medad(capsys, "detect", scan, *arguments)
    assert status == 0
    assert "UNTRAINED: moe ran with random weights" in complaint
    record = json.loads((out / "case_moe_record.json").read_text())
    assert record["weights"]["state"] == "untrained"


def test_evaluate_measures_a_perfect_map_as_perfect(capsys, scan, tmp_path):
    truth = np.zeros((40, 36, 16), np.uint8)
    truth[24:30, 16:22, 6:10] = 1
    nib.Nifti1Image(truth, AFFINE).to_filename(tmp_path / "truth.nii.gz")
    arguments = ["--map", scan, "--truth", tmp_path / "truth.nii.gz", "--out"]
    status, told, _ = medad(capsys, "evaluate", *arguments, tmp_path / "metrics.json")
    assert status == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["average_precision"] == pytest.approx(1)
    assert "average precision   1" in told


@pytest.mark.parametrize("command", [["demo"], ["open", "case.nii.gz"]])
def test_without_napari_the_viewer_says_what_to_install(capsys, monkeypatch, command):
    for name in [n for n in sys.modules if n.startswith("napari_medad.viewer")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(napari_medad, "viewer", raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    for toolkit in ("napari", "qtpy", "magicgui", "superqt"):
        monkeypatch.setitem(sys.modules, toolkit, None)
    status, _, complaint = medad(capsys, *command)
    assert status == 1
    assert 'pip install "napari-medad[all]"' in complaint


def test_without_a_display_the_viewer_says_so(capsys, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    status, _, complaint = medad(capsys, "demo")
    assert status == 1
    assert "There is no display here" in complaint


def test_version(capsys):
    status, told, _ = medad(capsys, "--version")
    assert (status, told.strip()) == (0, f"napari-medad {napari_medad.__version__}")


def test_no_command_shows_the_commands(capsys):
    status, told, complaint = medad(capsys)
    assert status == 1
    assert "detectors" in told + complaint
    assert "Error" not in complaint
