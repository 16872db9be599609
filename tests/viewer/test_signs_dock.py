"""The Signs dock: editing with undo, shots, learning, and results to look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_medad.detectors.sdmad.signs import SignList
from napari_medad.errors import MedadError
from napari_medad.results.detection import Detection
from napari_medad.results.run_record import RunRecord
from napari_medad.training.support import read_support
from napari_medad.viewer.app import show_detection
from napari_medad.viewer.docks.detect import DetectDock
from napari_medad.viewer.docks.findings import CATEGORY, FindingsDock
from napari_medad.viewer.docks.signs import SignsDock
from napari_medad.viewer.layers import add_study
from napari_medad.viewer.session import session_of
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.reader import read_study
from napari_medad.volumes.study import Study

TINY = {"backbone": "tiny", "image_size": 56, "bottleneck": 16, "epochs": 3}


@pytest.fixture
def dock(viewer, small_study: Study) -> SignsDock:
    add_study(viewer, small_study)
    dock = SignsDock(viewer)
    viewer.window.add_dock_widget(dock, name="Signs")
    return dock


def check(dock: SignsDock, *names: str) -> None:
    """Check categories on the Shots page."""
    box = dock.shots.categories
    for row in range(box.count()):
        wanted = box.item(row).text() in names
        box.item(row).setCheckState(Qt.CheckState.Checked if wanted else Qt.CheckState.Unchecked)


def mark(dock: SignsDock, index: int, *names: str) -> None:
    """Show a slice and mark it."""
    viewer = dock.viewer
    viewer.dims.set_current_step(viewer.dims.ndim - 3, index)
    check(dock, *names)
    dock.shots.mark_button.click()


def two_categories(dock: SignsDock) -> None:
    dock.signs.load("brain-metastasis")
    tree = dock.signs.tree
    while tree.topLevelItemCount() > 2:
        tree.setCurrentItem(tree.topLevelItem(2))
        dock.signs.buttons["Remove"].click()


def test_a_shipped_list_is_shown_and_counted(dock) -> None:
    assert dock.signs.value() == SignList.read("brain-fastmri")
    assert dock.signs.notice.text() == "6 categories, 28 signs."
    source = dock.signs.tree.topLevelItem(4).child(0)
    assert source.text(1) == "inph"
    assert "Neurosurgery 2005" in source.toolTip(1)


def test_edits_reach_the_list_and_are_undone_and_redone(dock) -> None:
    signs, tree = dock.signs, dock.signs.tree
    before = signs.value()
    tree.topLevelItem(0).setText(0, "Skull opening")
    tree.setCurrentItem(tree.topLevelItem(0).child(2))
    signs.buttons["Remove"].click()
    signs.buttons["▼"].click()
    tree.setCurrentItem(tree.topLevelItem(0))
    signs.buttons["+ Sign"].click()
    tree.currentItem().setText(0, "missing bone")
    edited = signs.value()
    assert edited.names[0] == "Skull opening"
    assert "burr holes in the skull" not in edited.texts("Skull opening")
    assert edited.texts("Skull opening")[-1] == "missing bone"
    assert dock.shots.names[0] == "Skull opening"
    while signs.buttons["Undo"].isEnabled():
        signs.buttons["Undo"].click()
    assert signs.value() == before
    while signs.buttons["Redo"].isEnabled():
        signs.buttons["Redo"].click()
    assert signs.value() == edited


def test_categories_and_signs_are_moved(dock) -> None:
    signs, tree = dock.signs, dock.signs.tree
    tree.setCurrentItem(tree.topLevelItem(1))
    signs.buttons["▲"].click()
    assert signs.value().names[:2] == ("Posttreatment change", "Craniotomy")
    tree.setCurrentItem(tree.topLevelItem(1).child(0))
    signs.buttons["▼"].click()
    assert signs.value().texts("Craniotomy")[1] == "brain with craniotomy defect"
    assert tree.currentItem().text(0) == "brain with craniotomy defect"


def test_a_new_organ_in_a_few_steps(dock, tmp_path: Path) -> None:
    signs = dock.signs
    signs.begin("liver")
    signs.tree.currentItem().setText(0, "Cyst")
    assert "'Cyst' of the signs in the Signs dock has no signs" in signs.notice.text()
    for text in ("thin-walled fluid", "no enhancement"):
        signs.buttons["+ Sign"].click()
        signs.tree.currentItem().setText(0, text)
    signs.save(tmp_path / "liver.yaml")
    held = SignList.read(tmp_path / "liver.yaml")
    assert (held.organ, held.normal) == ("liver", "a photo of a normal liver")
    assert held.texts("Cyst") == ("thin-walled fluid", "no enhancement")
    signs.load("retina-oct")
    signs.load(tmp_path / "liver.yaml")
    assert signs.value() == held
    assert signs.list_box.currentText() == "liver.yaml"


def test_a_list_that_is_not_complete_is_not_saved(dock, tmp_path: Path) -> None:
    dock.signs.begin("liver")
    with pytest.raises(MedadError, match="has no signs"):
        dock.signs.save(tmp_path / "liver.yaml")
    assert not (tmp_path / "liver.yaml").exists()


def test_slices_are_marked_with_what_they_show(dock) -> None:
    mark(dock, 20, "Craniotomy", "Enlarged ventricles")
    mark(dock, 25)
    mark(dock, 20, "Craniotomy")  # the same slice again
    shown = [(s.index, s.axis, s.categories) for s in dock.shots.shots]
    assert shown == [(25, "axial", ()), (20, "axial", ("Craniotomy",))]
    assert dock.shots.list.count() == 2
    assert not dock.shots.list.item(0).icon().isNull()
    assert "2 shots, 1 of them normal. None yet of Posttreatment" in dock.shots.notice.text()


def test_the_plane_in_view_is_marked_and_gone_to(dock) -> None:
    viewer = dock.viewer
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_current_step(1, 31)
    assert "coronal slice 31 as normal" in dock.shots.mark_button.text()
    dock.shots.mark_button.click()
    assert (dock.shots.shots[0].axis, dock.shots.shots[0].index) == ("coronal", 31)
    viewer.dims.order = (0, 1, 2)
    viewer.dims.set_current_step(1, 5)
    dock.shots.list.itemDoubleClicked.emit(dock.shots.list.item(0))
    assert viewer.dims.order == (1, 0, 2)
    assert viewer.dims.current_step[1] == 31


def test_a_whole_image_is_marked_as_its_only_slice(viewer, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 30, 3), np.uint8)
    viewer.add_image(pixels, name="fundus", rgb=True)
    dock = SignsDock(viewer)
    viewer.window.add_dock_widget(dock, name="Signs")
    dock.signs.load("retina-oct")
    check(dock, "CNV")
    dock.shots.mark_button.click()
    (shot,) = dock.shots.shots
    assert (shot.index, shot.axis, shot.categories) == (0, "axial", ("CNV",))
    assert np.array_equal(shot.pixels(), pixels)


def test_shots_of_a_category_without_signs_are_told_and_not_learned(dock) -> None:
    mark(dock, 20, "Craniotomy")
    dock.signs.load("brain-ms")
    assert "shots of Craniotomy, which has no signs" in dock.shots.notice.text()
    dock.learn()
    assert "Craniotomy, which has no signs" in dock.learning.notice.text()
    assert dock.run.state == "ready"
    dock.signs.undo()
    assert dock.shots.unknown() == ()


def test_shots_are_kept_with_the_study_and_found_there(
    viewer, small_study: Study, tmp_path: Path, wait_until: Callable
) -> None:
    volume = small_study.volume("t2f")
    write_nifti(volume.array, volume, tmp_path / "patient.nii.gz")
    add_study(viewer, read_study(tmp_path / "patient.nii.gz"))
    dock = SignsDock(viewer)
    viewer.window.add_dock_widget(dock, name="Signs")
    mark(dock, 20, "Craniotomy")
    mark(dock, 25)
    kept = dock.shots._beside
    assert kept == tmp_path / "patient_support.csv"
    dock.shots.save(kept)
    assert [s.index for s in read_support(kept)] == [20, 25]
    other = SignsDock(viewer)
    viewer.window.add_dock_widget(other, name="Signs again")
    assert "patient_support.csv" in other.shots.found.text()
    other.shots.found.click()
    wait_until(lambda: len(other.shots.shots) == 2)
    assert other.shots.shots[0].volume is dock.shots.shots[0].volume  # the one that is open


def test_shots_of_no_file_cannot_be_kept(dock, tmp_path: Path) -> None:
    mark(dock, 20)
    with pytest.raises(MedadError, match="made in memory"):
        dock.shots.save(tmp_path / "support.csv")


def test_learning_needs_shots_and_weights(dock) -> None:
    dock.learn()
    assert "No slice is marked yet" in dock.learning.notice.text()
    dock.tabs.setCurrentWidget(dock.learning)
    assert "medad weights fetch vit-l-14-336" in dock.learning.notice.text()


def test_it_learns_in_a_worker_and_the_model_is_used(dock, wait_until: Callable) -> None:
    two_categories(dock)
    first, second = dock.signs.value().names
    mark(dock, 20, first)
    mark(dock, 24, second)
    mark(dock, 30)
    dock.learning.options.set_values(TINY)
    dock.learning.name_edit.setText("two")
    dock.learning.start_button.click()
    wait_until(lambda: dock.run.state == "done", 120)
    assert {"loss", "image-text", "anchor"} <= set(dock.run.rows[0][2])
    assert dock.learning.pages.currentWidget() is dock.learning.view
    detector = session_of(dock.viewer).load("sdmad", "two", "cpu", {})
    assert detector.categories == (first, second)
    assert detector.untrained  # its CLIP is random


@pytest.fixture
def detection(small_study: Study) -> Detection:
    """Two categories in a study, one of them found in slices 10 to 14."""
    anomaly = np.zeros(small_study.volume("t2f").array.shape, np.float32)
    anomaly[10:15, 20:40, 20:40] = 0.9
    depth = anomaly.shape[0]
    scores = {"Cyst": np.linspace(0, 1, depth, dtype=np.float32)}
    scores["Fat"] = 1 - scores["Cyst"]
    scores["Fat"][0] = np.nan
    present = {"Cyst": np.zeros(depth, bool), "Fat": np.zeros(depth, bool)}
    present["Fat"][12] = True
    signs = [
        {"category": "Cyst", "text": "fluid", "kept": True, "own": 0.1, "other": 0.2},
        {"category": "Cyst", "text": "ring", "kept": False, "own": 0.3, "other": 0.2},
        {"category": "Fat", "text": "bright", "kept": True, "own": None, "other": 0.2},
    ]
    similarity = {
        "shots": ["Cyst", "normal"],
        "signs": ["fluid", "ring", "bright", "a normal brain"],
        "before": [[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]],
        "after": [[0.9, 0.8, 0.1, 0.2], [0.1, 0.1, 0.1, 0.9]],
    }
    record = RunRecord(
        detector="sdmad",
        volume="t2f",
        evidence={"signs": signs, "similarity": similarity, "whole_slices": True},
    )
    foreground = anomaly >= 0
    maps = {"anomaly": anomaly}
    return Detection(
        small_study, "sdmad", maps, np.nan_to_num(scores["Fat"]), foreground, 0.5, 0.0, record,
        scores, scores, present,
    )  # fmt: skip


def test_results_are_drawn_and_a_click_goes_to_the_slice(dock, detection) -> None:
    results = dock.results
    assert "No detection with categories yet" in results.title.text()
    show_detection(dock.viewer, detection)
    assert results.plots.names == ("Cyst", "Fat")
    assert results.plots.image.image.shape == (2, len(detection.slice_scores))
    assert list(results.plots.dots.getData()[0]) == [12]
    assert list(results.plots.dots.getData()[1]) == [1]
    assert len(results.plots.curves.listDataItems()) == 2
    results.plots.clicked.emit(7)
    assert dock.viewer.dims.current_step[0] == 7
    assert results.plots.lines[0].value() == 7


def test_kept_and_discarded_signs_show_their_distances(dock, detection) -> None:
    show_detection(dock.viewer, detection)
    tree = dock.results.signs
    assert tree.topLevelItem(0).text(0) == "Cyst: 1 of 2 kept"
    row = tree.topLevelItem(0).child(1)
    assert [row.text(c) for c in range(3)] == ["✗ ring", "0.300", "0.200"]
    assert tree.topLevelItem(1).child(0).text(1) == "–"
    assert tree.topLevelItem(1).text(0) == "Fat: 1 of 1 kept (none lies nearest to its own)"


def test_likeness_before_and_after(dock, detection) -> None:
    show_detection(dock.viewer, detection)
    matrix = dock.results.similarity
    assert matrix.values[0, 0] == 0.9
    matrix.when.setCurrentIndex(1)
    assert matrix.values[1, 3] == 0.8
    assert "0.100 (dark) to 0.800 (light)" in matrix.about.text()


def test_another_detectors_result_leaves_the_categories_shown(dock, detection) -> None:
    show_detection(dock.viewer, detection)
    plain = replace(
        detection,
        detector="hyperintensity",
        category_scores={},
        category_present={},
        record=RunRecord(detector="hyperintensity", volume="t2f"),
    )
    show_detection(dock.viewer, plain)
    assert dock.results.plots.names == ("Cyst", "Fat")
    assert dock.results.tabs.isVisibleTo(dock.results)


def test_the_findings_table_has_the_category(dock, detection) -> None:
    findings = FindingsDock(dock.viewer)
    dock.viewer.window.add_dock_widget(findings, name="Findings")
    show_detection(dock.viewer, detection)
    assert not findings.table.isColumnHidden(CATEGORY)
    assert findings.table.item(0, CATEGORY).text() == "Fat"
    layer = dock.viewer.layers["patient · sdmad · anomaly"]
    assert not layer.visible  # scores of whole slices would cover them


def test_category_maps_get_layers_of_their_own(dock, detection) -> None:
    half = detection.maps["anomaly"] / 2
    maps = {**detection.maps, "category:Cyst": half, "category:Fat": half / 2}
    show_detection(dock.viewer, replace(detection, maps=maps))
    layer = dock.viewer.layers["patient · sdmad · category:Cyst"]
    assert not layer.visible
    assert np.array_equal(layer.data, half)


def test_a_pixel_level_model_shows_a_map_for_each_category(dock, wait_until: Callable) -> None:
    two_categories(dock)
    first, second = dock.signs.value().names
    for index, names in ((20, (first,)), (24, (second,)), (30, ())):
        mark(dock, index, *names)
    dock.learning.options.set_values({**TINY, "level": "pixel", "bank_patches": 32})
    dock.learning.name_edit.setText("where")
    dock.learning.start_button.click()
    wait_until(lambda: dock.run.state == "done", 120)
    detect = DetectDock(dock.viewer, confirm=lambda _: True)
    dock.viewer.window.add_dock_widget(detect, name="Detect")
    detect.choose("sdmad", "where")
    detect.run()
    session = session_of(dock.viewer)
    wait_until(lambda: session.current is not None and not detect.work.running, 60)
    wait_until(lambda: f"patient · UNTRAINED · sdmad · category:{second}" in names_of(dock), 10)
    shown = dock.viewer.layers[f"patient · UNTRAINED · sdmad · category:{first}"]
    assert np.array_equal(shown.data, session.current.maps[f"category:{first}"])
    anomaly = dock.viewer.layers["patient · UNTRAINED · sdmad · anomaly"]
    assert anomaly.visible


def names_of(dock: SignsDock) -> list[str]:
    return [layer.name for layer in dock.viewer.layers]
