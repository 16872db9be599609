"""The Correct dock's tools, from napari's brush to the table, each undone again."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_medad.corrections.correction import Correction
from napari_medad.corrections.provenance import Provenance
from napari_medad.viewer.correction_layers import _changed
from napari_medad.viewer.docks.correct import CorrectDock
from napari_medad.viewer.parts.corrected_table import COLUMNS
from napari_medad.viewer.session import session_of


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


def test_a_converted_layer_stays_the_corrections(begun: CorrectDock) -> None:
    mask = begun.editing.layers.mask
    mask.data = mask.data.astype(np.int32)  # as the layer's menu does
    assert mask.data is begun.correction.labels
    brush(begun, free_place(begun), label=9)
    assert 9 in begun.correction.ids


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


def test_names_and_numbers_are_typed_into_the_table(begun: CorrectDock) -> None:
    table = begun.form.table
    volume = begun.correction.finding(1).volume_ml
    table.item(0, list(COLUMNS).index("Category")).setText("glioma")
    assert begun.correction.finding(1).category == "glioma"
    table.item(0, 0).setData(Qt.ItemDataRole.DisplayRole, 3)
    assert begun.correction.finding(3).volume_ml == volume
    assert begun.correction.finding(3).category == "glioma"
    assert begun.correction.history.done[-1].what == "renumber 1 to 3"
    table.item(0, 0).setData(Qt.ItemDataRole.DisplayRole, 0)
    assert "cannot be 0" in begun.form.notice.text()
    assert table.item(0, 0).data(Qt.ItemDataRole.DisplayRole) == 1
    assert not table.item(0, 1).flags() & Qt.ItemFlag.ItemIsEditable


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


def test_both_kinds_of_naparis_history_are_read() -> None:
    """Up to napari 0.8 a stroke came as indices; from 0.9 on as boxes with masks."""
    places = (np.array([0, 1]), np.array([2, 0]), np.array([1, 1]))
    where, before = _changed((places, np.array([3, 4]), 7), (2, 3, 2))
    assert where.tolist() == [5, 7]
    assert before.tolist() == [3, 4]
