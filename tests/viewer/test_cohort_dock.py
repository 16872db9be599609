"""The Cohort dock: the table of a running cohort, its studies in the viewer, case after case."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_medad.cohorts.summary import SUMMARY, Row, append_rows, read_summary, write_summary
from napari_medad.inference.run import detect
from napari_medad.viewer import app
from napari_medad.viewer.docks.cohort import ALL_DONE, CohortDock
from napari_medad.viewer.docks.correct import CorrectDock
from napari_medad.viewer.parts.cohort_model import DONE, SCORE
from napari_medad.viewer.session import session_of
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.reader import read_study
from napari_medad.volumes.study import Study

STUDIES = ("first", "second", "third")


@pytest.fixture(scope="module")
def results(tmp_path_factory, small_study: Study) -> dict[str, Path]:
    """Run records of three studies that a detector has looked at."""
    home = tmp_path_factory.mktemp("cohort")
    volume = small_study.volume("t2f")
    records = {}
    for name in STUDIES:
        write_nifti(volume.array, volume, home / "scans" / f"{name}.nii.gz")
        study = read_study(home / "scans" / f"{name}.nii.gz")
        found = detect(study, "hyperintensity", threshold="quantile:0.95", minimum_ml=0.5)
        records[name] = found.save(home / "results" / "studies" / name)[-1]
    return records


@pytest.fixture
def cohort(results: dict[str, Path]) -> Path:
    """Its folder: three studies done, one failed, one that waits."""
    folder = results["first"].parents[2]
    rows = [
        Row(
            study=name,
            state="done",
            score=score,
            findings=2,
            volume_ml=1.5,
            folder=f"studies/{name}",
            record=record.relative_to(folder).as_posix(),
        )
        for (name, record), score in zip(results.items(), (0.5, 0.9, 0.2), strict=True)
    ]
    bad = Row(study="broken", state="failed", reason="broken.nii.gz is no image.")
    write_summary(folder, [*rows, bad, Row(study="later")])
    for path in folder.glob("studies/*/*corrected*"):
        path.unlink()
    return folder


@pytest.fixture
def dock(viewer, cohort: Path, wait_until: Callable, monkeypatch) -> CohortDock:
    """As `medad open` opens the cohort, with the docks that it needs; the highest score first."""
    viewer.window.add_dock_widget(CorrectDock(viewer, confirm=lambda _: True), name="Correct")
    dock = CohortDock(viewer, confirm=lambda _: True)
    viewer.window.add_dock_widget(dock, name="Cohort")
    monkeypatch.setattr(napari, "Viewer", lambda **options: viewer)
    monkeypatch.setattr(app, "open_docks", lambda shown: {"Cohort": dock})
    app.open_cohort(cohort, block=False)
    wait_until(lambda: bool(dock.table.rows))
    return dock


def shown(dock: CohortDock) -> list[str]:
    model = dock.list.model
    return [model.index(row, 0).data() for row in range(model.rowCount())]


def opened(dock: CohortDock, study: str, wait_until: Callable) -> None:
    correct = dock.cases.correct_dock()
    wait_until(lambda: dock.cases.study == study and not correct.editing.work.running)


def test_without_a_cohort_it_says_how_to_get_one(viewer, tmp_path: Path, wait_until) -> None:
    dock = CohortDock(viewer)
    viewer.window.add_dock_widget(dock, name="Cohort")
    assert "medad detect SCANS" in dock.start.command.text()
    assert not dock.start.isHidden()
    assert dock.body.isHidden()
    dock.open(tmp_path)
    wait_until(lambda: SUMMARY in dock.notice.text())
    assert not dock.start.isHidden()
    assert not dock.following.isActive()


def test_a_cohort_is_run_from_the_dock_and_followed(
    viewer, tmp_path: Path, small_study: Study, wait_until: Callable
) -> None:
    volume = small_study.volume("t2f")
    for name in ("a", "b"):
        write_nifti(volume.array, volume, tmp_path / "scans" / name / f"{name}_t2f.nii.gz")
    dock = CohortDock(viewer)
    viewer.window.add_dock_widget(dock, name="Cohort")
    start = dock.start
    start.footer.run_button.click()
    assert "Choose the scans" in start.footer.notice.text()
    start.source_edit.setText(str(tmp_path / "gone"))
    start.out_edit.setText(str(tmp_path / "out"))
    start.detector_box.setCurrentIndex(start.detector_box.findData("hyperintensity"))
    assert "gone --detector hyperintensity" in start.command.text()
    start.run()
    wait_until(lambda: "check the path" in start.footer.notice.text())
    start.source_edit.setText(str(tmp_path / "scans"))
    start.run()
    wait_until(lambda: dock.folder == tmp_path / "out")
    wait_until(lambda: dock.notice.text() == "2 studies looked at.")
    wait_until(lambda: [row.state for row in dock.table.rows] == ["done", "done"])
    assert start.isHidden()
    assert dock.stop_button.isHidden()


def test_the_table_is_sorted_filtered_and_ticked(dock: CohortDock, cohort: Path) -> None:
    assert shown(dock) == ["second", "first", "third", "broken", "later"]
    assert "5 studies, 3 done, 1 failed, 1 waiting" in dock.title.text()
    dock.list.view.sortByColumn(SCORE, Qt.SortOrder.AscendingOrder)
    assert shown(dock) == ["third", "first", "second", "broken", "later"]
    dock.list.least_edit.setText("0,4")
    dock.list.filter()
    assert shown(dock) == ["first", "second"]
    assert dock.counted.text() == "0 of 2 corrected (of the 2 shown)"
    dock.list.least_edit.setText("")
    dock.list.choice_box.setCurrentText("failed")
    dock.list.filter()
    assert shown(dock) == ["broken"]
    dock.list.choose("broken")
    assert dock.notice.text() == "broken: broken.nii.gz is no image."
    assert not dock.show_button.isEnabled()
    model = dock.list.model
    failed = model.index(0, DONE)
    assert not failed.flags() & Qt.ItemFlag.ItemIsUserCheckable
    dock.list.choice_box.setCurrentText("to correct")
    cell = model.index(model.row_of("first"), DONE)
    checked = Qt.CheckState.Checked.value
    assert model.setData(cell, checked, Qt.ItemDataRole.CheckStateRole)
    assert {row.study for row in read_summary(cohort) if row.corrected} == {"first"}
    assert shown(dock) == ["third", "second"]


def test_a_running_cohort_is_followed(dock: CohortDock, cohort: Path, wait_until) -> None:
    dock.list.choose("first")
    append_rows(cohort, [Row(study="later", state="done", score=0.7), Row(study="new")])
    dock.follow()
    wait_until(lambda: len(dock.table.rows) == 6)
    assert shown(dock) == ["second", "later", "first", "third", "broken", "new"]
    assert dock.list.row.study == "first"
    assert dock.run_bar.value() == 5
    assert not dock.run_bar.isHidden()


def test_a_double_click_opens_the_study_with_its_detection(
    dock: CohortDock, viewer, cohort: Path, wait_until: Callable
) -> None:
    index = dock.list.model.index(0, 0)
    dock.list.view.activated.emit(index)
    opened(dock, "second", wait_until)
    names = {layer.name for layer in viewer.layers}
    assert {"second · second", "second · hyperintensity · mask"} <= names
    assert session_of(viewer).current.study.name == "second"
    dock.open_study(dock.table.rows[2])
    opened(dock, "third", wait_until)
    assert not any(layer.name.startswith("second") for layer in viewer.layers)
    scan = cohort.parent / "scans" / "first.nii.gz"
    scan.rename(scan.with_suffix(".away"))
    try:
        dock.open_study(dock.table.rows[0])
        wait_until(lambda: "no longer at" in dock.notice.text())
    finally:
        scan.with_suffix(".away").rename(scan)


def test_what_else_is_open_is_not_closed_without_asking(viewer, tmp_path: Path) -> None:
    asked = []
    viewer.add_image(np.zeros((4, 4, 4)), name="mine")
    dock = CohortDock(viewer, confirm=lambda question: asked.append(question))
    viewer.window.add_dock_widget(dock, name="Cohort")
    dock.folder = tmp_path
    dock.open_study(Row(study="first", state="done", record="first_record.json"))
    assert asked == ["Close everything that is open, and open first?"]
    assert "mine" in viewer.layers


def test_case_after_case_is_corrected_and_kept(
    dock: CohortDock, viewer, cohort: Path, wait_until: Callable
) -> None:
    dock.next_button.click()
    opened(dock, "second", wait_until)
    correct = dock.cases.correct_dock()
    assert correct.correction is not None
    assert dock.done_button.isEnabled()
    correct.form.buttons["accept"].click()
    dock.done()
    opened(dock, "first", wait_until)
    assert (cohort / "studies/second/second_hyperintensity_corrected.nii.gz").is_file()
    assert dock.counted.text() == "1 of 3 corrected"
    dock.done()
    opened(dock, "third", wait_until)
    dock.done()
    wait_until(lambda: dock.notice.text() == ALL_DONE)
    assert dock.counted.text() == "3 of 3 corrected"
    assert not dock.next_button.isEnabled()
    assert sum(row.corrected for row in read_summary(cohort)) == 3
    dock.correct(dock.table.rows[1])
    opened(dock, "second", wait_until)
    assert "confirmed" in {finding.state for finding in correct.correction.findings}


def test_a_skipped_correction_is_gone_on_with(dock: CohortDock, wait_until: Callable) -> None:
    dock.next_button.click()
    opened(dock, "second", wait_until)
    correct = dock.cases.correct_dock()
    correct.form.buttons["reject"].click()
    left = correct.correction.ids
    dock.next_button.click()
    opened(dock, "first", wait_until)
    dock.correct(dock.table.rows[1])
    opened(dock, "second", wait_until)
    assert correct.correction.ids == left


def test_a_hundred_thousand_studies_stay_quick(
    viewer, tmp_path: Path, wait_until: Callable
) -> None:
    rng = np.random.default_rng(3)
    rows = [
        Row(study=f"case-{n:06}", state="done", score=float(score), findings=1, volume_ml=2.0)
        for n, score in enumerate(rng.random(100_000))
    ]
    write_summary(tmp_path, rows)
    dock = CohortDock(viewer)
    viewer.window.add_dock_widget(dock, name="Cohort")
    dock.open(tmp_path)
    wait_until(lambda: len(dock.table.rows) == 100_000)
    pauses = []
    for act in (
        lambda: dock.list.view.sortByColumn(0, Qt.SortOrder.DescendingOrder),
        lambda: dock.list.view.sortByColumn(SCORE, Qt.SortOrder.DescendingOrder),
        lambda: (dock.list.text_edit.setText("99"), dock.list.filter()),
        lambda: dock.mark("case-000099", True),
        lambda: dock.list.view.scrollToBottom(),
    ):
        began = time.process_time()
        act()
        QTest.qWait(1)
        pauses.append(time.process_time() - began)
    assert max(pauses) < 0.25
    assert dock.list.model.rowCount() == sum("99" in row.study for row in rows)
