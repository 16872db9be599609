"""The matrix on a made-up copy of the data, whole and killed in the middle."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from napari_medad.benchmarks import work
from napari_medad.benchmarks.protocol import Protocol
from napari_medad.benchmarks.run import Asked, measure_benchmark, run_benchmark
from napari_medad.benchmarks.zsad import split, zsad_cells
from napari_medad.errors import Cancelled, MedadError

from .conftest import SMALL, write_patient

ASKED = Asked(methods=("vand",), setups=("finetune", "brats"), limit=3, changes=SMALL, device="cpu")


@pytest.fixture(scope="module")
def whole(mets, small_models, tmp_path_factory):
    """Out folder and report of a run that nobody disturbed."""
    before = os.environ.get("MEDAD_WEIGHTS")
    os.environ["MEDAD_WEIGHTS"] = str(small_models)
    out = tmp_path_factory.mktemp("whole") / "out"
    try:
        return out, run_benchmark("zsad", [mets], out, ASKED)
    finally:
        os.environ.pop("MEDAD_WEIGHTS")
        if before is not None:
            os.environ["MEDAD_WEIGHTS"] = before


def rows_of(out: Path) -> dict[tuple[str, ...], dict[str, str]]:
    with (out / "table.csv").open(encoding="utf-8") as stream:
        keys = ("method", "setup", "policy", "figure")
        return {tuple(row[k] for k in keys): row for row in csv.DictReader(stream)}


def arrays(out: Path, mets: Path, cell: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Map and truth of each test patient as nibabel reads them."""
    found = {}
    for number in (9, 17, 19):
        name = f"BraTS-MET-{number:05d}-000"
        scores = nib.load(out / "cells" / cell / "maps" / f"{name}_vand_anomaly.nii.gz")
        truth = nib.load(mets / name / f"{name}-seg.nii.gz")
        assert np.array_equal(scores.affine, truth.affine)
        found[name] = np.asarray(scores.dataobj), np.asarray(truth.dataobj) > 0
    return found


def test_figures_are_those_of_the_maps(whole, mets):
    out, _ = whole
    held, rows = arrays(out, mets, "vand-brats"), rows_of(out)
    dice, specificity = [], []
    for scores, truth in held.values():
        found = scores >= 2.0  # four stages, each with a probability of a half
        dice.append(2 * (found & truth).sum() / (found.sum() + truth.sum()))
        specificity.append((~found & ~truth).sum() / (~truth).sum())
    row = rows["vand", "brats", "fixed", "dice"]
    assert float(row["mean"]) == pytest.approx(np.mean(dice), abs=1e-9)
    assert float(row["sd"]) == pytest.approx(np.std(dice, ddof=1), abs=1e-9)
    told = rows["vand", "brats", "fixed", "specificity"]["mean"]
    assert float(told) == pytest.approx(np.mean(specificity), abs=1e-9)
    pooled = roc_auc_score(*(np.concatenate([h[i].ravel() for h in held.values()]) for i in (1, 0)))
    told = rows["vand", "brats", "test pool", "auroc"]["mean"]
    assert float(told) == pytest.approx(pooled, abs=1e-6)


def test_the_paper_stands_beside_them(whole):
    out, report = whole
    row = rows_of(out)["vand", "brats", "validation", "dice"]
    assert (float(row["paper_mean"]), float(row["paper_sd"])) == (0.06, 0.07)
    assert "0.2 to 0.5" in row["paper_flag"]
    shown = next(t for t in report.tables if "on other patients" in t.title)
    assert shown.rows[-1][:4] == ("", "", "paper", "0.32 ± 0.26")
    assert "0.29 (e)" in shown.rows[-1]
    assert "(e) AUROC 0.29 and F1-max 0.74 cannot both be right" in shown.note


