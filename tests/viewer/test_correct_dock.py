"""The Correct dock, from the first stroke to the file, and after a crash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from napari_medad.corrections import verdicts
from napari_medad.corrections.correction import Correction
from napari_medad.corrections.files import save_recovery
from napari_medad.corrections.provenance import Provenance
from napari_medad.inference.run import detect
from napari_medad.results.detection import Detection
from napari_medad.viewer.app import show_detection
from napari_medad.viewer.correction_layers import _changed
from napari_medad.viewer.docks.correct import CorrectDock
from napari_medad.viewer.docks.findings import FindingsDock
from napari_medad.viewer.layers import add_study
from napari_medad.viewer.recovery import recovery_path
from napari_medad.viewer.session import session_of
from napari_medad.volumes.reader import read_study
from napari_medad.volumes.study import Study


@pytest.fixture(autouse=True)
def _own_recovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDAD_RECOVERY", str(tmp_path / "recovery"))


@pytest.fixture(scope="module")
def detection(small_study: Study) -> Detection:
    """Some findings of the baseline."""
    return detect(small_study, "hyperintensity", threshold="quantile:0.9", minimum_ml=0.2)


@pytest.fixture
def dock(viewer, small_study: Study, detection: Detection) -> CorrectDock:
    """The dock on a viewer that shows a detection."""
    add_study(viewer, small_study)
    show_detection(viewer, detection)
    dock = CorrectDock(viewer, confirm=lambda _: True)
    viewer.window.add_dock_widget(dock, name="Correct")
    return dock


@pytest.fixture
def begun(dock: CorrectDock, wait_until: Callable) -> CorrectDock:
    """The dock with a correction begun."""
    dock.begin()
    wait_until(lambda: dock.correction is not None and not dock.editing.work.running)
    return dock


def brush(dock: CorrectDock, *places: tuple[int, int, int], label: int | None = None) -> None:
    """A stroke of napari's brush, as its mouse callback makes it."""
    mask = dock.editing.layers.mask
    with mask.block_history():
        for place in places:
            mask.paint(place, mask.selected_label if label is None else label)


def free_place(dock: CorrectDock) -> tuple[int, int, int]:
    """A place with nothing round it."""
    shape = dock.correction.labels.shape
    return next(
        (z, y, x)
        for z in range(4, shape[0] - 4)
        for y in range(5, shape[1] - 5, 5)
        for x in range(5, shape[2] - 5, 5)
        if not dock.correction.labels[z - 4 : z + 5, y - 5 : y + 6, x - 5 : x + 6].any()
    )


def test_without_a_detection_it_says_what_to_do(viewer) -> None:
    dock = CorrectDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert "run a detector" in dock.start.about.text()
    assert dock.start.start_button.isHidden()
    assert dock.form.body.isHidden()


def test_it_begins_with_the_detections_findings(begun: CorrectDock, detection: Detection) -> None:
    assert begun.form.table.rowCount() == len(detection.findings)
    assert begun.form.table.ids == [1]
    assert f"{len(detection.findings)} to look at" in begun.form.title.text()
    assert begun.editing.layers.mask.data is begun.correction.labels
    assert begun.editing.layers.mask.selected_label == 1
    assert begun.start.isHidden()
    assert not begun.form.buttons["undo"].isEnabled()


