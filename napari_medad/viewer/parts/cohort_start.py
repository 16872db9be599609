"""Where a cohort is opened, or a detector is run over many studies."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_medad.cohorts.progress import CohortProgress
from napari_medad.cohorts.run import Cohort, detect_cohort
from napari_medad.detectors.needs import needs
from napari_medad.detectors.registry import cards
from napari_medad.viewer.parts.run_footer import RunFooter
from napari_medad.viewer.worker import Work, leave_a_core_to_the_window

ABOUT = (
    "A cohort is a folder that a detector has been run over many studies into. Open one, also "
    "while it is running, or run a detector here:"
)
COMMAND = "On the command line, also on a cluster and with every setting:"


class CohortStart(QWidget):
    """Runs a detector over a folder or manifest; `begun` tells when there is a table.

    Parameters
    ----------
    detector : str
        Chosen at first.

    Signals
    -------
    begun : Path
        The cohort's folder.
    told : str, str
        A sentence and its kind, once the run has ended.
    """

    begun = Signal(Path)
    told = Signal(str, str)

    def __init__(self, detector: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.work, self.footer = Work(self), RunFooter(self)
        self._out: Path | None = None
        self._build(detector)
        self._connect()
        self._show_command()

    def _build(self, detector: str) -> None:
        self.source_edit, self.out_edit = QLineEdit(self), QLineEdit(self)
        self.source_edit.setPlaceholderText("Folder of studies, or a manifest")
        self.out_edit.setPlaceholderText("Empty folder for the results")
        self.detector_box = QComboBox(self)
        for card in cards().values():
            if not needs(card):
                self.detector_box.addItem(card.title, card.name)
        self.detector_box.setCurrentIndex(self.detector_box.findData(detector))
        self.command = QLabel(self)
        self.command.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        about, note = QLabel(ABOUT, self), QLabel(COMMAND, self)
        for label in (about, note, self.command):
            label.setWordWrap(True)
        form = QFormLayout()
        form.addRow("Scans", self._beside(self.source_edit, "Folder of studies"))
        form.addRow("Detector", self.detector_box)
        form.addRow("Results", self._beside(self.out_edit, "Folder for the results"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(about)
        layout.addLayout(form)
        layout.addWidget(self.footer)
        layout.addWidget(note)
        layout.addWidget(self.command)
        layout.addStretch()

    def _connect(self) -> None:
        for edit in (self.source_edit, self.out_edit):
            edit.textChanged.connect(self._show_command)
        self.detector_box.currentIndexChanged.connect(self._show_command)
        self.footer.run_button.clicked.connect(self.run)
        self.footer.cancel_button.clicked.connect(self.work.cancel)
        self.work.progressed.connect(self._on_progress)
        self.work.finished.connect(self._on_finished)
        self.work.failed.connect(lambda text: self._end(text, "error"))
        self.work.cancelled.connect(
            lambda: self._end("Stopped; what is done is kept, and the same run goes on.", "plain")
        )

    def run(self) -> None:
        """Run, or go on with, the cohort that is named."""
        source, out = (edit.text().strip() for edit in (self.source_edit, self.out_edit))
        if self.work.running:
            return
        if not source or not out:
            self.footer.say("Choose the scans and a folder for the results.", "error")
            return
        detector = self.detector_box.currentData()
        self._out = Path(out).expanduser().absolute()

        def work(report: Any) -> Cohort:
            leave_a_core_to_the_window()
            return detect_cohort(source, detector, out, progress=report)

        self.footer.begin("Looking for studies …")
        self.work.start(work)

    def _on_progress(self, progress: CohortProgress) -> None:
        self.footer.show_progress(progress)
        self._begin()

    def _begin(self) -> None:
        """The run has made its table; tell once."""
        if self._out is not None:
            out, self._out = self._out, None
            self.begun.emit(out)

    def _on_finished(self, cohort: Cohort) -> None:
        self._begin()
        failed = f", {len(cohort.failed)} failed" if cohort.failed else ""
        self._end(f"{len(cohort.rows)} studies looked at{failed}.", "good")

    def _end(self, text: str, kind: str) -> None:
        self.footer.end(ready=True)
        self.footer.say(text, kind)
        self.told.emit(text, kind)

    def _show_command(self, event: Any = None) -> None:
        source, out = (edit.text().strip() for edit in (self.source_edit, self.out_edit))
        detector = self.detector_box.currentData() or ""
        words = ["medad", "detect", source or "SCANS", "--detector", detector]
        words += ["--out", out or "RESULTS"]
        self.command.setText(f"<code>{shlex.join(words)}</code>")

    def _beside(self, edit: QLineEdit, title: str) -> QHBoxLayout:
        button = QPushButton("…", self)
        button.setFixedWidth(34)
        button.clicked.connect(lambda: self._browse(edit, title))
        row = QHBoxLayout()
        row.addWidget(edit)
        row.addWidget(button)
        return row

    def _browse(self, edit: QLineEdit, title: str) -> None:
        folder = QFileDialog.getExistingDirectory(self, title, edit.text())
        if folder:
            edit.setText(folder)

    def close_work(self) -> None:
        """Stop what runs; for shutting down."""
        self.work.cancel()
        self.work.wait(5)
