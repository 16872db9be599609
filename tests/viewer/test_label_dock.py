"""The Label dock: slices labelled, a teacher taught, masks painted, rasalore trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_medad.training.slice_labelling import SliceLabelling
from napari_medad.viewer.docks.detect import DetectDock
from napari_medad.viewer.docks.label import LabelDock
from napari_medad.viewer.layers import add_study
from napari_medad.viewer.parts.weak_masks import FILE
from napari_medad.volumes.reader import read_volume
from napari_medad.volumes.study import Study
from napari_medad.weights.installed import installed_weights, weights_home

TEACHER = {"epochs": 1, "size": 64, "batch_size": 8}
NETWORK = {
    "epochs": 1,
    "width": 2,
    "side": 8,
    "per_case": 2,
    "batch_size": 2,
    "objective": "exact",
    "optimiser_kind": "adamw",
    "learning_rate": 1e-4,
}


@pytest.fixture
def dock(viewer, small_study: Study) -> LabelDock:
    add_study(viewer, small_study)
    dock = LabelDock(viewer)
    viewer.window.add_dock_widget(dock, name="Label")
    return dock


def give(dock: LabelDock, labels: dict[int, int | None]) -> None:
    for index, label in labels.items():
        dock.slices.go_to(index)
        dock.slices.give(label)


def test_labels_are_kept_shown_and_found_again(dock, viewer) -> None:
    give(dock, {10: 0, 14: 0, 22: 1})
    assert viewer.dims.current_step[0] == 23  # went on
    assert dock.slices.labels() == {10: 0, 14: 0, 22: 1}
    dock.slices.fill_button.click()
    assert dock.slices.labels() == {10: 0, 11: 0, 12: 0, 13: 0, 14: 0, 22: 1}
    give(dock, {12: None})
    assert "axial slice 12: <b>not labelled" in dock.slices.where.text()
    assert dock.slices.notice.text().startswith("4 normal and 1 abnormal slices")
    name = dock.home.name
    other = LabelDock(viewer)
    assert other.home.name == name
    assert other.slices.labels() == dock.slices.labels()
    other.open("another")
    assert other.slices.labels() == {}
    other.deleteLater()


def test_keys_label_and_only_axial_slices_have_labels(dock, viewer) -> None:
    dock.slices.go_to(9)
    keys = {str(key): action for key, action in viewer.keymap.items()}
    keys["Alt+1"](viewer)
    assert dock.slices.labels() == {9: 1}
    viewer.dims.order = (1, 0, 2)
    keys["Alt+0"](viewer)
    assert dock.slices.labels() == {9: 1}
    assert "Labels are of axial slices" in dock.slices.notice.text()


def test_labels_of_a_file_are_taken_for_open_volumes(dock, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("image,slice,label\npatient_t2f.nii.gz,8,1\nelsewhere.nii.gz,1,0\n")
    dock.slices.open_labels(file)
    assert dock.slices.labels() == {8: 1}
    assert "1 labels were taken" in dock.slices.notice.text()
    assert "1 rows are of images that are not open here" in dock.slices.notice.text()


def test_a_click_on_the_strip_goes_to_the_slice(dock, viewer) -> None:
    dock.slices.strip.clicked.emit(17)
    assert viewer.dims.current_step[0] == 17
    assert "axial slice 17" in dock.slices.where.text()


def test_every_page_says_what_it_waits_for(dock) -> None:
    dock.tabs.setCurrentWidget(dock.teaching)
    assert "CLIP vit-b-32" in dock.teaching.notice.text()
    dock.teaching.start_button.click()
    assert dock.teaching.notice.text() == "Label normal and abnormal slices first."
    dock.tabs.setCurrentWidget(dock.masks)
    assert "No slice is labelled yet" in dock.masks.footer.notice.text()
    assert not dock.masks.footer.run_button.isEnabled()
    dock.tabs.setCurrentWidget(dock.network)
    dock.network.start_button.click()
    assert "No slice is labelled yet" in dock.network.notice.text()


def test_from_labels_to_a_detection(dock, viewer, wait_until: Callable, small_study: Study) -> None:
    give(dock, {8: 0, 12: 0, 22: 1, 30: 1})
    dock.slices.fill_button.click()
    dock.tabs.setCurrentWidget(dock.teaching)
    dock.teacher_box.setCurrentIndex(dock.teacher_box.findData("gradcam"))
    dock.teaching.options.set_values({**dock.teaching.options.values(), **TEACHER})
    dock.teaching.start_button.click()
    wait_until(lambda: not dock.saving.running and dock.run.state in ("done", "failed"), 120)
    assert dock.run.state == "done", dock.run.messages
    dock.tabs.setCurrentWidget(dock.masks)
    dock.masks.footer.run_button.click()
    wait_until(lambda: not dock.masks.work.running, 60)
    (path,) = dock.steps().masks("weak")
    shown = small_study.volume("t2f")
    assert read_volume(path).grid.same_as(shown.grid)
    count = len(viewer.layers)
    dock.masks.open(0)
    wait_until(lambda: any(FILE in la.metadata for la in viewer.layers))
    (layer,) = [la for la in viewer.layers if FILE in la.metadata]
    assert len(viewer.layers) == count + 1  # the image was open already
    layer.data[25, 30:34, 30:34] = 1
    layer.data[26] = 0
    dock.masks.keep()
    wait_until(lambda: "Kept" in dock.masks.footer.notice.text())
    assert read_volume(path).array[25, 30:34, 30:34].all()
    layer.data[24, 30:34, 30:34] = 1
    dock.tabs.setCurrentWidget(dock.network)
    dock.network.options.set_values({**dock.network.options.values(), **NETWORK})
    dock.network.start_button.click()
    wait_until(lambda: dock.network.own and dock.run.state in ("done", "failed"), 120)
    assert dock.run.state == "done", dock.run.messages
    kept = read_volume(path).array
    assert kept[24:26, 30:34, 30:34].all()
    assert not kept[26].any()
    assert dock.home == weights_home() / "rasalore" / dock.home.name
    assert dock.home.name in installed_weights("rasalore")
    dock.use()
    detecting = viewer.window.dock_widgets["Detect (napari-medad)"]
    assert isinstance(detecting, DetectDock)
    assert detecting.weights.name == dock.home.name


def test_damaged_labels_are_told(dock, tmp_path: Path) -> None:
    home = weights_home() / "rasalore" / "old"
    home.mkdir(parents=True)
    (home / "slices.csv").write_text("image,slice,label\na.nii.gz,x,1\n")
    dock.open("old")
    assert "Line 2 of" in dock.slices.notice.text()
    give(dock, {5: 1})
    assert SliceLabelling(dock.home).counts() == (0, 1)
    assert np.array_equal(list(dock.slices.labels()), [5])
