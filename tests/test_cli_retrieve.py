"""`medad retrieve`, from scans and reports on disk to tables and files."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from napari_medad.cli import run
from napari_medad.detectors.brat import detector as brat_detector
from napari_medad.reports.library import ReportLibrary
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.phantom import make_brain
from napari_medad.weights.model_folder import ModelFolder

TINY = ["--weights", "tiny", "--device", "cpu"]


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scans with reports, and a manifest of them."""
    folder = tmp_path_factory.mktemp("past")
    scan = make_brain(3, spacing=6.0, contrasts=("t1c",)).study.volume("t1c")
    rows = ["image,report"]
    for n in range(3):
        write_nifti(np.roll(scan.array, 2 * n, axis=2), scan, folder / f"p{n}_t1c.nii.gz")
        (folder / f"p{n}.txt").write_text(f"Mass of {n} cm. Ventricles are normal.")
        rows.append(f"p{n}_t1c.nii.gz,p{n}.txt")
    (folder / "cases.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture
def library(scans: Path, tiny_brat: Path, tmp_path: Path) -> Path:
    path = tmp_path / "past.medad-library"
    asked = ["retrieve", "add", str(path), "--data", str(scans / "cases.csv"), *TINY]
    assert run(asked) == 0
    return path


def told(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    return " ".join((out + err).split())


def test_a_library_is_filled_listed_searched_and_emptied(
    library, scans, tmp_path, capsys, wide_terminal
) -> None:
    asked = ["retrieve", "add", str(library), "--data", str(scans / "cases.csv"), *TINY]
    assert run(asked) == 0
    assert "3 added" in told(capsys)
    assert run(["retrieve", "cases", str(library)]) == 0
    assert "p1_t1c" in told(capsys)
    scan, table = str(scans / "p1_t1c.nii.gz"), tmp_path / "nearest.csv"
    asked = ["retrieve", "query", str(library), "--scan", scan, "--out", str(table), *TINY]
    assert run(asked) == 0
    lines = table.read_text().splitlines()
    assert lines[0] == "Case,Score (-1..1),Scan,Report,Weights"
    assert lines[1].startswith("p1_t1c,1.000,")
    assert lines[1].endswith("p1.txt,tiny (trained)")
    told(capsys)
    for kind, words in (("reports", "p1.txt"), ("sentences", "Ventricles are normal.")):
        asked = ["retrieve", "query", str(library), "--scan", scan, "--kind", kind, *TINY]
        assert run(asked) == 0
        assert words.replace(" ", "") in told(capsys).replace(" ", "")
    asked = ["retrieve", "query", str(library), "--sentence", "Mass of 1 cm", "--count", "2"]
    assert run([*asked, "--out", str(table), *TINY]) == 0
    assert len(table.read_text().splitlines()) == 3
    assert run(["retrieve", "measure", str(library)]) == 0
    assert "median rank" in told(capsys)
    assert run(["retrieve", "remove", str(library), "p1_t1c", "p0_t1c"]) == 0
    assert [e.name for e in ReportLibrary.open(library).entries] == ["p2_t1c"]


def test_one_scan_is_added_with_its_report(library, scans, tmp_path) -> None:
    (tmp_path / "new.txt").write_text("A new finding.")
    scan = str(scans / "p0_t1c.nii.gz")
    asked = ["retrieve", "add", str(library), scan, "--report", str(tmp_path / "new.txt"), *TINY]
    assert run(asked) == 0
    entries = ReportLibrary.open(library).entries
    assert [(e.name, e.count) for e in entries] == [("p1_t1c", 2), ("p2_t1c", 2), ("p0_t1c", 1)]


def test_sentences_are_scored_with_maps_on_the_scans_voxels(tiny_brat, scans, tmp_path, capsys):
    scan, out = str(scans / "p0_t1c.nii.gz"), tmp_path / "out"
    asked = ["retrieve", "score", scan, "--sentence", "Ring-enhancing lesion", "--report"]
    assert run([*asked, str(scans / "p1.txt"), "--out", str(out), *TINY]) == 0
    assert "Ring-enhancing lesion" in told(capsys)
    record = json.loads((out / "p0_t1c_brat_sentences.json").read_text())
    assert len(record["sentences"]) == 3
    scores = [s["score"] for s in record["sentences"]]
    assert scores == sorted(scores, reverse=True)
    assert all((out / s["map"]).is_file() for s in record["sentences"])


def test_other_weights_are_refused_until_rebuilt(library, tiny_brat, capsys) -> None:
    tensors = ModelFolder.read(tiny_brat, "brat").tensors()
    model = ModelFolder.read(tiny_brat, "brat")
    other = ModelFolder(tiny_brat.parent / "other", "brat", model.settings, model.facts)
    other.path.mkdir()
    other.write({name: 1.5 * value for name, value in tensors.items()})
    use = ["--weights", "other", "--device", "cpu"]
    asked = ["retrieve", "query", str(library), "--sentence", "Mass", *use]
    assert run(asked) == 1
    assert "medad retrieve rebuild" in told(capsys)
    assert run(["retrieve", "rebuild", str(library), *use]) == 0
    assert run(asked) == 0


def test_untrained_weights_are_told_everywhere(tiny_brat, scans, tmp_path, monkeypatch, capsys):
    load = brat_detector.load_network
    monkeypatch.setattr(brat_detector, "load_network", lambda path: load(tiny_brat))
    use, library = ["--weights", "untrained", "--device", "cpu"], str(tmp_path / "lib")
    data = str(scans / "cases.csv")
    for asked in (
        ["add", library, "--data", data, *use],
        ["cases", library],
        ["query", library, "--sentence", "Mass", "--out", str(tmp_path / "t.csv"), *use],
        ["score", str(scans / "p0_t1c.nii.gz"), "--sentence", "Mass", *use],
        ["measure", library],
    ):
        assert run(["retrieve", *asked]) == 0
        assert "UNTRAINED" in told(capsys), asked
    assert "(untrained)" in (tmp_path / "t.csv").read_text()


def test_a_draft_and_answers_of_a_language_model(library, scans, tmp_path, monkeypatch, capsys):
    class Model:
        name = "scripted"

        def __init__(self, folder: Path, device: str = "cpu") -> None: ...

        def write(self, prompt: str, *, longest: int = 400, progress: object = None) -> str:
            return '{"1": "Yes", "2": "something else"}' if "JSON" in prompt else "A mass of 1 cm."

    monkeypatch.setattr("napari_medad.reports.language_model.LocalLanguageModel", Model)
    out = tmp_path / "written"
    asked = ["retrieve", "draft", str(library), str(scans / "p1_t1c.nii.gz"), "--model", "m"]
    assert run([*asked, "--out", str(out), *TINY]) == 0
    assert "DRAFT, NOT A REPORT" in told(capsys)
    assert (out / "p1_t1c_draft.txt").read_text().startswith("DRAFT, NOT A REPORT")
    answers = tmp_path / "answers.json"
    asked = ["retrieve", "answer", str(scans / "p1.txt"), "--model", "m", "--out", str(answers)]
    assert run(asked) == 0
    assert "not understood" in told(capsys)
    held = json.loads(answers.read_text())
    assert held["checked_by_a_person"] is False
    assert held["answers"][0]["answers"] == ["Yes"]
    reference = tmp_path / "reference"
    reference.mkdir()
    (reference / "p1_t1c.txt").write_text("A mass of 1 cm.")
    assert run(["retrieve", "compare", str(out), str(reference)]) == 0
    assert "1.000" in told(capsys)


def test_weights_taught_by_scans_and_reports_search(scans, tmp_path, capsys, monkeypatch) -> None:
    from napari_medad.detectors.brat.pretraining import Pretraining

    taught, losses, steps = tmp_path / "taught", Pretraining.losses, []

    def interrupted(self, network, batch):
        steps.append(len(steps))
        if len(steps) == 2:
            signal.raise_signal(signal.SIGINT)
        return losses(self, network, batch)

    monkeypatch.setattr(Pretraining, "losses", interrupted)
    small = {"backbone": "small", "side": 64, "queries": 4, "width": 16, "layers": 2, "heads": 2}
    small |= {"feed_forward": 16, "embedding": 8, "epochs": 2, "batch_size": 2, "precision": "fp32"}
    asked = ["train", "brat", "--data", str(scans / "cases.csv"), "--out", str(taught)]
    asked += [text for name, value in small.items() for text in ("--set", f"{name}={value}")]
    assert run([*asked, "--device", "cpu"]) == 130
    assert not (taught / "model.json").exists()
    assert run([*asked, "--device", "cpu", "--resume"]) == 0
    facts = ModelFolder.read(taught, "brat").facts
    assert "ventricles" in facts["vocabulary"]
    told(capsys)
    library, use = str(tmp_path / "lib"), ["--weights", str(taught), "--device", "cpu"]
    assert run(["retrieve", "add", library, "--data", str(scans / "cases.csv"), *use]) == 0
    asked = ["retrieve", "query", library, "--scan", str(scans / "p1_t1c.nii.gz"), *use]
    assert run([*asked, "--kind", "reports", "--out", str(tmp_path / "found.csv")]) == 0
    lines = (tmp_path / "found.csv").read_text().splitlines()
    assert len(lines) == 4
    assert all(line.endswith("taught (trained)") for line in lines[1:])
    assert "UNTRAINED" not in told(capsys)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["score", "SCAN"], "nothing to look for"),
        (["add", "new"], "Give either one STUDY, or --data"),
        (["query", "new"], "Give either --sentence TEXT or --scan"),
        (["query", "new", "--scan", "SCAN", "--kind", "x"], "The kind 'x' is unknown"),
        (["query", "new", "--sentence", "a"], "There is no report library at new"),
        (["cases", "SCAN"], "damaged or is no report library"),
        (["draft", "SCAN", "SCAN", "--model", "m", "--out", "o"], "is no report library"),
        (["answer", "gone.txt", "--model", "m"], "The report gone.txt cannot be read"),
        (["compare", "EMPTY", "EMPTY"], "holds no *.txt"),
    ],
)
def test_what_is_wrong_is_one_sentence(scans, tmp_path, capsys, arguments, says) -> None:
    names = {"SCAN": str(scans / "p0_t1c.nii.gz"), "EMPTY": str(tmp_path)}
    assert run(["retrieve", *(names.get(a, a) for a in arguments)]) == 1
    assert says in told(capsys)
    assert not Path("new").exists()


def test_a_model_folder_without_tokenizer_is_one_sentence(scans, tmp_path, capsys) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert run(["retrieve", "answer", str(scans / "p0.txt"), "--model", str(tmp_path)]) == 1
    assert "lacks a tokenizer" in told(capsys)
