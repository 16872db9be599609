"""The Cohort dock: the table of a finished or running cohort, and a worklist for correcting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_medad.cohorts.summary import Row, SummaryReader, append_rows
from napari_medad.cohorts.table import CohortTable
from napari_medad.errors import MedadError
from napari_medad.viewer.cohort_cases import CohortCases
from napari_medad.viewer.docks.detect import default_detector
from napari_medad.viewer.orientation import dress
from napari_medad.viewer.parts.cohort_list import CohortList
from napari_medad.viewer.parts.cohort_start import CohortStart
from napari_medad.viewer.parts.notice import DOCK_WIDTH, Notice
from napari_medad.viewer.session import unwrapped
from napari_medad.viewer.worker import Work, uncollected

FOLLOW_MS = 2000
"""How often a cohort is looked at for news."""
KEY = "Alt-C"
KEY_IMAGE_HEIGHT = 150
ALL_DONE = "Every study that is shown has been corrected."


class CohortDock(QWidget):
    """Shows a cohort's table, opens its studies, and leads from case to case.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    confirm : callable, optional
        Asks a yes-or-no question; default: a message box.
    """

    def __init__(
        self, napari_viewer: napari.Viewer, confirm: Callable[[str], bool] | None = None
    ) -> None:
        super().__init__()
        self.viewer = unwrapped(napari_viewer)
        self.cases = CohortCases(self.viewer, confirm or self._ask, self)
        self.folder: Path | None = None
        self.work, self.following = Work(self), QTimer(self)
        self.following.setInterval(FOLLOW_MS)
        self._reader: SummaryReader | None = None
        self._build()
        self._connect()
        dress(self.viewer)
        self._show()

    # Layout ---------------------------------------------------------------------------------

    def _build(self) -> None:
        self.setMinimumWidth(DOCK_WIDTH)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.title, self.open_button = QLabel(self), QPushButton("Open a cohort …", self)
        self.title.setWordWrap(True)
        self.start, self.body = CohortStart(default_detector(), self), QWidget(self)
        self.stop_button = QPushButton("Stop the run", self)
        self.run_bar, self.list = QProgressBar(self), CohortList(self)
        self.run_bar.setTextVisible(False)
        self.run_bar.setFixedHeight(6)
        self.image, self.notice = QLabel(self), Notice(self)
        self.done_bar, self.counted = QProgressBar(self), QLabel(self)
        self.done_bar.setTextVisible(False)
        self.done_bar.setFixedHeight(6)
        self.show_button = QPushButton("Open", self)
        self.show_button.setToolTip("The chosen study with its detection (double click)")
        self.correct_button = QPushButton("Correct", self)
        self.correct_button.setToolTip("The chosen study, with a correction begun or gone on with")
        self.next_button = QPushButton("Next case ▸", self)
        self.next_button.setToolTip("The next of the shown studies that nobody has corrected")
        self.done_button = QPushButton("Done, next case ▸", self)
        self.done_button.setToolTip(f"Keep this correction and go to the next ({_plain(KEY)})")
        top = QHBoxLayout()
        top.addWidget(self.title, 1)
        top.addWidget(self.open_button)
        buttons = QHBoxLayout()
        for button in (self.show_button, self.correct_button, self.next_button):
            buttons.addWidget(button)
        inside = QVBoxLayout(self.body)
        inside.setContentsMargins(0, 0, 0, 0)
        running = QHBoxLayout()
        running.addWidget(self.run_bar, 1)
        running.addWidget(self.stop_button)
        inside.addLayout(running)
        inside.addWidget(self.list, 1)
        for widget in (self.image, self.counted, self.done_bar):
            inside.addWidget(widget)
        inside.addLayout(buttons)
        inside.addWidget(self.done_button)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(self.start, 1)
        layout.addWidget(self.body, 1)
        layout.addWidget(self.notice)
        self.notice.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)

    def _connect(self) -> None:
        self.open_button.clicked.connect(self._browse)
        self.start.begun.connect(self.open)
        self.start.told.connect(self._on_run_ended)
        self.stop_button.clicked.connect(self.start.work.cancel)
        self.following.timeout.connect(self.follow)
        self.work.finished.connect(self._on_news)
        self.work.failed.connect(self._on_lost)
        self.list.chosen.connect(self._on_chosen)
        self.list.opened.connect(self.open_study)
        self.list.filtered.connect(self._count)
        self.list.model.marked.connect(self.mark)
        self.show_button.clicked.connect(lambda: self.open_study(self.list.row))
        self.correct_button.clicked.connect(lambda: self.correct(self.list.row))
        self.next_button.clicked.connect(self.next_case)
        self.done_button.clicked.connect(self.done)
        self.cases.opening.connect(lambda study: self.notice.say(f"Opening {study} …"))
        self.cases.opened.connect(self._on_opened)
        self.cases.failed.connect(lambda text: self.notice.say(text, "error"))
        self.cases.kept.connect(self._on_kept)
        self.cases.session.corrections_changed.connect(self._offer)
        self.viewer.bind_key(KEY, lambda _: self.done(), overwrite=True)

    @property
    def table(self) -> CohortTable:
        """The rows as they were read last."""
        return self.list.model.table

    # The table ------------------------------------------------------------------------------

    def open(self, folder: Path) -> None:
        """Show a cohort's folder and follow it."""
        self.folder, self._reader = folder, SummaryReader(folder)
        self.list.show_table(CohortTable())
        self.notice.say("Reading the table …")
        self.follow()
        self.following.start()

    def follow(self) -> None:
        """Look for news in a thread."""
        reader, table = self._reader, self.table
        if reader is None or self.work.running:
            return

        def work(report: Any) -> tuple[SummaryReader, CohortTable, CohortTable, tuple[Row, ...]]:
            with uncollected():
                news = reader.news()
                return reader, table, table.updated(news) if news else table, news

        self.work.start(work)

    def _on_news(self, answer: Any) -> None:
        reader, before, table, news = answer
        if reader is not self._reader:
            return
        if self.body.isHidden():
            self.notice.say("")
            self._show()
        if news:  # a tick that was set meanwhile made another table
            self.list.show_table(table if before is self.table else self.table.updated(news))
        self._count()

    def _on_run_ended(self, text: str, kind: str) -> None:
        if self.folder is not None:
            self.notice.say(text, kind)
            self.follow()

    def _on_lost(self, text: str) -> None:
        self.following.stop()
        if not self.table.rows:
            self.folder = self._reader = None
        self._show()
        self.notice.say(text, "error")

    def _show(self) -> None:
        there = self.folder is not None
        self.start.setVisible(not there)
        self.body.setVisible(there)
        self._count()
        self._on_chosen(self.list.row)

    def _count(self) -> None:
        """How far the run is, and how far the reader."""
        table, shown = self.table, self.list.model.places
        total, done = len(table.rows), int(table.of(done=True).sum())
        failed = int(table.of(failed=True).sum())
        waiting = total - done - failed
        parts = [f"{done} done", f"{failed} failed" if failed else "",
                 f"{waiting} waiting" if waiting else ""]  # fmt: skip
        name = "" if self.folder is None else f"<b>{self.folder.name}</b>: {total} studies, "
        self.title.setText(name + ", ".join(part for part in parts if part) if name else "")
        self.run_bar.setVisible(waiting > 0)
        self.stop_button.setVisible(waiting > 0 and self.start.work.running)
        self.run_bar.setRange(0, max(total, 1))
        self.run_bar.setValue(done + failed)
        listed = shown[table.of(done=True)[shown]]
        corrected = int(np.count_nonzero(table.of(corrected=True)[listed]))
        of = "" if len(shown) == total else f" (of the {len(shown)} shown)"
        self.counted.setText(f"{corrected} of {len(listed)} corrected{of}")
        self.done_bar.setRange(0, max(len(listed), 1))
        self.done_bar.setValue(corrected)
        self._offer()

    def _offer(self, correction: Any = None) -> None:
        row = self.list.row
        openable = row is not None and row.state == "done"
        self.show_button.setEnabled(openable)
        self.correct_button.setEnabled(openable)
        self.next_button.setEnabled(self._next() is not None)
        self.done_button.setEnabled(self.cases.correcting)

    def _on_chosen(self, row: Row | None) -> None:
        pixmap = QPixmap()
        if row is not None and row.image is not None and self.folder is not None:
            pixmap = QPixmap(str(self.folder / row.image))
        self.image.setVisible(not pixmap.isNull())
        if not pixmap.isNull():
            width = max(self.list.width(), DOCK_WIDTH) - 20
            size = pixmap.size().scaled(width, KEY_IMAGE_HEIGHT, Qt.AspectRatioMode.KeepAspectRatio)
            smooth = Qt.TransformationMode.SmoothTransformation
            self.image.setPixmap(pixmap.scaled(size, transformMode=smooth))
        if row is not None and row.reason:
            self.notice.say(f"{row.study}: {row.reason}", "warning")
        elif self.notice.text().partition(":")[0] in self.table.places:
            self.notice.say("")
        self._offer()

    # Opening --------------------------------------------------------------------------------

    def open_study(self, row: Row | None) -> None:
        """Show a study with its detection."""
        if row is not None and row.state == "done" and self.folder is not None:
            self.cases.open(row, self.folder)

    def correct(self, row: Row | None) -> None:
        """Show a study and begin, or go on with, its correction."""
        if row is not None and row.state == "done" and self.folder is not None:
            self.cases.open(row, self.folder, correct=True)

    def _next(self) -> Row | None:
        return self.table.next_to_correct(self.list.model.places, self.cases.study)

    def next_case(self) -> None:
        """Go to the next of the shown studies that nobody has corrected."""
        row = self._next()
        if row is None:
            self.notice.say(ALL_DONE, "good")
        self.correct(row)

    def _on_opened(self, study: str) -> None:
        self.notice.say("")
        self.list.choose(study)
        self._offer()

    # The worklist ---------------------------------------------------------------------------

    def done(self) -> None:
        """Keep the correction beside its detection, tick the study, go to the next."""
        place = self.table.places.get(self.cases.study or "")
        if place is not None and self.folder is not None:
            self.cases.keep(self.folder, self.table.rows[place])

    def _on_kept(self, study: str) -> None:
        following = self._next()  # before the tick may filter this study away
        self.mark(study, True)
        if following is None:
            self.notice.say(ALL_DONE, "good")
        self.correct(following)

    def mark(self, study: str, corrected: bool) -> None:
        """Write into the cohort's table whether a reader is through with a study."""
        if self.folder is None:
            return
        row = self.table.rows[self.table.places[study]]
        row = row.model_copy(update={"corrected": corrected})
        try:
            append_rows(self.folder, [row])
        except MedadError as error:
            self.notice.say(str(error), "error")
            return
        self.list.show_table(self.table.updated([row]))

    # Asking ---------------------------------------------------------------------------------

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of a cohort's results")
        if folder:
            self.open(Path(folder))

    def _ask(self, question: str) -> bool:
        answer = QMessageBox.question(self, "MedAD", question)
        return answer == QMessageBox.StandardButton.Yes

    def closeEvent(self, event: Any) -> None:
        """Follow no longer."""
        self.following.stop()
        self.start.close_work()
        self.cases.close()
        self.work.wait(2)
        super().closeEvent(event)


def _plain(key: str) -> str:
    return key.replace("-", "+")
