"""The Export dock from the tick to the file, and sessions from the screen to the same screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_medad.corrections import verdicts
from napari_medad.corrections.correction import Correction
from napari_medad.export import run as exporting
from napari_medad.inference.run import detect
from napari_medad.viewer.app import show_detection
from napari_medad.viewer.canvas import camera_of
from napari_medad.viewer.docks.correct import CorrectDock
from napari_medad.viewer.docks.detect import DetectDock
from napari_medad.viewer.docks.export import ExportDock
from napari_medad.viewer.docks.signs import SignsDock
from napari_medad.viewer.layers import add_study
from napari_medad.viewer.session import session_of
from napari_medad.volumes.study import Study


@pytest.fixture(scope="module")
def detection(small_study: Study):
    return detect(small_study, "hyperintensity", threshold="quantile:0.97")


@pytest.fixture
def dock(viewer, small_study: Study, detection, wait_until: Callable) -> ExportDock:
    """The dock on a viewer with a detection, its preview drawn."""
    add_study(viewer, small_study)
    show_detection(viewer, detection)
    dock = ExportDock(viewer, confirm=lambda _: True)
    viewer.window.add_dock_widget(dock, name="Export")
    wait_until(lambda: dock._picture is not None and not dock.drawing.running)
    return dock


def test_an_empty_dock_says_what_to_do(viewer) -> None:
    dock = ExportDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert not dock.footer.run_button.isEnabled()
    assert "run a detector" in dock.footer.notice.text()
    assert not dock.save_button.isEnabled()


def test_ticked_formats_are_written_and_the_folder_can_be_opened(
    dock: ExportDock, wait_until: Callable, tmp_path: Path
) -> None:
    assert dock.footer.reason == "Choose a folder to write into."
    dock.formats.choose(["csv", "json", "montage"])
    dock.folder_edit.setText(str(tmp_path / "out"))
    assert dock.footer.run_button.isEnabled()
    dock.run()
    assert dock.footer.cancel_button.isEnabled()
    wait_until(lambda: not dock.work.running)
    assert dock.footer.notice.text() == f"3 files written to {tmp_path / 'out'}."
    assert not dock.open_button.isHidden()
    assert sorted(p.suffix for p in (tmp_path / "out").iterdir()) == [".csv", ".json", ".png"]
    dock.formats.choose([])
    assert dock.footer.reason == "Tick a format."


def test_dicom_of_a_scan_that_was_none_is_told(
    dock: ExportDock, wait_until: Callable, tmp_path: Path
) -> None:
    assert dock.dicom.isHidden()
    dock.formats.choose(["dicom-seg", "csv"])
    assert not dock.dicom.isHidden()
    dock.folder_edit.setText(str(tmp_path / "out"))
    dock.run()
    wait_until(lambda: not dock.work.running)
    assert "was not read from DICOM" in dock.footer.notice.text()
    assert not (tmp_path / "out").exists()
    assert dock.footer.run_button.isEnabled()


def test_cancel_leaves_nothing(dock: ExportDock, wait_until: Callable, tmp_path: Path) -> None:
    dock.formats.choose(["png", "montage", "gif", "html", "pdf"])
    dock.folder_edit.setText(str(tmp_path / "out"))
    dock.run()
    dock.footer.cancel_button.click()
    wait_until(lambda: not dock.work.running, 10)
    assert "Cancelled" in dock.footer.notice.text()
    assert not (tmp_path / "out").exists()


def test_the_preview_follows_the_chosen_finding(
    viewer, dock: ExportDock, wait_until: Callable
) -> None:
    before = dock._picture.toImage()
    session_of(viewer).select(2)
    wait_until(lambda: dock._picture.toImage() != before)


def test_a_correction_is_exported_in_place_of_the_detection(
    viewer, dock: ExportDock, detection, wait_until: Callable, tmp_path: Path
) -> None:
    correction = Correction.of(detection)
    correction.apply(verdicts.reject(correction, [1]))
    session_of(viewer).begin(correction)
    assert dock.detection_box.currentText().endswith("corrected")
    assert dock.result is correction
    dock.formats.choose(["csv"])
    dock.folder_edit.setText(str(tmp_path / "out"))
    dock.run()
    wait_until(lambda: not dock.work.running)
    (table,) = (tmp_path / "out").glob("*.csv")
    rows = table.read_text().splitlines()
    assert len(rows) == len(detection.findings)
    assert rows[0].endswith("state")


@pytest.mark.parametrize("name", ["session.zip", "session"])
def test_a_session_opens_with_the_same_screen(
    viewer, make_napari_viewer, dock: ExportDock, wait_until: Callable, tmp_path: Path, name: str
) -> None:
    detecting = DetectDock(viewer)
    viewer.window.add_dock_widget(detecting)
    detecting.choose("hyperintensity")
    detecting.threshold_edit.setText("quantile:0.9")
    anomaly = viewer.layers["patient · hyperintensity · anomaly"]
    anomaly.contrast_limits, anomaly.opacity, anomaly.visible = (0.25, 0.75), 0.4, False
    viewer.layers["patient · t1n"].colormap = "viridis"
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_point(range(3), (12.0, -9.0, 6.0))
    camera_of(viewer).zoom, camera_of(viewer).center = 3.5, (0.0, 4.0, -7.0)
    point, camera = viewer.dims.point, camera_of(viewer).center
    dock.save(tmp_path / name)
    wait_until(lambda: not dock.work.running)
    assert "is kept in" in dock.footer.notice.text()

    other = make_napari_viewer()
    there, opening = DetectDock(other), ExportDock(other, confirm=lambda _: True)
    for widget in (there, opening):
        other.window.add_dock_widget(widget)
    opening.open(tmp_path / name)
    wait_until(lambda: session_of(other).current is not None and not opening.work.running)
    assert [layer.name for layer in other.layers] == [layer.name for layer in viewer.layers]
    shown = other.layers["patient · hyperintensity · anomaly"]
    assert (*shown.contrast_limits, shown.opacity, shown.visible) == (0.25, 0.75, 0.4, False)
    np.testing.assert_array_equal(shown.data, anomaly.data)
    assert other.layers["patient · t1n"].colormap.name == "viridis"
    assert other.dims.order == (1, 0, 2)
    np.testing.assert_allclose(other.dims.point, point)
    np.testing.assert_allclose(camera_of(other).center, camera)
    assert camera_of(other).zoom == 3.5
    assert there.card.name == "hyperintensity"
    assert there.threshold_edit.text() == "quantile:0.9"
    assert session_of(other).findings == session_of(viewer).findings


def test_a_correction_and_shots_come_back(
    viewer, make_napari_viewer, dock: ExportDock, wait_until: Callable, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("MEDAD_RECOVERY", str(tmp_path / "recovery"))
    correct, signs = CorrectDock(viewer), SignsDock(viewer)
    for widget in (correct, signs):
        viewer.window.add_dock_widget(widget)
    correct.begin()
    wait_until(lambda: correct.correction is not None)
    correct.correction.apply(verdicts.accept(correct.correction, [1]))
    signs.shots.mark()
    assert len(signs.shots.shots) == 1
    dock.save(tmp_path / "s.zip")
    wait_until(lambda: not dock.work.running)

    other = make_napari_viewer()
    there, shown = CorrectDock(other), SignsDock(other)
    opening = ExportDock(other, confirm=lambda _: True)
    for widget in (there, shown, opening):
        other.window.add_dock_widget(widget)
    opening.open(tmp_path / "s.zip")
    wait_until(lambda: there.correction is not None and not opening.work.running)
    assert there.correction.finding(1).state == "confirmed"
    np.testing.assert_array_equal(there.correction.labels, correct.correction.labels)
    (shot,) = shown.shots.shots
    assert shot.index == signs.shots.shots[0].index
    for widget in (correct, there):
        widget.confirm = lambda _: True
        widget.done()


def test_a_bad_session_is_a_sentence_and_closes_nothing(
    viewer, dock: ExportDock, wait_until: Callable, tmp_path: Path
) -> None:
    (tmp_path / "bad.zip").write_bytes(b"no zip")
    count = len(viewer.layers)
    dock.open(tmp_path / "bad.zip")
    wait_until(lambda: not dock.work.running)
    assert "damaged zip" in dock.footer.notice.text()
    assert len(viewer.layers) == count


def test_every_format_has_a_box(dock: ExportDock) -> None:
    assert set(dock.formats.boxes) == set(exporting.FORMATS)
