"""A language model's draft for the open scan, and its answers on a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_medad.atomic import replacing
from napari_medad.errors import MedadError
from napari_medad.reports.questions import answers_json
from napari_medad.viewer.parts.found_table import FoundTable
from napari_medad.viewer.parts.notice import FRAMED, Notice

if TYPE_CHECKING:
    from napari_medad.reports.draft import Draft
    from napari_medad.reports.questions import Answer

DRAFT, ANSWERS = "draft", "answers"
STANDINGS = {"answered": "", "not understood": "not understood: ", "missing": "not answered"}


class WritingPage(QWidget):
    """What a language model is to do, and what it did.

    Signals
    -------
    changed
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.folder_edit, self.folder_button = QLineEdit(self), QPushButton("…", self)
        self.folder_edit.setPlaceholderText("Folder with model and tokenizer")
        self.folder_button.setFixedWidth(34)
        self.task_box = QComboBox(self)
        self.task_box.addItem("Draft a report for this scan", DRAFT)
        self.task_box.addItem("Answer the paper's questions on a report", ANSWERS)
        self.report_edit, self.draft_view = QPlainTextEdit(self), QPlainTextEdit(self)
        self.report_edit.setPlaceholderText("Paste the report here; it stays on this machine.")
        self.report_edit.setFixedHeight(110)
        self.report_edit.setTabChangesFocus(True)
        self.draft_view.setReadOnly(True)
        for edit in (self.report_edit, self.draft_view):
            edit.setStyleSheet(FRAMED)
        self.draft_view.setPlaceholderText(
            "A draft from the library's sentences that fit this scan appears here, marked as one."
        )
        self.answers = FoundTable(("Question", "Answer"), self)
        self.answers.fill((), "The answers appear here.")
        self.results, self.save_button = QStackedWidget(self), QPushButton("Save…", self)
        self.results.addWidget(self.draft_view)
        self.results.addWidget(self.answers)
        self.notice = Notice(self)
        self.draft: Draft | None = None
        self.found: tuple[Answer, ...] = ()
        self._build()
        self._on_task()

    def _build(self) -> None:
        form, beside = QFormLayout(), QHBoxLayout()
        beside.addWidget(self.folder_edit, 1)
        beside.addWidget(self.folder_button)
        form.addRow("Language model", beside)
        form.addRow("Task", self.task_box)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.report_edit)
        layout.addWidget(self.results, 1)
        layout.addWidget(self.save_button)
        layout.addWidget(self.notice)
        self.task_box.currentIndexChanged.connect(self._on_task)
        self.folder_edit.textChanged.connect(self.changed)
        self.report_edit.textChanged.connect(self.changed)
        self.folder_button.clicked.connect(self._choose)
        self.save_button.clicked.connect(self._choose_file)

    @property
    def task(self) -> str:
        """What the model is to do."""
        return self.task_box.currentData()

    @property
    def folder(self) -> Path:
        """The language model's."""
        return Path(self.folder_edit.text().strip()).expanduser()

    def reason(self) -> str:
        """Why nothing can be written now; empty where it can."""
        if not self.folder_edit.text().strip():
            return "Choose the folder of a language model (transformers, safetensors)."
        if self.task == ANSWERS and not self.report_edit.toPlainText().strip():
            return "Paste the report that is to be read."
        return ""

    def show_draft(self, draft: Draft | None) -> None:
        """Show a draft with its mark; None: that of another scan is put away."""
        self.draft = draft
        self.draft_view.setPlainText("" if draft is None else draft.text)
        self._on_task()

    def show_answers(self, found: Sequence[Answer], model: str) -> None:
        """Show answers; those in other words than allowed are marked, none is guessed."""
        self.found, self.model = tuple(found), model
        self.answers.fill(
            (a.question.name, STANDINGS[a.standing] + ("; ".join(a.values) or a.said))
            for a in found
        )
        self._on_task()

    def save(self, path: Path) -> None:
        """Write the draft into a folder, or the answers into a JSON file."""
        try:
            if self.task == DRAFT and self.draft is not None:
                path = self.draft.save(path)
            elif self.task == ANSWERS:
                with replacing(path) as part:
                    part.write_text(answers_json(self.found, self.model), encoding="utf-8")
        except MedadError as error:
            self.notice.say(str(error), "error")
            return
        self.notice.say(f"Written to {path}.", "good")

    def _on_task(self) -> None:
        drafting = self.task == DRAFT
        self.report_edit.setVisible(not drafting)
        self.results.setCurrentWidget(self.draft_view if drafting else self.answers)
        self.save_button.setText("Save the draft…" if drafting else "Save the answers…")
        self.save_button.setEnabled(bool(self.draft if drafting else self.found))
        self.notice.say("")
        self.changed.emit()

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of a language model")
        if folder:
            self.folder_edit.setText(folder)

    def _choose_file(self) -> None:
        if self.task == DRAFT:
            name = QFileDialog.getExistingDirectory(self, "Folder for the draft")
        else:
            name, _ = QFileDialog.getSaveFileName(self, "Answers", "answers.json", "JSON (*.json)")
        if name:
            self.save(Path(name))
