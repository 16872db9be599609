"""The Report search dock: sentences scored and mapped, a library filled and searched, drafts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_medad.detectors.brat import detector as brat_detector
from napari_medad.reports.library import ReportLibrary
from napari_medad.viewer.docks import report_search
from napari_medad.viewer.docks.report_search import ReportSearchDock
from napari_medad.viewer.layers import add_study
from napari_medad.viewer.parts.library_page import REPORT, SCAN, SENTENCE, SENTENCES
from napari_medad.viewer.parts.sentence_page import NOTHING
from napari_medad.viewer.parts.writing_page import ANSWERS
from napari_medad.viewer.session import session_of
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.reader import read_study
from napari_medad.volumes.study import Study
from napari_medad.weights.model_folder import ModelFolder


class Model:
    """A language model that says what it is made to."""

    name = "scripted"

    def __init__(self, folder: Path, device: str = "cpu") -> None: ...

    def write(self, prompt: str, *, longest: int = 400, progress: object = None) -> str:
        return '{"1": "Yes", "2": "a scar"}' if "JSON" in prompt else "A mass of 1 cm."


@pytest.fixture
def scans(small_study: Study, tmp_path: Path) -> Path:
    """Three scans with reports, and a table of them."""
    scan, rows = small_study.volume("t2f"), ["image,report"]
    for n in range(3):
        shifted = np.roll(scan.array, 3 * n, axis=2)
        write_nifti(shifted, scan, tmp_path / f"p{n}_t2f.nii.gz")
        (tmp_path / f"p{n}.txt").write_text(f"Mass of {n} cm. No midline shift.")
        rows.append(f"p{n}_t2f.nii.gz,p{n}.txt")
    (tmp_path / "cases.csv").write_text("\n".join(rows))
    return tmp_path


@pytest.fixture
def dock(viewer, tiny_brat, scans: Path) -> ReportSearchDock:
    """On the first scan."""
    dock = ReportSearchDock(viewer, confirm=lambda question: True)
    viewer.window.add_dock_widget(dock, name="Report search")
    add_study(viewer, read_study(scans / "p0_t2f.nii.gz"))
    return dock


@pytest.fixture
def act(dock, wait_until: Callable) -> Callable[[Callable[[], object]], None]:
    """Do something and wait until the dock's work has ended."""

    def wait(action: Callable[[], object]) -> None:
        action()
        wait_until(lambda: not dock.work.running and not dock.footer.cancel_button.isEnabled())

    return wait


@pytest.fixture
def filled(dock, scans: Path, act) -> ReportSearchDock:
    """With a library of the three scans."""
    dock.pages.setCurrentWidget(dock.library)
    dock.library.begin(scans / "past.medad-library")
    act(lambda: dock.add(scans / "cases.csv", True))
    return dock


def test_without_a_scan_or_a_sentence_it_says_what_to_do(viewer, tiny_brat, small_study) -> None:
    dock = ReportSearchDock(viewer)
    viewer.window.add_dock_widget(dock, name="Report search")
    assert "Open a scan first" in dock.footer.notice.text()
    add_study(viewer, small_study)
    assert dock.footer.notice.text() == NOTHING
    assert not dock.footer.run_button.isEnabled()
    dock.sentences.text_edit.setPlainText("A mass.")
    assert dock.footer.run_button.isEnabled()


def test_sentences_are_scored_and_the_chosen_one_is_mapped(dock, viewer, act) -> None:
    dock.sentences.text_edit.setPlainText("Ring-enhancing lesion.\nNo midline shift. Old scar.")
    act(dock.run)
    assert dock.sentences.table.rowCount() == 3
    scores = [float(dock.sentences.table.item(row, 0).text()) for row in range(3)]
    assert scores == sorted(scores, reverse=True)
    scan = dock.look.scan
    first = dock.sentences.found[0]
    layer = dock.map.layer
    assert layer.name == f"p0_t2f · brat · {first.text}"
    np.testing.assert_allclose(layer.data, scan.map_of(first))
    assert layer.data.shape == scan.study.volume().array.shape
    np.testing.assert_allclose(layer.scale, viewer.layers[0].scale)
    dock.sentences.view_box.setCurrentIndex(1)
    np.testing.assert_allclose(dock.map.layer.data, scan.embedding.view_map(first.best_views[0]))
    dock.sentences.table.setCurrentCell(2, 0)
    assert dock.map.layer.name.endswith(dock.sentences.found[2].text)
    assert sum("brat" in layer.name for layer in viewer.layers) == 1
    assert "coarse" in dock.sentences.coarse.text()
    assert dock.volume_box.layer is viewer.layers[0]


