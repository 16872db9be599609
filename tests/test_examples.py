"""The examples run as they stand."""

from __future__ import annotations

import importlib.util
import json
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import napari_medad as medad
from napari_medad.cli import run
from napari_medad.detectors import registry
from napari_medad.evaluation.plots import standard
from napari_medad.volumes import phantom
from napari_medad.volumes.phantom import brain as phantom_brain
from napari_medad.volumes.phantom import make_brain
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

EXAMPLES = Path(__file__).parents[1] / "examples"
PLUGIN = EXAMPLES / "add_a_detector"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def small_sample(monkeypatch: pytest.MonkeyPatch) -> phantom.Phantom:
    """The sample patient at 4 mm, so that the test is quick."""
    small = make_brain(118, lesions=("tumour",), spacing=4.0, name=phantom_brain.SAMPLE_NAME)
    monkeypatch.setattr(phantom_brain, "sample_study", lambda: small)
    return small


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example package as if it were installed."""
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = [
        EntryPoint(name, value, group)
        for group, entries in project["entry-points"].items()
        for name, value in entries.items()
    ]
    monkeypatch.syspath_prepend(str(PLUGIN / "src"))
    monkeypatch.setattr(
        registry, "entry_points", lambda group: [p for p in points if p.group == group]
    )
    registry.cards.cache_clear()
    yield
    registry.cards.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "medad_edges"]:
        del sys.modules[name]


def test_every_example_is_tested():
    scripts = {path.stem for path in EXAMPLES.glob("*.py")}
    assert scripts == {
        "correct_a_detection",
        "detect_a_study",
        "compare_detectors",
        "evaluate_a_map",
        "export_a_detection",
        "train_on_your_normals",
    }


def test_detect_a_study(small_sample, tmp_path, capsys):
    written = example("detect_a_study").main(tmp_path)
    assert "synthetic-patient_hyperintensity_anomaly.nii.gz" in {path.name for path in written}
    assert all(path.is_file() for path in written)
    assert "mL at" in capsys.readouterr().out


def test_correct_a_detection(small_sample, tmp_path, capsys):
    same, *gone = example("correct_a_detection").main(tmp_path)
    assert (same.kind, same.before, same.after) == ("same", (1,), (1,))
    assert same.growth_ml > 0
    assert gone
    assert {change.kind for change in gone} == {"gone"}
    assert "accept 1:" in capsys.readouterr().out
    assert len(list((tmp_path / "results").glob("*_corrected.nii.gz"))) == 1


def test_export_a_detection(small_sample, tmp_path, capsys):
    written = example("export_a_detection").main(tmp_path)
    assert {path.suffix for path in written} == {".png", ".html", ".gz", ".json", ".tsv"}
    assert all(path.is_file() for path in written)
    assert "1 detection" in capsys.readouterr().out


def test_evaluate_a_map(capsys):
    metrics = example("evaluate_a_map").main(spacing=3.0)
    chance = metrics.lesion_voxels / metrics.voxels
    assert metrics.average_precision > 5 * chance
    assert json.loads(capsys.readouterr().out) == metrics.model_dump()


def test_compare_detectors(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(standard, "standard_figures", lambda *of: [])  # drawn elsewhere
    detectors = ("hyperintensity", "moe")
    written = example("compare_detectors").main(tmp_path, detectors, patients=2, spacing=5.0)
    assert {path.name for path in written} == {
        "metrics.json",
        "patients.csv",
        "slices.csv",
        "report.html",
        "expert_selection.png",
        "expert_selection.svg",
    }
    assert "hyperintensity: Dice 0." in capsys.readouterr().out
    assert json.loads((tmp_path / "evaluation/metrics.json").read_text())["comparisons"]


def test_a_detector_of_another_package_is_found_and_run(plugin, small_sample, tmp_path, capsys):
    assert medad.detectors()["edges"].package == "medad_edges"
    assert run(["detectors"]) == 0
    assert "edges" in capsys.readouterr().out
    case = phantom.write_sample(tmp_path)
    arguments = ["detect", str(case), "--detector", "edges", "--set", "sigma=2", "--out"]
    assert run([*arguments, str(tmp_path / "out")]) == 0
    record = json.loads((tmp_path / "out/synthetic-patient_edges_record.json").read_text())
    assert record["settings"] == {"sigma": 2.0}


def test_the_detector_of_the_other_package_marks_edges(plugin):
    array = np.zeros((2, 30, 30), np.float32)
    array[:, 5:25, 5:25], array[:, 5:25, 15:25] = 1, 2
    study = Study.from_volumes("box", {"t2f": Volume(array, np.eye(4), "t2f")})
    anomaly = medad.detect(study, medad.load_detector("edges", sigma=1)).maps["anomaly"]
    assert anomaly[0, 15, 14:16].min() > 5 * anomaly[0, 15, 9:11].max()


def test_train_on_your_normals(tmp_path, capsys):
    script = example("train_on_your_normals")
    quick = script.QUICK | {"epochs": 1, "warm_up": 1, "slices_per_volume": 4, "batch_size": 4}
    detection = script.main(tmp_path, spacing=4.0, options=quick)
    assert detection.record.weights.state == "trained"
    assert (tmp_path / "model" / "model.json").is_file()
    assert json.loads(capsys.readouterr().out)["lesion_voxels"] > 0
