"""The table of weakly supervised methods on a made-up copy of MSD's brain tumours."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from napari_medad.benchmarks import work
from napari_medad.benchmarks.cell import Weak
from napari_medad.benchmarks.matrix import Matrix
from napari_medad.benchmarks.run import Asked, measure_benchmark
from napari_medad.benchmarks.supervision import prompted, slice_labels, weak_examples
from napari_medad.benchmarks.weak_table import WeakTable
from napari_medad.detectors.recipe import Example
from napari_medad.detectors.slice_labels import normal_volume
from napari_medad.errors import Cancelled, MedadError
from napari_medad.training import weak_to_strong
from napari_medad.training.weak_to_strong import WeakToStrong
from napari_medad.volumes.volume import Volume

SMALL = {
    "epochs": "1", "batch_size": "4", "teacher": "gradcam", "gradcam.size": "64",
    "dae.width": "4", "vqvae.width": "8", "vqvae.codes": "8",
    "rasalore-weak.width": "2", "rasalore-weak.side": "8", "rasalore-weak.per_case": "2",
    **{
        f"{row}.{key}": value for row in ("ae", "dae", "vqvae")
        for key, value in (("size", "64"), ("slices_per_volume", "4"))
    },
}  # fmt: skip
ABNORMAL = (17, 18, 19)
"""Of the slices 15 to 20 that count; slice 20 has too small a lesion to count."""


def write_case(task: Path, number: int) -> None:
    rng = np.random.default_rng(number)
    image = np.zeros((40, 40, 36, 4), np.int16)
    image[4:36, 4:36, 14:22] = rng.integers(100, 120, (32, 32, 8, 1))
    labels = np.zeros(image.shape[:3], np.int16)
    labels[8:24, 10:24, 17:20] = rng.integers(1, 4, (16, 14, 3))
    labels[8:13, 10:15, 20] = 1
    image[labels > 0, 3] += 150
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    for folder, array in (("imagesTr", image), ("labelsTr", labels)):
        (task / folder).mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(array, affine), task / folder / f"BRATS_{number:03d}.nii")


@pytest.fixture(scope="module")
def msd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four patients, one of them to test on."""
    root = tmp_path_factory.mktemp("msd")
    for number in range(1, 5):
        write_case(root / "Task01_BrainTumour", number)
    return root


def test_labels_of_slices_by_hand():
    truth = np.zeros((8, 4, 4), bool)
    truth[1], truth[3, :2], truth[4, 0], truth[5, 0, :1] = True, True, True, True
    assert slice_labels(truth, Weak("slice labels", 2, 4)) == {2: 0, 3: 1}
    assert slice_labels(truth, Weak("slice labels", 0, 1)) == {
        0: 0, 1: 1, 2: 0, 3: 1, 4: 1, 6: 0, 7: 0
    }  # fmt: skip


def test_slices_that_are_not_normal_are_emptied():
    array = np.ones((4, 6, 6), np.float32)
    array[:, 0] = array[:, -1] = array[:, :, 0] = array[:, :, -1] = 0
    volume = Volume(array, np.eye(4), "t2w")
    held = normal_volume(Example(volume, label=None, slices={1: 0, 2: 1}))
    assert held.array.any(axis=(1, 2)).tolist() == [False, True, False, False]
    assert np.array_equal(held.array[1], array[1])
    assert normal_volume(Example(volume)).array is volume.array