def test_policies_are_four_and_oracles_say_so(whole):
    _, report = whole
    titles = [t.title for t in report.tables if t.title.startswith("Table 1")]
    assert len(titles) == 4
    assert [("ORACLE" in title) for title in titles] == [False, False, True, True]


def test_what_did_not_run_says_why(whole):
    out, report = whole
    states = {tuple(row[:2]): row[2] for row in report.tables[0].rows}
    assert states["VAND", "brats"] == "measured, UNTRAINED"
    assert states["VAND", "pmc"] == "not run: not asked for"
    assert rows_of(out)["vand", "pmc", "fixed", "dice"]["mean"] == ""


def test_a_try_is_not_called_the_protocol(whole):
    out, _ = whole
    held = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert held["protocol"] is False
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "NOT THE PROTOCOL: 47 test patients are missing: 30, 32" in page
    assert "backbone=tiny" in page
    assert "UNTRAINED: " in page
    assert {"table.md", "table.csv", "figures"} <= {path.name for path in out.iterdir()}


def test_weights_that_are_not_here_do_not_stop_the_others(mets, released, tmp_path):
    shutil.rmtree(released / "vand")
    changes = {"vand.image_size": "56", "vand.backbone": "tiny", "vand.epochs": "1"}
    asked = Asked(methods=("vand",), limit=1, changes=changes, device="cpu")
    report = measure_benchmark("zsad", [mets], tmp_path / "out", asked)
    states = {row[1]: row[2] for row in report.tables[0].rows if row[0].startswith("VAND")}
    for setup in ("industrial", "finetune"):
        assert "medad weights fetch vand released-mvtec" in states[setup]
        assert states[setup].startswith("not run: needs the weights released-mvtec of vand (")
    assert states["brats"] == states["pmc"] == "measured, UNTRAINED"
    changed = {**changes, "vand.backbone": "auto"}
    asked = Asked(methods=("vand",), setups=("pmc",), limit=1, changes=changed, device="cpu")
    report = measure_benchmark("zsad", [mets], tmp_path / "other", asked)
    state = next(row[2] for row in report.tables[0].rows if row[:2] == ("VAND", "pmc"))
    assert state.startswith("not run: needs CLIP ")
    assert "medad weights fetch pmc-clip" in state or "vit-l-14-336" in state


KILLED = """
import sys, time
from napari_medad.benchmarks.run import measure_benchmark
from tests_conftest import ASKED

seen = 0
def wait(now):
    global seen
    seen += now.cell == "vand-finetune" and now.stage == "detect" and now.done != seen
    if now.cell == "vand-finetune" and now.stage == "detect" and now.done >= 7:
        print("ready", flush=True)
        time.sleep(60)

measure_benchmark("zsad", [sys.argv[1]], sys.argv[2], ASKED, progress=wait)
"""


