"""Prompts that are edited, and normal scans that are picked, in the Detect dock."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import as_file, files

import numpy as np
import pytest
import yaml

from napari_medad.backbones.clip.catalogue import backbone
from napari_medad.detectors.registry import card
from napari_medad.errors import MedadError
from napari_medad.inference.again import detect_again
from napari_medad.viewer.docks.detect import DetectDock
from napari_medad.viewer.layers import add_study
from napari_medad.viewer.session import session_of
from napari_medad.volumes.study import Study


@pytest.fixture
def dock(viewer, small_study: Study) -> DetectDock:
    """The Detect dock with VAND, untrained."""
    add_study(viewer, small_study)
    dock = DetectDock(viewer, confirm=lambda _: True)
    viewer.window.add_dock_widget(dock, name="Detect")
    dock.choose("vand", "untrained")
    dock.weights.box.setCurrentIndex(dock.weights.box.findData("untrained"))
    return dock


def run(dock: DetectDock, viewer, wait_until: Callable) -> tuple[str, ...]:
    """Detect, and give the notes of the record."""
    session_of(viewer).current = None
    dock.run()
    wait_until(lambda: not dock.work.running, 60)
    wait_until(lambda: session_of(viewer).current is not None)
    return session_of(viewer).current.record.notes


def test_only_detectors_with_prompts_or_references_show_them(dock) -> None:
    assert not dock.prompts.isHidden()
    assert not dock.references.isHidden()
    dock.choose("anovl")
    assert not dock.prompts.isHidden()
    assert dock.references.isHidden()
    dock.choose("anomalyclip")
    assert dock.prompts.isHidden()
    dock.choose("hyperintensity")
    assert dock.prompts.isHidden()
    assert dock.references.isHidden()


def test_the_shipped_prompts_are_counted_and_none_of_them_is_a_setting(dock) -> None:
    assert dock.prompts.values() == {}
    assert dock.prompts.example.text().startswith("245 normal and 175 abnormal sentences, such as")
    dock.form.editors["object"].setText("liver")
    dock.form.changed.emit()
    assert "liver" in dock.prompts.example.text()


def test_what_is_written_reaches_the_settings(dock) -> None:
    dock.prompts.lists["abnormal"].setPlainText("{} with a tumour\n\n{} with an infarct\n")
    told = {"abnormal": ("{} with a tumour", "{} with an infarct")}
    assert dock.prompts.values() == told
    assert dock._loading()["settings"]["abnormal"] == told["abnormal"]
    assert "70 abnormal sentences" in dock.prompts.example.text()
    dock.prompts.reset_button.click()
    assert dock.prompts.values() == {}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("normal", " \n", "The list 'Normal' of the prompts is empty"),
        ("templates", "a photo", "must have {} once"),
        ("abnormal", "{} with {domain}", "no other braces"),
    ],
)
def test_prompts_that_cannot_be_are_told_and_not_run(dock, name, text, told) -> None:
    dock.prompts.lists[name].setPlainText(text)
    assert told in dock.prompts.example.text()
    dock.run()
    assert told in dock.footer.notice.text()
    assert not dock.work.running


def test_a_file_holds_them_and_the_command_line_reads_it(dock, tmp_path) -> None:
    dock.prompts.lists["normal"].setPlainText("healthy {}")
    dock.prompts.save(tmp_path / "mine.yaml")
    assert yaml.safe_load((tmp_path / "mine.yaml").read_text())["normal"] == ["healthy {}"]
    dock.prompts.reset()
    dock.prompts.load(tmp_path / "mine.yaml")
    assert dock.prompts.values() == {"normal": ("healthy {}",)}
    (tmp_path / "other.yaml").write_text("words: [a]\n")
    with pytest.raises(MedadError, match="must hold lists of texts"):
        dock.prompts.load(tmp_path / "other.yaml")


def test_sentences_of_a_domain_are_shown_filled_in(dock) -> None:
    dock.choose("anovl")
    assert dock.prompts.example.text().startswith("462 normal and 462 abnormal sentences")
    assert "{" not in dock.prompts.example.text()
    assert card("anovl").name == dock.card.name


def test_the_example_follows_the_domain_and_the_shipped_file_is_a_prompt_file(dock) -> None:
    dock.choose("anovl")
    domain = dock.form.editors["domain"]
    domain.setCurrentIndex(domain.findData("medical"))
    assert "medical image" in dock.prompts.example.text()
    with as_file(files("napari_medad.detectors.anovl") / "prompts.yaml") as path:
        dock.prompts.load(path)
    assert dock.prompts.values() == {}


def test_a_run_that_fails_leaves_no_layers(dock, viewer, wait_until) -> None:
    before = [layer.name for layer in viewer.layers]
    dock.form.set_values({"image_size": 20})
    dock.run()
    wait_until(lambda: not dock.work.running)
    wait_until(lambda: "needs at least 28 pixels" in dock.footer.notice.text())
    assert [layer.name for layer in viewer.layers] == before
    dock.choose("hyperintensity")
    assert dock.footer.notice.text() == ""


def test_a_detector_without_its_weights_cannot_be_run(dock, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("MEDAD_WEIGHTS", str(tmp_path))
    button, notice = dock.footer.run_button, dock.footer.notice
    assert button.isEnabled()
    dock.weights.box.setCurrentIndex(dock.weights.box.findData("auto"))
    assert not button.isEnabled()
    assert "medad weights fetch vit-l-14-336" in button.toolTip()
    assert notice.text() == button.toolTip()
    dock.choose("hyperintensity")
    assert button.isEnabled()
    assert button.toolTip() == notice.text() == ""


def test_another_clip_that_is_here_is_enough_for_a_detector_without_adapters(
    dock, monkeypatch, tmp_path
) -> None:
    monkeypatch.setenv("MEDAD_WEIGHTS", str(tmp_path))
    dock.choose("anovl")
    assert "vit-b-16-plus-240" in dock.footer.run_button.toolTip()
    dock.form.set_values({"backbone": "pmc-clip"})
    dock.form.changed.emit()
    assert "CLIP pmc-clip" in dock.footer.run_button.toolTip()
    for file in backbone("pmc-clip").files:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        file.path.touch()
    dock.form.changed.emit()
    assert dock.footer.run_button.isEnabled()


def test_a_sentence_longer_than_the_context_is_named_while_it_is_typed(dock, wait_until) -> None:
    wait_until(lambda: not dock.prompts.words.running)
    states, example = dock.prompts.lists["abnormal"], dock.prompts.example
    states.setPlainText("{} with " + "a lesion " * 25)
    assert "tokens, but this CLIP reads 77" in example.text()
    assert "brain with a lesion a lesion" in example.text()
    states.setPlainText("{} with " + "a lesion " * 15)
    assert "35 abnormal sentences" in example.text()
    states.setPlainText("{} with " + "a lesion " * 25)
    dock.form.set_values({"backbone": "biomedclip"})
    dock.form.changed.emit()
    assert "35 abnormal sentences" in example.text()


def test_this_slice_is_the_layers_own(dock, viewer) -> None:
    thick = viewer.add_image(np.ones((12, 8, 8), np.float32), scale=(5, 3, 3), name="thick")
    dock.references.layer_box.setCurrentText("thick")
    viewer.dims.set_point(0, 35)
    dock.references.here_button.click()
    assert dock.references.slices_edit.text() == "7"
    thick.name = "renamed"
    dock.references.add_button.click()
    assert [r.label for r in dock.references.picked] == ["renamed, axial 7"]


def test_a_picked_scan_is_remembered_and_forgotten(dock, viewer, wait_until) -> None:
    dock.form.set_values({"image_size": 56})
    assert not any("normal scans" in note for note in run(dock, viewer, wait_until))
    references = dock.references
    references.layer_box.setCurrentText("patient · t2f")
    references.slices_edit.setText("20-21, 25")
    references.add_button.click()
    assert [r.slices for r in references.picked] == [(20, 21, 25)]
    assert references.list.item(0).text() == "patient · t2f, axial 20-21, 25"
    notes = run(dock, viewer, wait_until)
    assert any("3 slices of normal scans" in note for note in notes)
    record = session_of(viewer).current.record
    assert record.remembered == 3
    with pytest.raises(MedadError, match="compared with 3 slices .* its record does not hold"):
        detect_again(record)
    references.list.setCurrentRow(0)
    references.remove_button.click()
    assert references.picked == []
    assert not any("normal scans" in note for note in run(dock, viewer, wait_until))


@pytest.mark.parametrize(
    ("text", "told"),
    [("x", "'x' names no slices"), ("9-3", "names no slices"), ("9999", "no axial slice 9999")],
)
def test_slices_that_are_not_there(dock, text, told) -> None:
    dock.references.slices_edit.setText(text)
    dock.references.add_button.click()
    assert told in dock.references.notice.text()
    assert dock.references.picked == []


def test_slices_of_another_axis_are_not_compared(dock) -> None:
    dock.references.here_button.click()
    dock.references.add_button.click()
    dock.axis_box.setCurrentText("coronal")
    dock.run()
    assert "names axial slices, but the run is coronal" in dock.footer.notice.text()
    dock.references.clear_button.click()
    assert dock.references.picked == []