def test_naparis_brush_is_a_step_of_the_correction(begun: CorrectDock) -> None:
    correction, (z, y, x) = begun.correction, free_place(begun)
    before = correction.labels.copy()
    begun.editing.new_finding()
    assert begun.form.drawing.tool == "brush"
    begun.form.drawing.size_box.setValue(9.0)  # three voxels of 3 mm
    brush(begun, (z, y, x), (z, y, x + 1))
    number = begun.editing.layers.mask.selected_label
    found = np.argwhere(correction.labels != before)
    assert len(found) == 3 * 4  # two discs of 3 x 3 voxels, one further along x
    assert len(found) == np.count_nonzero(correction.provenance == Provenance.DRAWN)
    assert set(found[:, 0]) == {z}
    assert len(correction.history.done) == 1
    assert correction.history.done[0].where.size == len(found)
    assert correction.finding(number).state == "drawn"
    assert number in begun.form.table.known
    assert begun.form.buttons["undo"].toolTip() == "Undo: paint"
    begun.viewer.dims.set_current_step(0, 0)  # on another slice
    begun.editing.layers.mask.undo()
    np.testing.assert_array_equal(correction.labels, before)
    assert number not in begun.form.table.known
    begun.form.buttons["redo"].click()
    assert len(np.argwhere(correction.labels != before)) == len(found)


def test_the_brush_is_sized_in_millimetres(begun: CorrectDock) -> None:
    layers = begun.editing.layers
    begun.form.drawing.size_box.setValue(15.0)
    assert layers.mask.brush_size == 5
    assert layers.brush_mm == pytest.approx(15.0)
    layers.mask.brush_size = 7  # with the keys [ and ]
    assert begun.form.drawing.size_box.value() == pytest.approx(21.0)
    begun.form.drawing.depth_box.setCurrentIndex(1)
    assert layers.mask.n_edit_dimensions == 3


def test_the_eraser_leaves_normal_tissue(begun: CorrectDock) -> None:
    begun.editing.take("eraser")
    place = begun.correction.findings[0].peak_zyx
    brush(begun, place, label=0)
    assert begun.correction.provenance[place] == Provenance.REMOVED
    assert begun.correction.history.done[-1].what == "erase"


def test_accept_and_reject_go_on_to_the_next(begun: CorrectDock) -> None:
    session = session_of(begun.viewer)
    begun.form.buttons["accept"].click()
    assert begun.correction.finding(1).state == "confirmed"
    assert session.selected == 2
    assert begun.form.table.ids == [2]
    begun.form.buttons["reject"].click()
    assert 2 not in begun.correction.ids
    assert session.selected == 3
    begun.editing.undo()
    assert begun.correction.finding(2).state == "detected"


def test_merge_name_and_split_from_the_table(begun: CorrectDock, wait_until: Callable) -> None:
    begun.form.table.choose([1, 2])
    begun.form.buttons["merge"].click()
    assert 2 not in begun.form.table.known
    begun.form.table.choose([1])
    begun.form.category_box.setEditText("oedema")
    begun.form.buttons["name"].click()
    assert begun.correction.finding(1).category == "oedema"
    assert begun.form.table.ids == [1]
    count = len(begun.correction.ids)
    begun.form.buttons["parts"].click()
    wait_until(lambda: not begun.editing.work.running)
    assert len(begun.correction.ids) > count
    begun.form.table.choose([])
    begun.form.buttons["merge"].click()
    assert "two findings or more" in begun.form.notice.text()


def test_shapes_change_in_a_thread(begun: CorrectDock, wait_until: Callable) -> None:
    before = begun.correction.finding(1).volume_ml
    begun.form.shapes.box.setValue(3.0)
    begun.form.shapes.buttons["grow"].click()
    wait_until(lambda: not begun.editing.work.running)
    assert begun.correction.finding(1).volume_ml > before
    begun.form.table.choose([])
    begun.form.shapes.buttons["grow"].click()
    assert "Choose a finding" in begun.form.notice.text()
    assert not begun.editing.work.running


def test_between_two_painted_slices(begun: CorrectDock, wait_until: Callable) -> None:
    z, y, x = free_place(begun)
    begun.editing.new_finding()
    number = begun.editing.layers.mask.selected_label
    begun.form.drawing.size_box.setValue(9.0)
    brush(begun, (z, y, x))
    brush(begun, (z + 3, y, x))
    begun.form.table.choose([number])
    begun.form.shapes.buttons["between"].click()
    wait_until(lambda: not begun.editing.work.running)
    assert (begun.correction.labels[z : z + 4, y, x] == number).all()


