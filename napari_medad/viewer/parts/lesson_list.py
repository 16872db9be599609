"""Which corrected scans a lesson is from: those being corrected here, and saved ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_medad.corrections.lesson import example_of, read_lessons
from napari_medad.errors import MedadError
from napari_medad.viewer.parts.notice import Notice
from napari_medad.viewer.worker import Work

if TYPE_CHECKING:
    from napari_medad.corrections.correction import Correction
    from napari_medad.detectors.recipe import Example
    from napari_medad.viewer.session import Session


class LessonList(QWidget):
    """Corrections to learn from, each with a check mark.

    Parameters
    ----------
    session : Session

    Signals
    -------
    changed
    """

    changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.saved: dict[str, Example] = {}
        self.reading = Work(self)
        self.list, self.notice = QListWidget(self), Notice(self)
        self.list.setMinimumHeight(90)
        self.list.setMaximumHeight(150)
        self.add_button = QPushButton("Add saved corrections…", self)
        row = QHBoxLayout()
        row.addWidget(QLabel("Learn from", self), 1)
        row.addWidget(self.add_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self.list)
        layout.addWidget(self.notice)
        self.add_button.clicked.connect(self._choose)
        self.list.itemChanged.connect(lambda _: self.changed.emit())
        self.reading.finished.connect(self._on_read)
        self.reading.failed.connect(lambda sentence: self.notice.say(sentence, "error"))
        session.corrections_changed.connect(self.refresh)
        self.refresh()

    def add(self, folder: Path) -> None:
        """Read the corrections of a folder in a thread."""
        self.notice.say("Reading …")
        self.reading.start(lambda report: read_lessons(folder))

    def examples(self) -> tuple[Example, ...]:
        """The checked corrections as training takes them.

        Raises
        ------
        MedadError
            If none is checked.
        """
        found = []
        for row in range(self.list.count()):
            item = self.list.item(row)
            if item.checkState() == Qt.CheckState.Checked:
                held = item.data(Qt.ItemDataRole.UserRole)
                found.append(self.saved[held] if isinstance(held, str) else example_of(held))
        if not found:
            raise MedadError(
                "There is no corrected scan to learn from; correct a detection in the Correct "
                "dock, or add saved corrections."
            )
        return tuple(found)

    def refresh(self, correction: Correction | None = None) -> None:
        """List the corrections that go on, and the saved ones."""
        kept = {
            self.list.item(row).text(): self.list.item(row).checkState()
            for row in range(self.list.count())
        }
        self.list.blockSignals(True)
        self.list.clear()
        entries: list[tuple[str, object]] = [
            (f"{case} · {detector} (being corrected)", going_on)
            for (case, detector), going_on in self.session.corrections.items()
        ]
        entries += [(f"{name} (saved)", name) for name in self.saved]
        for text, held in entries:
            item = QListWidgetItem(text)
            item.setFlags(Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled)
            item.setCheckState(kept.get(text, Qt.CheckState.Checked))
            item.setData(Qt.ItemDataRole.UserRole, held)
            self.list.addItem(item)
        self.list.blockSignals(False)
        if not entries:
            self.notice.say("Correct a detection in the Correct dock, or add saved corrections.")
        else:
            self.notice.say("")
        self.changed.emit()

    def _on_read(self, examples: list[Example]) -> None:
        for example in examples:
            self.saved[example.patient] = example
        self.refresh()

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of saved corrections")
        if folder:
            self.add(Path(folder))
