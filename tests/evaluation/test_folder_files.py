"""What an evaluation writes: metrics, tables, figures and a page, all or none."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_medad.errors import Cancelled, MedadError
from napari_medad.evaluation import folder_files
from napari_medad.evaluation.evaluation import Evaluation
from napari_medad.evaluation.folder import FolderEvaluation, Maps, evaluate_several
from napari_medad.evaluation.folder_files import (
    Metrics,
    comparisons,
    write_evaluation,
    write_patients,
    write_slices,
)
from napari_medad.evaluation.plots.drawing import NamedFigure, new_figure
from napari_medad.results.run_record import SourceRecord

Add = Callable[..., None]
Make = Callable[..., Evaluation]
SIMILARITY = {
    "shots": ["tumour", "normal"],
    "signs": ["a mass", "a normal brain"],
    "before": [[0.2, 0.3], [0.2, 0.3]],
    "after": [[0.6, 0.1], [0.1, 0.5]],
}


@pytest.fixture
def told(tmp_path: Path, add_patient: Add) -> list[FolderEvaluation]:
    """Three patients by two detectors; one of them has no lesion."""
    for seed, name in enumerate(("a", "b", "c")):
        scan = tmp_path / "maps" / name / f"{name}_moe_anomaly.nii.gz"
        source = SourceRecord(volume="t2f", path=str(scan))  # a scan on the map's grid
        shared = {"seed": seed, "lesion": name != "c", "sources": [source]}
        evidence = {"router": {"brain": 0.9, "breast": 0.1}, "prompt": "Brain."}
        add_patient(tmp_path, name, evidence=evidence, settings={"size": 64}, **shared)
        add_patient(tmp_path, name, detector="sdmad", evidence={"similarity": SIMILARITY}, **shared)
    maps = [Maps(tmp_path / "maps", detector) for detector in ("moe", "sdmad")]
    return evaluate_several(maps, tmp_path / "truth", surface=False)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_everything_is_written_and_can_be_read_again(
    tmp_path: Path, told: list[FolderEvaluation]
) -> None:
    out = tmp_path / "out"
    seen: list[int] = []
    written = write_evaluation(out, told, progress=lambda now: seen.append(now.done))
    assert {p for p in out.rglob("*") if p.is_file()} == set(written)
    figures = {p.stem for p in written if p.suffix == ".png"}
    assert figures == {
        "dice_by_patient",
        "dice_by_distance",
        "dice_by_size",
        "ranking_curves",
        "score_histograms",
        "outcome_green_red_blue",
        "outcome_colour_blind_safe",
        "expert_selection",
        "text_similarity",
    }
    metrics = Metrics.model_validate_json((out / "metrics.json").read_text())
    assert metrics.evaluations == tuple(one.evaluation for one in told)
    assert [(c.first, c.second) for c in metrics.comparisons] == [("moe", "sdmad")]
    assert metrics.facts["moe: settings"] == "size = 64"
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 9
    assert str(tmp_path) not in page + (out / "metrics.json").read_text()
    assert seen == sorted(seen)
    assert seen


def test_tables_hold_a_row_a_patient_and_a_row_a_slice(
    tmp_path: Path, told: list[FolderEvaluation]
) -> None:
    held = [one.evaluation for one in told]
    rows = _rows(write_patients(held, tmp_path / "patients.csv"))
    assert [(row["detector"], row["patient"]) for row in rows] == [
        (name, patient) for name in ("moe", "sdmad") for patient in "abc"
    ]
    assert float(rows[0]["dice"]) == held[0].patients[0].dice
    assert rows[0]["policy"] == "each run's own threshold"
    assert rows[2]["sensitivity"] == ""
    slices = _rows(write_slices(held, tmp_path / "slices.csv"))
    assert [row["z"] for row in slices[:3]] == ["2", "3", "4"]
    assert len(slices) == 12


@pytest.fixture
def one_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw a small figure twice in the place of all."""
    figure = new_figure(1, 1)
    held = [NamedFigure(name, "Drawn", figure) for name in ("one", "two")]
    monkeypatch.setattr(folder_files, "_figures", lambda told, steps: held)


@pytest.mark.usefixtures("one_figure")
def test_a_stop_leaves_nothing_and_what_was_there(
    tmp_path: Path, told: list[FolderEvaluation]
) -> None:
    out = tmp_path / "out"
    with pytest.raises(Cancelled):
        write_evaluation(out, told, progress=lambda now: "stop" if now.done == 2 else None)
    assert not out.exists()
    out.mkdir()
    (out / "metrics.json").write_text("before")
    with pytest.raises(Cancelled):
        write_evaluation(out, told, progress=lambda now: "stop" if now.done == 2 else None)
    assert [p.name for p in out.iterdir()] == ["metrics.json"]
    assert (out / "metrics.json").read_text() == "before"


def test_only_detectors_under_one_policy_are_compared(made: Make) -> None:
    first, second = made("moe"), made("vand", 0.1)
    pool = made("moe", policy="test pool")
    assert [(c.first, c.second) for c in comparisons([first, pool, second])] == [("moe", "vand")]


@pytest.mark.usefixtures("one_figure")
def test_a_folder_that_cannot_be_written_is_told(
    tmp_path: Path, told: list[FolderEvaluation]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MedadError, match="cannot be written"):
        write_evaluation(tmp_path / "file", told)


def test_many_patients_are_put_together_by_their_prompts(
    tmp_path: Path, told: list[FolderEvaluation], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_patient = folder_files._routed(told)
    assert list(by_patient) == ["a", "b", "c"]
    monkeypatch.setattr(folder_files, "MOST_ROWS", 2)
    together = folder_files._routed(told)
    assert list(together) == ["Brain. (n = 3)"]
    assert together["Brain. (n = 3)"] == pytest.approx(by_patient["a"])