def test_killed_and_gone_on_with_nothing_is_done_twice(
    whole, mets, released, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    script = KILLED.replace("from tests_conftest import ASKED", _asked_text())
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(mets), str(out)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "MEDAD_WEIGHTS": str(released), "OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    maps = out / "cells" / "vand-finetune" / "maps"
    kept = {path: path.stat().st_mtime_ns for path in maps.glob("*_record.json")}
    assert 0 < len(kept) < 4
    stopped = []

    def stop(now):
        stopped.append(now.cell)
        return "stop" if (now.cell, now.stage) == ("vand-brats", "train") else None

    trained, looked_at = [], []
    train, detect = work.train, work.detect
    monkeypatch.setattr(
        work, "train", lambda *a, **k: (trained.append(a[2].parent.name), train(*a, **k))
    )
    monkeypatch.setattr(
        work,
        "detect",
        lambda study, *a, **k: (looked_at.append(study.name), detect(study, *a, **k))[1],
    )
    with pytest.raises(Cancelled):
        measure_benchmark("zsad", [mets], out, ASKED, progress=stop)
    assert trained == ["vand-brats"]  # the other cell was trained before the kill
    assert len(looked_at) == 4 - len(kept)
    told = measure_benchmark("zsad", [mets], out, ASKED).rows()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert told == whole[1].rows()
    before = len(looked_at), len(trained)
    assert measure_benchmark("zsad", [mets], out, ASKED).rows() == told
    assert (len(looked_at), len(trained)) == before


def _asked_text() -> str:
    return f"from napari_medad.benchmarks.run import Asked\nASKED = {ASKED!r}"


def test_other_settings_or_data_are_refused_with_the_difference(
    whole, mets, small_models, monkeypatch
):
    out, _ = whole
    monkeypatch.setenv("MEDAD_WEIGHTS", str(small_models))
    other = Asked(methods=("vand",), limit=3, changes={**SMALL, "image_size": "70"}, device="cpu")
    with pytest.raises(
        MedadError, match="settings image_size was 56 and is now 70; choose another"
    ):
        measure_benchmark("zsad", [mets], out, other)
    fewer = Asked(methods=("vand",), limit=2, changes=SMALL, device="cpu")
    with pytest.raises(MedadError, match="training patients were 3 and are now 2"):
        measure_benchmark("zsad", [mets], out, fewer)


def test_a_folder_of_something_else_is_left_alone(mets, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(MedadError, match="is no folder of a benchmark and not empty"):
        measure_benchmark("zsad", [mets], tmp_path / "out", ASKED)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_missing_test_patients_are_listed_and_refused(mets, tmp_path):
    with pytest.raises(MedadError, match=r"lacks 47 of the 50 test patients \(30, 32, .*--limit N"):
        measure_benchmark("zsad", [mets], tmp_path / "out", Asked())
    assert not (tmp_path / "out").exists()


def test_a_folder_without_any_test_patient_is_refused(tmp_path):
    write_patient(tmp_path / "data", 1)
    with pytest.raises(MedadError, match="none of the 50 test patients"):
        measure_benchmark("zsad", [tmp_path / "data"], tmp_path / "out", Asked(limit=1))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"methods": ("winclip",)}, "no method 'winclip'; it has adaclip, anovl"),
        ({"setups": ("scratch",)}, "no setup 'scratch'; it has industrial, finetune"),
        ({"methods": ("anovl",), "setups": ("pmc",)}, "anovl has no setup pmc"),
        ({"policies": ("best",)}, "no policy 'best'; choose validation, fixed"),
        ({"limit": 0}, "--limit cannot be 0"),
        ({"changes": {"epoch": "1"}}, "--set epoch: no method of the benchmark has this setting"),
        ({"changes": {"vand.epochs": "no"}}, "'epochs' of the training of vand cannot be 'no'"),
    ],
)
def test_wrong_wishes(mets, tmp_path, asked, sentence):
    with pytest.raises(MedadError, match=sentence):
        measure_benchmark("zsad", [mets], tmp_path / "out", Asked(**{"limit": 2, **asked}))


def test_the_split_keeps_patients_apart_and_depends_on_the_seed_alone(mets):
    protocol = Protocol.read("zsad")
    parts = split(protocol, mets, limit=50)
    names = [
        {case.patient for case in part} for part in (parts.train, parts.validation, parts.test)
    ]
    assert [len(part) for part in names] == [3, 1, 3]
    assert not names[0] & names[1]
    assert not names[2] & (names[0] | names[1])
    assert split(protocol, mets, limit=50) == parts
    cells = {cell.name: cell for cell in zsad_cells(protocol, parts, {})}
    assert cells["vand-industrial"].options is None
    assert cells["vand-industrial"].weights == "released-mvtec"
    assert (
        cells["vand-pmc"].settings["backbone"]
        == cells["vand-pmc"].options["backbone"]
        == "pmc-clip"
    )
    assert cells["anomalyclip-brats"].half == 2.0
    assert cells["adaclip-brats"].options["batch_size"] == 1