def test_a_scan_is_looked_at_once(dock, act, monkeypatch) -> None:
    looks = []
    embed = brat_detector.BratDetector.embed
    monkeypatch.setattr(
        brat_detector.BratDetector, "embed", lambda self, s: looks.append(s) or embed(self, s)
    )
    for text in ("A mass.", "A scar."):
        dock.sentences.text_edit.setPlainText(text)
        act(dock.run)
    assert len(looks) == 1


def test_other_weights_clear_what_was_found(dock, act) -> None:
    dock.sentences.text_edit.setPlainText("A mass.")
    act(dock.run)
    dock.weights.box.setCurrentIndex(dock.weights.box.findData("untrained"))
    assert dock.sentences.table.rowCount() == 0
    assert dock.look.scan is None


def test_text_without_a_sentence_is_one_sentence(dock, act) -> None:
    dock.sentences.text_edit.setPlainText("12 .. 3")
    act(dock.run)
    assert "no sentence" in dock.footer.notice.text()


def test_a_library_is_filled_and_searched(filled, act) -> None:
    dock = filled
    assert "3 cases, 3 with a report" in dock.library.notice.text()
    assert [e.name for e in dock.library.entries] == ["p0_t2f", "p1_t2f", "p2_t2f"]
    assert dock.library.table.item(0, 0).text() == ""
    kinds = {SCAN: "p0_t2f", REPORT: "_t2f", SENTENCES: "cm."}
    for kind, words in kinds.items():
        dock.library.kind_box.setCurrentIndex(dock.library.kind_box.findData(kind))
        act(dock.run)
        assert dock.library.table.rowCount() >= 3
        shown = [dock.library.table.item(r, 1).text() for r in range(3)]
        assert any(words in text for text in shown)
        if kind == SCAN:
            assert shown[0] == "p0_t2f"
            assert dock.library.table.item(0, 0).text() == "1.000"
    dock.library.kind_box.setCurrentIndex(dock.library.kind_box.findData(SENTENCE))
    assert "Type the sentence" in dock.footer.notice.text()
    dock.library.sentence_edit.setText("Mass of 2 cm")
    act(dock.run)
    assert dock.library.table.rowCount() == 3


def test_a_found_case_opens_and_the_scan_stays_chosen(filled, viewer, act) -> None:
    dock = filled
    act(dock.run)
    dock.library.table.setCurrentCell(1, 0)
    name = dock.library.entry.name
    before = dock.volume_box.layer
    act(dock.library.show_button.click)
    assert any(layer.name.startswith(f"{name} · ") for layer in viewer.layers[1:])
    assert dock.volume_box.layer is before
    assert dock.library.table.rowCount() == 3


def test_cases_are_removed_and_the_open_scan_is_added(filled, act, scans: Path) -> None:
    dock = filled
    act(dock.run)
    dock.library.table.setCurrentCell(0, 0)
    dock.library.remove()
    path = scans / "past.medad-library"
    assert [e.name for e in ReportLibrary.open(path).entries] == ["p1_t2f", "p2_t2f"]
    act(lambda: dock.add(scans / "p2.txt", False))
    assert "3 cases" in dock.library.notice.text()
    assert ReportLibrary.open(path).entries[-1].report == str((scans / "p2.txt").resolve())


def test_a_scan_without_a_report_is_added_only_when_confirmed(filled, act) -> None:
    dock = filled
    asked = []
    dock.confirm = lambda question: bool(asked.append(question))
    act(lambda: dock.add(None, False))
    assert asked == ["Add this scan without a report?"]
    assert "3 cases, 3 with a report" in dock.library.notice.text()
    dock.confirm = lambda question: True
    act(lambda: dock.add(None, False))
    assert "3 cases, 2 with a report" in dock.library.notice.text()


def test_a_library_of_other_weights_is_refused_and_rebuilt(filled, act, tiny_brat, viewer) -> None:
    dock, model = filled, ModelFolder.read(tiny_brat, "brat")
    other = ModelFolder(tiny_brat.parent / "other", "brat", model.settings, model.facts)
    other.path.mkdir()
    other.write({name: 1.5 * value for name, value in model.tensors().items()})
    session_of(viewer).forget("brat")
    dock.weights.box.setCurrentIndex(dock.weights.box.findData("other"))
    act(dock.run)
    assert "other weights" in dock.footer.notice.text()
    assert "Rebuild in the dock" in dock.footer.notice.text()
    act(dock.library.rebuild_button.click)
    assert "3 cases embedded anew" in dock.footer.notice.text()
    act(dock.run)
    assert dock.library.table.rowCount() == 3