def test_the_wand_floods_where_it_is_clicked(begun: CorrectDock, wait_until: Callable) -> None:
    begun.editing.take("wand")
    begun.form.drawing.tolerance.setValue(40)
    begun.editing.new_finding()
    number = begun.editing.layers.mask.selected_label
    begun.editing.layers.clicked(np.array(free_place(begun), float))
    wait_until(lambda: not begun.editing.work.running)
    assert number in begun.correction.ids
    assert begun.correction.history.done[-1].what == "wand"


def test_medsam_without_weights_says_what_it_needs(begun: CorrectDock) -> None:
    button = begun.form.drawing.buttons["box"]
    assert not button.isEnabled()
    assert "needs weights" in button.toolTip()
    assert "medad weights" in button.toolTip()


def test_medsam_answers_a_box(begun: CorrectDock, wait_until: Callable) -> None:
    """With a small random network: the answer lies in the slice, and can be undone."""
    from napari_medad.backbones.medsam.sam import Sam, load_sam

    class Sees(Sam):
        def ask(self, box=None, points=None):
            seen = np.zeros(self._shape)
            seen[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] = 1
            return seen

    pytest.importorskip("transformers")
    begun.editing.medsam._sam = Sees(load_sam(None))
    begun.editing.new_finding()
    z, y, x = free_place(begun)
    begun.viewer.dims.set_current_step(0, z)
    begun.editing.ask_medsam(np.array([[z, y - 2, x - 1], [z, y + 2, x + 1]], float))
    wait_until(lambda: not begun.editing.work.running)
    number = begun.editing.layers.mask.selected_label
    found = np.argwhere(begun.correction.labels == number)
    assert len(found) == 4 * 2
    assert set(found[:, 0]) == {z}


def test_provenance_on_demand(begun: CorrectDock) -> None:
    begun.form.provenance_box.setChecked(True)
    layer = begun.viewer.layers["patient · hyperintensity · provenance"]
    assert layer.data is begun.correction.provenance
    assert not begun.form.legend.isHidden()
    begun.form.provenance_box.setChecked(False)
    assert not layer.visible


def test_the_chosen_finding_is_measured(begun: CorrectDock, wait_until: Callable) -> None:
    wait_until(lambda: begun.form.measured.text() != "")
    assert begun.form.measured.text().startswith("Finding 1: ")
    begun.form.diameters_box.setChecked(True)
    wait_until(lambda: begun.editing.layers.diameters is not None)
    lines = begun.editing.layers.diameters.data[:, 1] * begun.correction.volume.spacing
    told = f"{np.linalg.norm(lines[0]):.1f} × {np.linalg.norm(lines[1]):.1f} mm"
    assert told in begun.form.measured.text()
    begun.form.table.choose([1, 2])
    begun.editing._measure()
    wait_until(lambda: "Between findings 1 and 2" in begun.form.measured.text())
    assert not begun.editing.layers.diameters.visible


def test_a_new_threshold_is_one_step(begun: CorrectDock, wait_until: Callable) -> None:
    session = session_of(begun.viewer)
    before = begun.correction.labels.copy()
    begun.form.buttons["accept"].click()
    kept = begun.correction.finding(1).volume_ml
    session.nudge(1)
    wait_until(lambda: not begun.editing.work.running)
    assert begun.correction.history.done[-1].what.startswith("threshold")
    assert (begun.correction.labels > 0).sum() < (before > 0).sum()
    assert begun.correction.finding(1).volume_ml == kept


def test_every_step_has_a_key(begun: CorrectDock) -> None:
    keys = {str(key) for key in begun.viewer.keymap}
    listed = [s for s in begun.editing.shortcuts() if s.act is not None]
    for shortcut in listed:
        assert shortcut.key.replace("-", "+").replace("Control", "Ctrl") in keys
    about = {s.about for s in begun.editing.shortcuts()}
    assert about >= {"Next finding", "Previous finding", "Accept", "Reject", "Brush", "Undo"}
    assert about >= {"Threshold up", "Threshold down"}


