"""Studies of a cohort in the viewer, one after another: opened, corrected, kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_medad.cohorts.summary import Row
from napari_medad.corrections.files import correction_files
from napari_medad.results.detection import Detection
from napari_medad.results.loading import load_detection
from napari_medad.viewer.app import PLUGIN, raise_dock, show_detection
from napari_medad.viewer.docks.correct import CorrectDock
from napari_medad.viewer.latest import Latest
from napari_medad.viewer.layers import STUDY, add_study
from napari_medad.viewer.recovery import recovery_path
from napari_medad.viewer.session import session_of

if TYPE_CHECKING:
    import napari

REPLACE = "Close everything that is open, and open {study}?"


class CohortCases(QObject):
    """Opens one study at a time, in place of what is open.

    Parameters
    ----------
    viewer : napari.Viewer
    confirm : callable
        Asks a yes-or-no question.
    parent : QObject

    Signals
    -------
    opening : str
        A study's name; it is being read.
    opened : str
        It is shown.
    failed : str
        One sentence.
    kept : str
        A study whose correction has been saved.
    """

    opening = Signal(str)
    opened = Signal(str)
    failed = Signal(str)
    kept = Signal(str)

    def __init__(
        self, viewer: napari.Viewer, confirm: Callable[[str], bool], parent: QObject
    ) -> None:
        super().__init__(parent)
        self.viewer, self.confirm = viewer, confirm
        self.session = session_of(viewer)
        self.study: str | None = None
        self.detection: Detection | None = None
        self.reading = Latest(self)
        self._asked: tuple[Row, Path, bool] | None = None
        self.reading.finished.connect(self._show)
        self.reading.failed.connect(self.failed)

    def open(self, row: Row, cohort: Path, *, correct: bool = False) -> None:
        """Show a study with its detection; with `correct`, begin or go on with a correction."""
        if row.record is None:
            return
        if self._foreign() and not self.confirm(REPLACE.format(study=row.study)):
            return
        record = cohort / row.record
        self._asked = row, record.parent, correct
        self.opening.emit(row.study)

        def work(report: Any) -> Detection:
            detection = load_detection(record)
            _ = detection.findings  # counted here, not in the window's thread
            return detection

        self.reading.ask(work)

    def _foreign(self) -> bool:
        """Whether anything is open that is not the cohort's."""
        if not len(self.viewer.layers):
            return False
        if self.detection is None:
            return True
        held = (layer.metadata.get(STUDY) for layer in self.viewer.layers)
        return any(study is not None and study is not self.detection.study for study in held)

    def _show(self, detection: Detection) -> None:
        assert self._asked is not None
        row, folder, correct = self._asked
        self.session.clear()
        self.viewer.layers.clear()
        self.study, self.detection = row.study, detection
        add_study(self.viewer, detection.study)
        show_detection(self.viewer, detection)
        self.viewer.reset_view()
        self.session.step(1)
        if correct:
            self._correct(detection, folder)
        self.opened.emit(row.study)

    def _correct(self, detection: Detection, folder: Path) -> None:
        """Go on with what was not saved, else with what was, else begin anew."""
        dock = self.correct_dock()
        if recovery_path(detection).is_file():
            dock.recover()
        elif all(path.is_file() for path in correction_files(detection, folder)):
            dock.open(folder)
        else:
            dock.begin()
        raise_dock(dock)

    def correct_dock(self) -> CorrectDock:
        """The viewer's Correct dock; opened where it is not yet."""
        held: Any = self.viewer.window._qt_window.findChild(CorrectDock)
        if held is None:
            _, held = self.viewer.window.add_plugin_dock_widget(PLUGIN, "Correct", tabify=True)
        return held

    @property
    def correcting(self) -> bool:
        """Whether the shown study is being corrected."""
        correction = self.session.correction
        return correction is not None and correction.detection is self.detection

    def keep(self, cohort: Path, row: Row) -> None:
        """Save the shown study's correction beside its detection; `kept` tells when."""
        if self.correcting and row.study == self.study and row.record is not None:
            folder = (cohort / row.record).parent
            self.correct_dock().save(folder, after=lambda: self.kept.emit(row.study))

    def close(self) -> None:
        """Stop what runs."""
        self.reading.close()
