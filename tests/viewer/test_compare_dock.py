"""The Compare dock: two detections of one scan, the layers shown, and a consensus."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_medad.inference.run import detect
from napari_medad.results.detection import Detection
from napari_medad.results.findings import middle_of
from napari_medad.viewer.app import show_detection
from napari_medad.viewer.canvas import camera_of, grid_of
from napari_medad.viewer.comparing import BESIDE, DIFFERENCE, FIRST, SECOND, VIEWS
from napari_medad.viewer.docks.compare import TOO_FEW, CompareDock
from napari_medad.viewer.layers import add_study
from napari_medad.viewer.session import session_of
from napari_medad.volumes.study import Study


@pytest.fixture
def both(small_study: Study, detection: Detection) -> tuple[Detection, Detection]:
    """The baseline, and a second one that also finds a corner of the brain, and not all else."""
    second = detect(small_study, "hyperintensity", threshold="quantile:0.97", minimum_ml=0.2)
    scores = second.maps["anomaly"].copy()
    z, y, x = np.argwhere(second.foreground & (detection.mask == 0))[-400]
    scores[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = scores.max()
    other = Detection(
        second.study,
        "brighter",
        {"anomaly": scores},
        second.slice_scores,
        second.foreground,
        second.threshold,
        0.2,
        second.record.model_copy(update={"detector": "brighter"}),
    )
    return detection, other


@pytest.fixture
def dock(viewer, small_study: Study) -> CompareDock:
    """With a scan open."""
    add_study(viewer, small_study)
    dock = CompareDock(viewer)
    viewer.window.add_dock_widget(dock, name="Compare")
    return dock


@pytest.fixture
def compared(
    dock: CompareDock, viewer, both: tuple[Detection, Detection], wait_until: Callable
) -> CompareDock:
    """After a comparison."""
    for detection in both:
        show_detection(viewer, detection)
    dock.run()
    wait_until(lambda: dock.compared is not None and not dock.work.running)
    return dock


def _shown(viewer) -> set[str]:
    return {layer.name.split(" · ", 1)[1] for layer in viewer.layers if layer.visible}


def test_it_says_what_is_missing(dock: CompareDock, viewer, detection: Detection) -> None:
    assert dock.footer.reason == TOO_FEW
    assert not dock.footer.run_button.isEnabled()
    show_detection(viewer, detection)
    assert dock.footer.reason == TOO_FEW


def test_the_same_one_twice_cannot_be_compared(compared: CompareDock) -> None:
    compared.second_box.setCurrentIndex(0)
    assert compared.footer.reason == "Choose two detections that differ."
    assert compared.compared is None


def test_figures_and_what_only_one_has(
    compared: CompareDock, both: tuple[Detection, Detection]
) -> None:
    counts = [compared.figures.item(0, column).text() for column in (1, 2)]
    assert counts == [str(len(d.findings)) for d in both]
    overlap = np.count_nonzero((both[0].mask > 0) & (both[1].mask > 0))
    total = np.count_nonzero(both[0].mask) + np.count_nonzero(both[1].mask)
    assert f"Dice {2 * overlap / total:.2f}" in compared.told.text()
    only = {compared.alone.item(row, 0).text() for row in range(compared.alone.rowCount())}
    assert "brighter" in only


def test_a_row_goes_to_the_finding(compared: CompareDock, viewer) -> None:
    row = next(
        r
        for r in range(compared.alone.rowCount())
        if compared.alone.item(r, 0).text() == "brighter"
    )
    compared.alone.selectRow(row)
    detection, finding = compared._alone[row]
    layers = session_of(viewer).layers_of(compared.compared[1])
    at = layers.mask.world_to_data(viewer.dims.point)
    middle = middle_of(finding, layers.mask.data, detection.volume)
    assert tuple(np.round(at).astype(int)) == middle


def test_views_show_one_the_other_both_and_the_difference(compared: CompareDock, viewer) -> None:
    before = [layer.name for layer in viewer.layers]
    shown = {}
    for view in VIEWS:
        compared.views[VIEWS.index(view)].click()
        shown[view] = _shown(viewer)
        assert "brighter" in compared.legend.text() or view == FIRST
    assert shown[FIRST] == {"t2f", "hyperintensity · anomaly", "hyperintensity · mask"}
    assert shown[SECOND] == {"t2f", "brighter · anomaly", "brighter · mask"}
    assert shown[DIFFERENCE] == {"t2f", "hyperintensity less brighter"}
    assert shown[BESIDE] == shown[FIRST] | shown[SECOND] | {"t2f (again)"}
    assert [layer.name for layer in viewer.layers] == before
    assert not grid_of(viewer).enabled


def test_side_by_side_is_two_views_of_three_layers(compared: CompareDock, viewer) -> None:
    compared.views[VIEWS.index(BESIDE)].click()
    grid, layers = grid_of(viewer), viewer.layers
    assert grid.actual_shape(layers) == (1, 2)
    held = [{layers[i].name for i in inside} for _, inside in grid.iter_viewboxes(layers)]
    assert held == [
        {"patient · t2f", "patient · hyperintensity · anomaly", "patient · hyperintensity · mask"},
        {"patient · t2f (again)", "patient · brighter · anomaly", "patient · brighter · mask"},
    ]
    again = next(layer for layer in layers if layer.name.endswith("(again)"))
    assert again.data is layers["patient · t2f"].data


def test_a_moved_threshold_makes_the_figures_stale(compared: CompareDock, viewer) -> None:
    session_of(viewer).cut(threshold=0.0)
    assert compared.compared is None
    assert compared.figures.rowCount() == 0
    assert not any("less" in layer.name for layer in viewer.layers)


def test_a_consensus_becomes_a_detection(
    compared: CompareDock, viewer, both: tuple[Detection, Detection], wait_until: Callable
) -> None:
    compared.rule_box.setCurrentText("max")
    compared.join()
    session = session_of(viewer)
    wait_until(lambda: ("patient", "consensus max") in session.detections)
    joined = session.detections["patient", "consensus max"]
    union = (both[0].maps["anomaly"] > both[0].threshold) | (
        both[1].maps["anomaly"] > both[1].threshold
    )
    assert np.array_equal(joined.maps["anomaly"] > joined.threshold, union)
    assert "patient · consensus max · mask" in viewer.layers
    wait_until(lambda: not compared.work.running)
    assert "Findings dock" in compared.footer.notice.text()


def test_side_by_side_fits_and_gives_the_camera_back(compared: CompareDock, viewer) -> None:
    camera = camera_of(viewer)
    camera.zoom = 9.0
    compared.views[VIEWS.index(BESIDE)].click()
    assert camera.zoom < 9.0
    compared.views[VIEWS.index(FIRST)].click()
    assert camera.zoom == 9.0


def test_closing_leaves_the_viewer_as_it_was(compared: CompareDock, viewer) -> None:
    compared.views[VIEWS.index(BESIDE)].click()
    compared.close()
    assert not grid_of(viewer).enabled
    assert not any("again" in layer.name or "less" in layer.name for layer in viewer.layers)
