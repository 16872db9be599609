"""The Correct dock: a correction begun, kept, recovered after a crash, and ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_medad.corrections import verdicts
from napari_medad.corrections.correction import Correction
from napari_medad.corrections.files import save_recovery
from napari_medad.inference.run import detect
from napari_medad.results.detection import Detection
from napari_medad.viewer.app import show_detection
from napari_medad.viewer.docks.correct import CorrectDock
from napari_medad.viewer.docks.findings import FindingsDock
from napari_medad.viewer.layers import add_study
from napari_medad.viewer.recovery import recovery_path
from napari_medad.viewer.session import session_of
from napari_medad.volumes.reader import read_study


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


def test_every_step_has_a_key(begun: CorrectDock) -> None:
    keys = {str(key) for key in begun.viewer.keymap}
    listed = [s for s in begun.editing.shortcuts if s.act is not None]
    for shortcut in listed:
        assert shortcut.key.replace("-", "+").replace("Control", "Ctrl") in keys
    about = {s.about for s in begun.editing.shortcuts}
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
