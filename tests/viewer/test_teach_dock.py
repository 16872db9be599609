"""The Teach dock: from a correction to a new model, compared, and one click back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from napari_medad.corrections.correction import Correction
from napari_medad.corrections.files import save_correction
from napari_medad.corrections.verdicts import accept
from napari_medad.detectors.registry import load_detector
from napari_medad.inference.run import detect
from napari_medad.results.detection import Detection
from napari_medad.viewer.docks.detect import DetectDock
from napari_medad.viewer.docks.teach import TeachDock
from napari_medad.viewer.session import session_of
from napari_medad.viewer.training_run import Order
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.reader import read_study
from napari_medad.volumes.study import Study
from napari_medad.weights.installed import installed_weights

QUICK = {"epochs": 1, "rehearsal": 2, "slices_per_volume": 6, "batch_size": 8}


@pytest.fixture
def dock(viewer) -> TeachDock:
    dock = TeachDock(viewer)
    viewer.window.add_dock_widget(dock, name="Teach")
    return dock


@pytest.fixture
def detection(small_study: Study, tmp_path: Path) -> Detection:
    """Of a scan on disk."""
    volume = small_study.volume("t2f")
    write_nifti(volume.array, volume, tmp_path / "patient_t2f.nii.gz")
    detector = load_detector("moe", weights="starter", device="cpu")
    return detect(read_study(tmp_path / "patient_t2f.nii.gz"), detector)


def test_without_a_correction_it_says_what_to_do(dock) -> None:
    dock.page.start_button.click()
    assert "There is no corrected scan to learn from" in dock.page.notice.text()
    assert not dock.changes.isVisibleTo(dock)


def test_the_lesson_of_a_saved_correction_is_compared_and_taken_back(
    dock, viewer, detection, tmp_path: Path, wait_until: Callable
) -> None:
    correction = Correction.of(detection)
    correction.apply(accept(correction, correction.ids[:1]))
    save_correction(correction, tmp_path / "corrected")
    dock.lessons.add(tmp_path / "corrected")
    wait_until(lambda: dock.lessons.list.count() == 1, 20)
    dock.detector_box.setCurrentIndex(dock.detector_box.findData("moe"))
    assert dock.page.options.values()["rehearsal"] == 3
    dock.page.options.set_values({**dock.page.options.values(), **QUICK})
    dock.page.start_button.click()
    wait_until(lambda: not dock.run.active, 120)
    assert dock.run.state == "done", dock.run.messages
    assert list(installed_weights("moe")) == ["my-moe", "starter"]
    wait_until(lambda: not dock.work.running and dock.changes.rowCount() > 0, 120)
    names = [dock.changes.item(row, 0).text() for row in range(dock.changes.rowCount())]
    assert names == ["patient_t2f", "synthetic 1 (not taught)", "synthetic 2 (not taught)"]
    assert "→" in dock.changes.item(0, 1).text()
    detecting = viewer.window.add_plugin_dock_widget("napari-medad", "Detect")[1]
    assert isinstance(detecting, DetectDock)
    dock.new_button.click()
    assert detecting.weights.name == "my-moe"
    dock.old_button.click()
    assert detecting.weights.name == "starter"


def test_what_is_being_corrected_is_offered(dock, viewer, detection) -> None:
    session = session_of(viewer)
    session.add(detection)
    correction = Correction.of(detection)
    session.begin(correction)
    assert dock.lessons.list.item(0).text() == "patient_t2f · moe (being corrected)"
    (example,) = dock.lessons.examples()
    assert example.mask.any()
    session.end(correction)
    assert dock.lessons.list.count() == 0


def test_a_training_of_another_dock_is_not_taken_for_a_lesson(dock, tmp_path: Path) -> None:
    dock.run.order, dock.run.state = Order("moe", "synthetic", tmp_path / "else"), "done"
    dock.detector_box.setCurrentIndex(dock.detector_box.findData("moe"))
    dock.run.changed.emit()
    dock.run.finished.emit()
    assert not dock.work.running
    assert dock.new == ""
    assert dock.page.pages.currentWidget() is dock.page.form