def test_rebuilding_says_which_scans_are_gone(filled, act, scans: Path) -> None:
    dock, asked = filled, []
    (scans / "p1_t2f.nii.gz").unlink()
    dock.confirm = lambda question: bool(asked.append(question))
    act(dock.library.rebuild_button.click)
    assert "1 scan can no longer be found and will be left out" in asked[0]
    assert len(dock.library.library) == 3
    dock.confirm = lambda question: True
    act(dock.library.rebuild_button.click)
    assert [e.name for e in dock.library.entries] == ["p0_t2f", "p2_t2f"]


def test_cancelling_leaves_the_library_as_it_was(filled, act, scans: Path) -> None:
    dock, before = filled, (scans / "past.medad-library").read_bytes()

    def begin_and_cancel() -> None:
        dock.rebuild()
        dock.footer.cancel_button.click()

    act(begin_and_cancel)
    assert dock.footer.notice.text() == "Cancelled."
    assert (scans / "past.medad-library").read_bytes() == before
    assert dock.footer.run_button.isEnabled()


def test_a_damaged_library_is_one_sentence(dock, scans: Path) -> None:
    (scans / "bad").write_bytes(b"nothing")
    dock.library.open(scans / "bad")
    assert "damaged or is no report library" in dock.library.notice.text()
    assert dock.library.path is None


def test_untrained_weights_are_told(dock, viewer, act, tiny_brat, scans, monkeypatch) -> None:
    load = brat_detector.load_network
    monkeypatch.setattr(brat_detector, "load_network", lambda path: load(tiny_brat))
    dock.weights.box.setCurrentIndex(dock.weights.box.findData("untrained"))
    assert "UNTRAINED" in dock.weights.line.text()
    dock.sentences.text_edit.setPlainText("A mass.")
    act(dock.run)
    assert "UNTRAINED" in dock.footer.notice.text()
    assert "UNTRAINED" in dock.map.layer.name
    dock.library.begin(scans / "new.medad-library")
    act(lambda: dock.add(None, False))
    assert "UNTRAINED" in dock.library.notice.text()


def test_a_draft_is_written_from_the_library_and_saved(filled, act, scans, monkeypatch) -> None:
    monkeypatch.setattr("napari_medad.reports.language_model.LocalLanguageModel", Model)
    dock = filled
    dock.pages.setCurrentWidget(dock.writing)
    assert "Choose the folder of a language model" in dock.footer.notice.text()
    dock.writing.folder_edit.setText("model")
    act(dock.run)
    assert dock.writing.draft_view.toPlainText().startswith("DRAFT, NOT A REPORT")
    assert len(dock.writing.draft.sentences) == 4  # three masses, and one sentence in all reports
    dock.writing.save(scans)
    assert (scans / "p0_t2f_draft.txt").read_text().startswith("DRAFT, NOT A REPORT")


def test_answers_are_shown_as_they_were_given(dock, act, scans, monkeypatch) -> None:
    monkeypatch.setattr("napari_medad.reports.language_model.LocalLanguageModel", Model)
    dock.pages.setCurrentWidget(dock.writing)
    dock.writing.folder_edit.setText("model")
    dock.writing.task_box.setCurrentIndex(dock.writing.task_box.findData(ANSWERS))
    assert "Paste the report" in dock.footer.notice.text()
    dock.writing.report_edit.setPlainText("Craniotomy. A mass.")
    act(dock.run)
    shown = [dock.writing.answers.item(row, 1).text() for row in range(3)]
    assert shown == ["Yes", "not understood: a scar", "not answered"]
    assert "1 of 15" in dock.footer.notice.text()
    dock.writing.save(scans / "answers.json")
    assert '"checked_by_a_person": false' in (scans / "answers.json").read_text()


def test_a_model_folder_without_tokenizer_is_one_sentence(dock, act, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    dock.pages.setCurrentWidget(dock.writing)
    dock.writing.task_box.setCurrentIndex(dock.writing.task_box.findData(ANSWERS))
    dock.writing.folder_edit.setText(str(tmp_path))
    dock.writing.report_edit.setPlainText("A mass.")
    act(dock.run)
    assert "lacks a tokenizer" in dock.footer.notice.text()


def test_every_page_has_its_action(dock) -> None:
    for number, action in enumerate(report_search.ACTIONS):
        dock.pages.setCurrentIndex(number)
        assert dock.footer.run_button.text() == action