def counted(out: Path, msd: Path, cell: str, name: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Scores and truth [n, x, y] of the abnormal slices by nibabel, and the map's threshold."""
    (record,) = (out / "cells" / cell / "maps").glob("*_record.json")
    scores = nib.load(record.with_name(f"{name}_{cell.split('-')[0]}_anomaly.nii.gz"))
    truth = nib.load(msd / "Task01_BrainTumour" / "labelsTr" / f"{name}.nii")
    assert np.array_equal(scores.affine, truth.affine)
    arrays = (np.moveaxis(np.asarray(image.dataobj), 2, 0) for image in (scores, truth))
    values, labels = (array[list(ABNORMAL)] for array in arrays)
    return values, labels > 0, json.loads(record.read_text())["threshold_value"]


def test_from_scans_to_the_table_and_gone_on_with(msd, tmp_path, monkeypatch):
    out, trained, looks = tmp_path / "out", [], []
    for module in (work, weak_to_strong):
        for name, told in (("train", trained), ("detect", looks)):
            monkeypatch.setattr(module, name, counting(getattr(module, name), told))
    methods = ("ae", "dae", "vqvae", "gradcam", "ddpt", "medsam-box", "rasalore", "rasalore-weak")
    asked = Asked(methods, changes=SMALL, device="cpu")

    def stop(now):
        return "stop" if (now.cell, now.stage) == ("rasalore-weak-msd-task1", "detect") else None

    with pytest.raises(Cancelled):
        measure_benchmark("table1-rasalore", [msd], out, asked, progress=stop)
    assert trained == ["ae", "dae", "vqvae", "gradcam", "rasalore"]
    report = measure_benchmark("table1-rasalore", [msd], out, asked)
    assert trained == ["ae", "dae", "vqvae", "gradcam", "rasalore"]
    # The teacher looks at three patients, each method at the fourth, the stopped one twice.
    assert len(looks) == 3 + 5 + 1

    states = {row[0]: row[2] for row in report.tables[0].rows}
    assert states["AE"] == states["DAE"] == states["VQVAE"] == "measured"
    assert states["Grad-CAM"] == states["RASALoRE without MedSAM"] == "measured"
    assert states["DDPT"].startswith("not run: needs CLIP vit-b-32 (")
    assert "needs MedSAM (" in states["RASALoRE"]
    assert states["M2+DDPT(b)"] == "not run: not asked for"

    (test,) = next(o.cell.test for o in report.outcomes)
    rows = {(r["method"], r["policy"], r["figure"]): r for r in report.rows()}
    for method in ("ae", "dae", "vqvae", "gradcam", "rasalore-weak"):
        scores, truth, own = counted(out, msd, f"{method}-msd-task1", test.name)
        found = scores >= (own if method in ("ae", "dae", "vqvae") else 0.5)
        dice = [2 * (f & t).sum() / (f.sum() + t.sum()) for f, t in zip(found, truth, strict=True)]
        pairs = zip(truth, scores, strict=True)
        precision = [average_precision_score(t.ravel(), s.ravel()) for t, s in pairs]
        assert rows[method, "fixed", "dice"]["mean"] == pytest.approx(np.mean(dice))
        assert rows[method, "fixed", "dice"]["sd"] == pytest.approx(np.std(dice, ddof=1))
        mean = rows[method, "test pool", "average_precision"]["mean"]
        assert mean == pytest.approx(np.mean(precision))
    assert rows["ae", "test pool", "dice"]["mean"] > 0.9  # the spot is all that is not normal
    report.write(out)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "ORACLE" in page
    assert "NOT THE PROTOCOL: msd-task1: 4 scans; the paper had 484." in page


def counting(function, told: list[str]):
    """The function, which also writes down its first argument."""

    def counted_call(first, *rest, **options):
        told.append(first)
        return function(first, *rest, **options)

    return counted_call


def test_who_learns_from_what(msd):
    table = WeakTable.read("table1-rasalore")
    parts = table.parts([msd])
    held = parts["msd-task1"]
    assert [len(held.train), len(held.test)] == [3, 1]
    assert not {c.patient for c in held.train} & {c.patient for c in held.test}
    assert table.parts([msd]) == parts
    cells = {cell.method: cell for cell in table.cells(parts, {"ddpt.epochs": "3"})}
    assert list(cells) == list(table.methods)
    assert cells["ddpt"].options["epochs"] == 3
    assert cells["rasalore"].weak.teacher_options == cells["ddpt"].options
    assert cells["rasalore"].options["epochs"] == 200
    assert cells["medsam2-points"].settings["generation"] == "medsam2"
    assert cells["medsam2-points"].options is None
    assert cells["ae"].weak.teacher == ""


def test_masks_and_prompts_come_from_the_one_teacher_of_a_dataset(msd, tmp_path, monkeypatch):
    steps = []
    for name in ("teach", "mark", "refine"):
        monkeypatch.setattr(WeakToStrong, name, lambda self, look, of=name: steps.append(of))
    table = WeakTable.read("table1-rasalore")
    cells = {cell.method: cell for cell in table.cells(table.parts([msd]), {})}
    folders = {name: Matrix("x", (), tmp_path).folder(cell) for name, cell in cells.items()}
    home = tmp_path / "models" / "msd-task1"

    def learned(name):
        return weak_examples(cells[name], folders[name], "cpu", lambda now: None)

    both = learned("rasalore")
    assert steps == ["teach", "mark", "refine"]
    names = [f"{case.name}_weak_mask.nii.gz" for case in cells["rasalore"].train]
    assert [e.mask for e in both] == [home / "weak" / name for name in names]
    assert [e.refined for e in both] == [home / "refined" / name for name in names]
    assert [e.refined for e in learned("rasalore-weak")] == [None] * 3
    assert steps[3:] == ["teach", "mark"]
    assert {e.frame for e in both} == {3}
    assert dict.fromkeys(ABNORMAL, 1) | {15: 0, 16: 0} == both[0].slices
    assert all(e.mask is None for e in learned("ddpt") + learned("ae"))
    prompt = prompted(cells["medsam-box"], folders["medsam-box"], "cpu", lambda now: None)
    assert prompt == {"source": "ddpt", "source_weights": str(folders["ddpt"].model)}
    assert prompted(cells["ddpt"], folders["ddpt"], "cpu", lambda now: None) == {}


@pytest.mark.parametrize(
    ("method", "setup", "dice", "precision"),
    [
        ("rasalore", "brats20", 70.57, 74.74),
        ("rasalore-weak", "brats23", 74.22, 80.70),
        ("ddpt", "brats20", 61.53, 46.89),
        ("medsam-box", "brats21", 51.19, 36.54),
        ("medsam2-points", "msd-task1", 43.43, 34.75),
        ("vqvae", "brats23", 20.67, 38.48),
        ("AME-CAM", "msd-task1", 51.91, 40.34),
    ],
)
def test_printed_figures(method, setup, dice, precision):
    rows = WeakTable.read("table1-rasalore").paper
    (row,) = (r for r in rows if (r.method, r.setup) == (method, setup))
    assert (row.figures["dice"].mean, row.figures["average_precision"].mean) == (dice, precision)


def test_every_printed_row_has_four_datasets():
    table = WeakTable.read("table1-rasalore")
    printed = [(row.method, row.setup) for row in table.paper]
    assert len(printed) == len(set(printed)) == 17 * 4
    assert {setup for _, setup in printed} == set(table.datasets)
    assert {(flag.method, flag.setup) for flag in table.flags} <= set(printed)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (Asked(policies=("validation",)), "no policy 'validation'; choose fixed, test pool"),
        (Asked(limit=0), "--limit cannot be 0"),
        (Asked(changes={"teacher": "ae"}), "--set teacher=ae: choose gradcam or ddpt"),
        (Asked(changes={"rasalore.teacher": "ddpt"}), "--set rasalore.teacher: no method"),
        (Asked(changes={"epoch": "1"}), "--set epoch: no method of the benchmark"),
    ],
)
def test_wrong_wishes(msd, tmp_path, asked, sentence):
    with pytest.raises(MedadError, match=sentence):
        measure_benchmark("table1-rasalore", [msd], tmp_path / "out", asked)
    assert not (tmp_path / "out").exists()


def test_data_that_cannot_be_measured_on(msd, mets, tmp_path):
    with pytest.raises(MedadError, match="laid out as brats-mets, which table1-rasalore is not"):
        measure_benchmark("table1-rasalore", [mets], tmp_path / "out")
    with pytest.raises(MedadError, match="second msd-task1"):
        measure_benchmark("table1-rasalore", [msd, msd], tmp_path / "out")
    write_case(tmp_path / "one" / "Task01_BrainTumour", 1)
    with pytest.raises(MedadError, match="has 1 patients with t2w and a mask; two are needed"):
        measure_benchmark("table1-rasalore", [tmp_path / "one"], tmp_path / "out")
