"""The tables of SD-MAD on made-up copies of its three datasets."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from napari_medad.benchmarks import work
from napari_medad.benchmarks.category_measuring import CATEGORIES
from napari_medad.benchmarks.cell_folder import CellFolder
from napari_medad.benchmarks.consistency import impossible_hamming, wrong_means
from napari_medad.benchmarks.paper import PaperRow
from napari_medad.benchmarks.run import Asked, measure_benchmark
from napari_medad.benchmarks.sign_table import SignTable
from napari_medad.cli import run
from napari_medad.detectors.sdmad.signs import SignList
from napari_medad.errors import Cancelled, MedadError

SMALL = {"backbone": "tiny", "image_size": "56", "epochs": "2", "bottleneck": "8"}
KINDS = {"CNV": 5, "DME": 20, "DRUSEN": 35, "NORMAL": None}
FINDINGS = (
    "Craniotomy",
    "Posttreatment change",
    "Nonspecific lesion",
    "Dural thickening",
    "Enlarged ventricles",
    "Global label: Small vessel chronic white matter ischemic change",
)


def picture(path: Path, seed: int, row: int | None) -> None:
    pixels = np.random.default_rng(seed).integers(60, 120, (64, 64)).astype(np.uint8)
    if row is not None:
        pixels[row : row + 12, 10:50] = 250
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def oct17(tmp_path_factory) -> Path:
    """Three pictures of each class to learn from, two to test on; no patient is in both."""
    home = tmp_path_factory.mktemp("oct") / "OCT2017"
    for k, (kind, row) in enumerate(KINDS.items()):
        for part, count in (("train", 3), ("test", 2)):
            for n in range(count):
                patient = 1000 * k + 10 * count + n
                picture(home / part / kind / f"{kind}-{patient}-1.jpeg", patient, row)
    return home


@pytest.fixture(scope="module")
def fastmri(tmp_path_factory) -> Path:
    """Two scans of eleven slices for each finding, one without any, and one of four slices."""
    home = tmp_path_factory.mktemp("fastmri")
    rows = ["file,slice,study_level,x,y,width,height,label"]
    for number in range(14):
        name = f"file_brain_AXFLAIR_200_{6000000 + number}"
        path = home / "multicoil_train" / f"{name}.h5"
        path.parent.mkdir(exist_ok=True)
        with h5py.File(path, "w") as file:
            depth = 4 if number == 13 else 11
            pixels = 50 + np.random.default_rng(number).random((depth, 24, 24))
            file["reconstruction_rss"] = pixels.astype(np.float32)
        if number < 12:
            label = FINDINGS[number % 6]
            slices = (0,) if label.startswith("Global") else (0, 5, 10)
            rows += [f"{name},{z},No,4,3,3,2,{label}" for z in slices]
        else:
            rows.append(f"{name},1,No,4,3,3,2,Edema")
    (home / "brain.csv").write_text("\n".join(rows))
    return home


@pytest.fixture(scope="module")
def chest(tmp_path_factory) -> Path:
    """Each of the fourteen findings alone to learn from; three pictures to test on."""
    home = tmp_path_factory.mktemp("chest")
    found = [name.replace(" t", "_T") for name in SignList.read("chest-xray").names]
    shown = [*found, "Edema|Effusion", "No Finding", "Hernia"]
    table = ["Image Index,Finding Labels,Follow-up #,Patient ID"]
    for n, labels in enumerate(shown):
        picture(home / "images" / f"{n:08d}_000.png", n, 10 + 2 * n)
        table.append(f"{n:08d}_000.png,{labels},0,{n}")
    names = [row.split(",")[0] for row in table[1:]]
    (home / "Data_Entry_2017.csv").write_text("\n".join(table))
    (home / "train_val_list.txt").write_text("\n".join(names[:14]))
    (home / "test_list.txt").write_text("\n".join(names[14:]))
    return home


def test_shots_and_test_images(oct17, fastmri, chest):
    table = SignTable.read("sdmad")
    parts = table.parts([oct17, fastmri, chest])
    assert list(parts) == list(table.datasets)
    assert [case.labels for case in parts["oct17"].train] == [("CNV",), ("DME",), ("Drusen",)]
    assert {case.split for case in parts["oct17"].train} == {"train"}
    assert len(parts["oct17"].test) == 8
    first, later = parts["fastmri-slice-0"], parts["fastmri-slice-5"]
    assert (len(first.train), len(first.test)) == (6, 14 - 6)
    assert (len(later.train), len(later.test)) == (5, 13 - 5)  # one has no slice 5
    assert not {c.patient for c in first.train} & {c.patient for c in first.test}
    shown = table.datasets["fastmri-slice-5"].shown
    assert shown.of(later.train[0]) == ("Craniotomy",)
    assert shown.categories == SignList.read("brain-fastmri").names[:5]
    assert {shown.of(case) for case in later.test} >= {("Craniotomy",), ()}
    both = next(case for case in parts["chestx-ray8"].test if len(case.labels) == 2)
    assert table.datasets["chestx-ray8"].shown.of(both) == ("Edema", "Effusion")
    assert len(parts["chestx-ray8"].train) == 14
    assert table.parts([oct17, fastmri, chest]) == parts


def test_it_goes_on_after_a_stop_and_says_what_was_measured(oct17, tmp_path, monkeypatch):
    out, trained, looked = tmp_path / "out", [], []
    train, add = work.train, CellFolder.add_said
    monkeypatch.setattr(work, "train", lambda *a, **k: (trained.append(a[2]), train(*a, **k)))
    monkeypatch.setattr(
        CellFolder, "add_said", lambda self, *a: (looked.append((self, a[0])), add(self, *a))
    )
    asked = Asked(changes=SMALL, device="cpu")

    def stop(now):
        return "stop" if (now.cell, now.stage) == ("sdmad-no-ss-oct17", "detect") else None

    with pytest.raises(Cancelled):
        measure_benchmark("sdmad", [oct17], out, asked, progress=stop)
    with (out / "cells" / "sdmad-no-ss-oct17" / "said.jsonl").open("a") as stream:
        stream.write('{"case": "cut')  # as a kill in the middle of writing leaves it
    report = measure_benchmark("sdmad", [oct17], out, asked)
    assert [outcome.why for outcome in report.outcomes] == [""] * 3
    assert [folder.name for folder in trained] == ["sdmad", "clip"]  # two rows share a network
    assert len(looked) == len(set(looked)) == 3 * 8
    cell = report.outcomes[0].cell
    said = CellFolder(out / "cells" / "sdmad-oct17").said()
    scores = np.array([said[case.name].scores for case in cell.test])
    truth = np.array([[name in case.labels for name in ("CNV", "DME", "Drusen")]
                      for case in cell.test])  # fmt: skip
    decided = np.array([said[case.name].present for case in cell.test])
    figures = report.outcomes[0].result.figures[CATEGORIES]
    each = [roc_auc_score(truth[:, c], scores[:, c]) for c in range(3)]
    assert [figures[name].mean for name in ("CNV", "DME", "Drusen")] == pytest.approx(each)
    assert figures["mean_auroc"].mean == pytest.approx(np.mean(each))
    assert figures["hamming"].mean == pytest.approx((truth == decided).mean())
    assert figures["subset_accuracy"].mean == pytest.approx((truth == decided).all(1).mean())
    told = {(r["method"], r["figure"]): r for r in report.rows()}
    assert told["sdmad", "CNV"]["paper_mean"] == pytest.approx(0.917)
    assert told["clip", "mean_auroc"]["state"] == "measured, UNTRAINED"
    assert any("chestx-ray8, fastmri-slice-0" in text for text in report.deviations)
    by_kind = next(table for table in report.tables if table.title.startswith("AUROC by"))
    assert [row[0] for row in by_kind.rows] == ["CNV", "DME", "Drusen"]
    assert [by_kind.rows[0][c] for c in (2, 4, 6, 7)] == ["91.70", "61.40", "70.80", "58.80"]
    assert by_kind.rows[1][1] == f"{100 * each[1]:.2f}"
    assert by_kind.columns[-1] == "MedCLIP, paper"
    assert by_kind.note == (  # two are normal, six show one of three
        "8 images were measured. Whoever names none in any has a Hamming score of 75.0 and a "
        "subset accuracy of 25.0."
    )


def test_clip_is_what_it_was_before_it_learned(oct17, tmp_path):
    """With lambda 1 shots and signs are as alike after the training as before."""
    asked = Asked(methods=("clip",), limit=1, changes=SMALL, device="cpu")
    measure_benchmark("sdmad", [oct17], tmp_path / "out", asked)
    model = json.loads((tmp_path / "out/models/oct17/clip/model.json").read_text())
    likeness = model["facts"]["similarity"]
    assert likeness["shots"] == ["CNV", "DME", "Drusen"]
    assert np.allclose(likeness["before"], likeness["after"], atol=2e-4)
    assert model["settings"]["keep"] == 1


def test_a_slice_of_each_scan_by_the_command(fastmri, tmp_path, capsys):
    arguments = ["benchmark", "sdmad", "--data", fastmri, "--out", tmp_path / "out", "--limit", "4"]
    arguments += ["--methods", "sdmad", "--setups", "fastmri-slice-5", "--device", "cpu"]
    arguments += [word for pair in SMALL.items() for word in ("--set", "=".join(pair))]
    assert run([str(word) for word in arguments]) == 0
    told = capsys.readouterr()
    assert "NOT THE PROTOCOL" in told.err
    assert "UNTRAINED" in told.err
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "AUROC by abnormality, fastmri-slice-5" in page
    model = json.loads((tmp_path / "out/models/fastmri-slice-5/sdmad/model.json").read_text())
    names = [category["name"] for category in model["settings"]["signs"]["categories"]]
    assert names == list(SignList.read("brain-fastmri").names[:5])


def test_what_cannot_be_measured(oct17, mets, tmp_path):
    with pytest.raises(MedadError, match="laid out as brats-mets, which sdmad is not measured on"):
        measure_benchmark("sdmad", [mets], tmp_path / "out")
    with pytest.raises(MedadError, match="no threshold policies"):
        measure_benchmark("sdmad", [oct17], tmp_path / "out", Asked(policies=("fixed",)))
    with pytest.raises(MedadError, match="no method of the benchmark has this setting"):
        measure_benchmark("sdmad", [oct17], tmp_path / "out", Asked(changes={"signs": "x"}))
    small = tmp_path / "OCT2017"
    for kind in ("CNV", "DME"):
        picture(small / "train" / kind / f"{kind}-1-1.jpeg", 0, 5)
    with pytest.raises(MedadError, match=r"no image to learn 'Drusen' from \(oct17\)"):
        measure_benchmark("sdmad", [small], tmp_path / "out")
    with pytest.raises(MedadError, match="no category 'Cyst'; they have CNV, DME, Drusen"):
        SignList.read("retina-oct").only(["Cyst"])
    table = SignTable.read("sdmad")
    cells = table.cells(table.parts([oct17]), {})
    assert {cell.lacking().startswith("CLIP") for cell in cells} == {True}
    assert cells[0].options["epochs"] == 50
    assert cells[0].settings["signs"] == ""  # detected with those that were learned


def test_one_folder_with_datasets_side_by_side(oct17, fastmri, mets, tmp_path):
    home = tmp_path / "data"
    home.mkdir()
    for folder in (oct17, fastmri, mets):
        (home / folder.name).symlink_to(folder)
    (home / "notes.txt").write_text("nothing")
    table = SignTable.read("sdmad")
    assert table.parts([home]).keys() == table.datasets.keys() - {"chestx-ray8"}
    with pytest.raises(MedadError, match="OCT2017 is the second oct17; give each dataset once"):
        table.parts([home, oct17])
    with pytest.raises(MedadError, match="oct17 and fastmri-plus, which table1-moe is not"):
        measure_benchmark("table1-moe", [home], tmp_path / "out")


def test_printed_figures_fit_together_and_others_would_not():
    """57.5 is the mean of its fourteen; a subset accuracy of 60 allows a Hamming score up to 90."""
    assert SignTable.read("sdmad").all_flags == ()
    row = {"method": "m", "setup": "s", "mean_auroc": 60, "a": 50, "b": 60}
    (flag,) = wrong_means([PaperRow.model_validate(row)], "mean_auroc", {"s": ("a", "b")})
    assert "is not that of its 2 figures, 55.0" in flag.why
    for hamming, fits in ((90, True), (91, False), (59, False), (60, True)):
        row = {"method": "m", "setup": "s", "hamming": hamming, "subset_accuracy": 60}
        found = impossible_hamming([PaperRow.model_validate(row)], {"s": 4})
        assert (found == []) is fits
