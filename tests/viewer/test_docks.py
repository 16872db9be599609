"""Detect and Findings, from the click to the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_medad.results.findings import middle_of
from napari_medad.viewer.app import open_docks
from napari_medad.viewer.docks.detect import DetectDock
from napari_medad.viewer.docks.findings import FindingsDock
from napari_medad.viewer.layers import add_study
from napari_medad.viewer.session import session_of
from napari_medad.volumes.phantom import sample_study
from napari_medad.volumes.study import Study


@pytest.fixture
def docks(viewer, small_study: Study) -> tuple[DetectDock, FindingsDock]:
    """Both docks on a viewer with a study."""
    add_study(viewer, small_study)
    detect, findings = DetectDock(viewer, confirm=lambda _: True), FindingsDock(viewer)
    viewer.window.add_dock_widget(detect, name="Detect")
    viewer.window.add_dock_widget(findings, name="Findings")
    return detect, findings


def test_empty_viewer_says_what_to_do(viewer) -> None:
    detect, findings = DetectDock(viewer), FindingsDock(viewer)
    viewer.window.add_dock_widget(detect)
    viewer.window.add_dock_widget(findings)
    assert not detect.footer.run_button.isEnabled()
    assert "Open a scan first" in detect.footer.notice.text()
    assert "No detection yet" in findings.title.text()
    assert not findings.table.isEnabled()


def test_a_run_makes_layers_findings_and_a_profile(viewer, docks, wait_until: Callable) -> None:
    detect, findings = docks
    detect.choose("hyperintensity")
    assert detect.volume_box.currentText() == "patient · t2f"
    detect.run()
    assert not detect.footer.run_button.isEnabled()
    assert detect.footer.cancel_button.isEnabled()
    wait_until(lambda: session_of(viewer).current is not None)
    wait_until(lambda: not detect.work.running)
    names = [layer.name for layer in viewer.layers]
    assert "patient · hyperintensity · anomaly" in names
    assert "patient · hyperintensity · mask" in names
    detection = session_of(viewer).current
    shown = viewer.layers["patient · hyperintensity · anomaly"]
    assert shown.data is detection.maps["anomaly"]
    np.testing.assert_allclose(shown.scale, (3, 3, 3))
    assert findings.table.rowCount() == len(detection.findings)
    assert detect.footer.run_button.isEnabled()
    assert f"{len(detection.findings)} finding" in detect.footer.notice.text()
    curve = findings.profile.curve.getData()[1]
    np.testing.assert_allclose(curve, detection.slice_scores)


def test_the_top_scan_is_chosen_until_the_user_chooses(viewer, small_study: Study) -> None:
    detect = DetectDock(viewer)
    viewer.window.add_dock_widget(detect)
    add_study(viewer, small_study)
    assert detect.volume_box.currentText() == "patient · t2f"
    detect.volume_box.setCurrentText("patient · t1n")
    detect.volume_box.activated.emit(0)
    viewer.add_image(np.zeros((4, 4, 4)), name="other")
    assert detect.volume_box.currentText() == "patient · t1n"


def run_hyperintensity(viewer, detect: DetectDock, wait_until: Callable) -> None:
    detect.choose("hyperintensity")
    detect.threshold_edit.setText("quantile:0.9")
    detect.run()
    wait_until(lambda: session_of(viewer).current is not None and not detect.work.running)


def test_a_second_run_replaces_layers_only_after_asking(
    viewer, docks, wait_until: Callable
) -> None:
    detect, _ = docks
    run_hyperintensity(viewer, detect, wait_until)
    before = list(viewer.layers)
    asked = []
    detect.confirm = lambda question: bool(asked.append(question))
    detect.run()
    assert len(asked) == 1
    assert list(viewer.layers) == before
    detect.confirm = lambda _: True
    detect.run()
    wait_until(lambda: not detect.work.running)
    assert len(viewer.layers) == len(before)


def test_cancel_leaves_nothing_behind(viewer, docks, wait_until: Callable, monkeypatch) -> None:
    detect, _ = docks
    detect.choose("hyperintensity")
    before = {layer.name for layer in viewer.layers}
    detect.work.progressed.connect(lambda _: detect.work.cancel())
    monkeypatch.setattr("napari_medad.viewer.worker.UPDATES_S", 0.0)
    detect.run()
    wait_until(lambda: not detect.work.running)
    assert detect.footer.notice.text() == "Cancelled."
    assert {layer.name for layer in viewer.layers} == before
    assert session_of(viewer).current is None
    assert detect.footer.run_button.isEnabled()


def test_errors_are_one_sentence_in_the_dock(viewer, docks, wait_until: Callable) -> None:
    detect, _ = docks
    detect.choose("hyperintensity")
    detect.threshold_edit.setText("high")
    detect.run()
    assert "The threshold 'high' is not understood" in detect.footer.notice.text()
    assert not detect.work.running


def test_sliders_cut_at_once_and_the_table_follows(viewer, docks, wait_until: Callable) -> None:
    detect, findings = docks
    run_hyperintensity(viewer, detect, wait_until)
    session = session_of(viewer)
    mask, maps = session.layers_of_current.mask, session.current.maps
    findings.sliders.slider.setValue(findings.sliders.slider.value() + 60)
    threshold = findings.sliders.threshold
    np.testing.assert_array_equal(mask.data > 0, maps["anomaly"] > threshold)
    wait_until(lambda: session.current.threshold == pytest.approx(threshold))
    assert findings.table.rowCount() == len(session.current.findings)
    np.testing.assert_array_equal(mask.data, session.current.mask)
    findings.sliders.size.setValue(findings.sliders.size.maximum())
    wait_until(lambda: session.current.minimum_ml == 20)
    assert all(f.volume_ml >= 20 for f in session.current.findings)


def test_a_click_on_a_finding_goes_there(viewer, docks, wait_until: Callable) -> None:
    detect, findings = docks
    run_hyperintensity(viewer, detect, wait_until)
    session = session_of(viewer)
    findings.table.selectRow(1)
    finding = session.current.findings[1]
    assert session.selected == finding.id
    middle = middle_of(finding, session.current.mask, session.current.volume)
    assert tuple(viewer.dims.current_step) == middle
    findings.next_button.click()
    assert session.selected == session.current.findings[2].id
    findings._go_to_slice(7)
    assert viewer.dims.current_step[0] == 7
    assert findings.profile.line.value() == 7


def test_save_writes_what_the_command_writes(
    viewer, docks, wait_until: Callable, tmp_path: Path
) -> None:
    detect, findings = docks
    run_hyperintensity(viewer, detect, wait_until)
    findings.save(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert "patient_hyperintensity_mask.nii.gz" in names
    assert "patient_hyperintensity_record.json" in names
    assert "files written" in findings.notice.text()


def test_an_untrained_detector_says_so_everywhere(viewer, docks, wait_until: Callable) -> None:
    detect, findings = docks
    detect.choose("moe")
    detect.weights.box.setCurrentIndex(detect.weights.box.findData("untrained"))
    for name, value in (("size", 64), ("hidden", 16), ("decoder_fc", "direct")):
        editor = detect.form.editors[name]
        if hasattr(editor, "findData"):
            editor.setCurrentIndex(editor.findData(value))
        else:
            editor.setValue(value)
    assert "UNTRAINED" in detect.weights.line.text()
    detect.run()
    wait_until(lambda: session_of(viewer).current is not None and not detect.work.running)
    assert "UNTRAINED" in detect.footer.notice.text()
    assert "UNTRAINED" in findings.title.text()
    assert any("UNTRAINED · moe · anomaly" in layer.name for layer in viewer.layers)
    findings.trust_button.click()
    assert any(layer.name.endswith("hallucination (labels)") for layer in viewer.layers)


def test_the_window_stays_quick_while_a_detection_runs(viewer, longest_pause: Callable) -> None:
    """No pause of 50 ms on a whole-size study, the first slices' maps shown; best of three."""
    add_study(viewer, sample_study().study)
    detect = open_docks(viewer)["Detect"]
    detect.confirm = lambda _: True
    detect.choose("moe")
    pauses = []
    while len(pauses) < 3 and min(pauses, default=1) >= 0.05:
        pauses.append(longest_pause(detect.work, detect.run))
    assert min(pauses) < 0.05