def test_save_and_open_again(
    begun: CorrectDock, wait_until: Callable, tmp_path: Path, detection: Detection
) -> None:
    begun.form.buttons["reject"].click()
    kept = begun.correction.labels.copy()
    begun.save(tmp_path / "out")
    wait_until(lambda: "files written" in begun.form.notice.text())
    begun.confirm = lambda _: pytest.fail("it was saved, so there is nothing to ask")
    begun.done()
    assert begun.correction is None
    assert not any("corrected" in layer.name for layer in begun.viewer.layers)
    begun.open(tmp_path / "out")
    wait_until(lambda: begun.correction is not None)
    np.testing.assert_array_equal(begun.correction.labels, kept)


def test_it_saves_itself_and_recovers(
    begun: CorrectDock, wait_until: Callable, detection: Detection, monkeypatch
) -> None:
    monkeypatch.setattr("napari_medad.viewer.recovery.EVERY_S", 0.0)
    begun.form.buttons["reject"].click()
    kept = begun.correction.labels.copy()
    wait_until(lambda: "autosaved" in begun.form.autosaved.text())
    assert recovery_path(detection).is_file()
    asked: list[str] = []
    begun.confirm = lambda question: bool(asked.append(question)) or True
    begun.done()
    assert "not saved" in asked[0]
    assert "was not saved" in begun.start.found.text()
    assert not begun.start.found.isHidden()
    begun.recover()
    wait_until(lambda: begun.correction is not None)
    np.testing.assert_array_equal(begun.correction.labels, kept)


def test_a_recovery_of_another_scan_is_refused(
    dock: CorrectDock, wait_until: Callable, detection: Detection
) -> None:
    path = recovery_path(detection)
    other = Correction.of(detection)
    other.apply(verdicts.reject(other, [1]))
    save_recovery(other, path)
    held = dict(np.load(path))
    held["log"] = np.array(str(held["log"]).replace('"case":"patient"', '"case":"somebody"'))
    np.savez(path, **held)
    dock.recover()
    wait_until(lambda: dock.form.notice.text() != "" and not dock.editing.work.running)
    assert "corrects hyperintensity on somebody" in dock.form.notice.text()
    assert dock.correction is None
    dock.forget()
    assert not path.exists()


def test_a_second_run_ends_the_correction_of_the_first(begun: CorrectDock) -> None:
    begun.form.provenance_box.setChecked(True)
    begun.form.buttons["reject"].click()
    session_of(begun.viewer).layers_of_current.remove_existing()
    assert begun.correction is None
    assert not any("hyperintensity" in layer.name for layer in begun.viewer.layers)
    assert not begun.start.found.isHidden()


def test_a_click_is_no_drag(begun: CorrectDock) -> None:
    layers, heard = begun.editing.layers, []
    layers.clicked = heard.append
    scale, place = np.array(layers.mask.scale), np.array([5.0, 6.0, 7.0])

    def event(kind: str, offset: float) -> SimpleNamespace:
        world = np.array(layers.mask.data_to_world(place + offset))
        return SimpleNamespace(type=kind, position=tuple(world))

    def press(*offsets: float) -> None:
        happens = event("mouse_press", 0)
        steps = layers._on_press(layers.mask, happens)
        next(steps)
        for offset in offsets:
            happens.type, happens.position = "mouse_move", event("", offset).position
            if next(steps, "over") == "over":
                return
        happens.type = "mouse_release"
        assert next(steps, "over") == "over"

    press()
    press(0.2)
    press(0.2, 3.0)
    assert len(heard) == 2
    assert scale.min() == 3
    np.testing.assert_allclose(heard[0], place, atol=1e-6)


def test_a_box_is_drawn_on_a_layer_of_its_own(begun: CorrectDock) -> None:
    medsam, heard = begun.editing.medsam, []
    medsam.prompted = heard.append
    medsam.draw_box(begun.correction)
    assert begun.viewer.layers.selection.active is medsam.layer
    assert medsam.layer.mode == "add_rectangle"
    corners = np.array([[5, 10, 10], [5, 10, 14], [5, 20, 14], [5, 20, 10]], float)
    medsam.layer.add_rectangles(corners)
    medsam._take_box()
    np.testing.assert_allclose(heard[0], corners)
    assert len(medsam.layer.data) == 0
    layer = medsam.layer
    begun.editing.take("move")
    assert layer not in begun.viewer.layers


def test_cancel_changes_nothing(begun: CorrectDock, wait_until: Callable) -> None:
    before = begun.correction.revision

    def forever(correction: Correction, report: Callable[[int, int], None]) -> None:
        while True:
            report(0, 2)

    begun.editing.make_later("Working …", forever)
    assert not begun.form.buttons["cancel"].isHidden()
    begun.form.buttons["cancel"].click()
    wait_until(lambda: not begun.editing.work.running, 1)
    assert begun.form.notice.text() == "Cancelled."
    assert begun.correction.revision == before
    assert begun.form.buttons["cancel"].isHidden()


def test_a_moved_study_is_told(viewer, tmp_path: Path, wait_until: Callable) -> None:
    source = tmp_path / "case.nii.gz"
    scan = np.zeros((16, 16, 16), np.float32)
    scan[2:14, 2:14, 2:14] = np.random.default_rng(0).random((12, 12, 12)) + 1
    nib.Nifti1Image(scan, np.eye(4)).to_filename(source)
    study = read_study(source)
    add_study(viewer, study)
    show_detection(viewer, detect(study, "hyperintensity"))
    dock = CorrectDock(viewer)
    viewer.window.add_dock_widget(dock)
    source.rename(tmp_path / "elsewhere.nii.gz")
    dock.start.start_button.click()
    wait_until(lambda: dock.form.notice.text() != "" and not dock.editing.work.running)
    assert "case.nii.gz is no longer where the scan was read from" in dock.form.notice.text()
    assert dock.correction is None


def test_an_autosave_that_fails_is_told(
    begun: CorrectDock, wait_until: Callable, monkeypatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    begun.form.buttons["reject"].click()
    begun.recovery.save()
    wait_until(
        lambda: "No space left" in begun.form.notice.text() and not begun.recovery.work.running
    )
    begun.done()  # the last try to save fails too, and the dock ends all the same
    assert begun.correction is None
    assert "No space left" in begun.form.notice.text()
    assert begun.start.found.isHidden()


def test_removing_the_layer_ends_the_correction(begun: CorrectDock, detection: Detection) -> None:
    begun.form.buttons["reject"].click()
    begun.viewer.layers.remove(begun.editing.layers.mask)
    assert begun.correction is None
    assert session_of(begun.viewer).correction is None
    assert recovery_path(detection).is_file()


def test_the_findings_dock_follows_the_keys(begun: CorrectDock) -> None:
    findings = FindingsDock(begun.viewer)
    begun.viewer.window.add_dock_widget(findings)
    session = session_of(begun.viewer)
    begun.form.table.choose([1])
    begun.form.buttons["reject"].click()
    assert session.selected == 2
    session.step(-1)
    assert session.selected == max(begun.correction.ids)


def test_the_session_knows_the_correction(begun: CorrectDock) -> None:
    session = session_of(begun.viewer)
    assert session.correction is begun.correction
    assert [f.id for f in session.findings] == begun.correction.ids


def test_both_kinds_of_naparis_history_are_read() -> None:
    """Up to napari 0.8 a stroke came as indices; from 0.9 on as boxes with masks."""
    places = (np.array([0, 1]), np.array([2, 0]), np.array([1, 1]))
    where, before = _changed((places, np.array([3, 4]), 7), (2, 3, 2))
    assert where.tolist() == [5, 7]
    assert before.tolist() == [3, 4]
