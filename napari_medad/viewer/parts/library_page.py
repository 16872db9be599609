"""A library of past studies: opened, filled, searched; what was found is opened beside the scan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_medad.errors import MedadError
from napari_medad.reports.library import ENDING, ReportLibrary
from napari_medad.viewer.parts.found_table import FoundTable
from napari_medad.viewer.parts.notice import Notice

if TYPE_CHECKING:
    from napari_medad.reports.library import Entry, Origin

SENTENCE, SCAN, REPORT, SENTENCES = "sentence", "scan", "report", "sentences"
KINDS = {
    SCAN: "Scans like this one",
    SENTENCE: "Scans that show a sentence",
    REPORT: "Reports that fit this scan",
    SENTENCES: "Sentences that fit this scan",
}
FILES = f"Report library (*{ENDING});;All files (*)"
LISTED = 200
"""Most cases listed before anything is searched for."""
NOTHING = "Open a library, or make a new one."


class LibraryPage(QWidget):
    """The open library and what it was searched for.

    Signals
    -------
    changed
        Another library, kind or sentence.
    add_wanted : object, bool
        A report's path, a manifest's path or None, and whether it is a manifest.
    rebuild_wanted
    open_wanted : object
        An `Entry` whose scan is to be shown.
    """

    changed = Signal()
    add_wanted = Signal(object, bool)
    rebuild_wanted = Signal()
    open_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.path: Path | None = None
        self.library: ReportLibrary | None = None
        self.entries: list[Entry] = []
        self.path_edit, self.kind_box = QLineEdit(self), QComboBox(self)
        self.path_edit.setReadOnly(True)
        self.path_edit.setPlaceholderText("no library is open")
        self.sentence_edit, self.notice = QLineEdit(self), Notice(self)
        self.sentence_edit.setPlaceholderText("Ring-enhancing lesion in the left parietal lobe")
        for kind, title in KINDS.items():
            self.kind_box.addItem(title, kind)
        self.open_button, self.new_button = QPushButton("Open…", self), QPushButton("New…", self)
        self.add_button = QPushButton("Add this scan…", self)
        self.table_button = QPushButton("Add many…", self)
        self.remove_button = QPushButton("Remove", self)
        self.rebuild_button = QPushButton("Rebuild", self)
        self.keep_box = QCheckBox("Keep the reports' words in the library", self)
        self.keep_box.setToolTip(
            "They may name patients. Without, the library holds numbers and paths only,\n"
            "and words are read from the reports' own files when they are shown."
        )
        self.table = FoundTable(("Score", "Found"), self)
        self.show_button = QPushButton("Open the case", self)
        self._build()
        self._connect()
        self._show()

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.addLayout(_row(self.path_edit, self.open_button, self.new_button, wide=0))
        layout.addWidget(self.notice)
        layout.addLayout(
            _row(self.add_button, self.table_button, self.remove_button, self.rebuild_button)
        )
        layout.addWidget(self.keep_box)
        form = QFormLayout()
        form.addRow("Find", self.kind_box)
        form.addRow("Sentence", self.sentence_edit)
        self.form = form
        layout.addLayout(form)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.show_button)
        self.table_button.setToolTip("A CSV or JSON table with the columns image and report")
        self.remove_button.setToolTip("Take the chosen case out of the library; its files stay")
        self.rebuild_button.setToolTip("Embed every case anew with the weights chosen above")

    def _connect(self) -> None:
        self.open_button.clicked.connect(self._choose)
        self.new_button.clicked.connect(self._choose_new)
        self.add_button.clicked.connect(self._choose_report)
        self.table_button.clicked.connect(self._choose_table)
        self.remove_button.clicked.connect(self.remove)
        self.rebuild_button.clicked.connect(self.rebuild_wanted)
        self.kind_box.currentIndexChanged.connect(self._on_kind)
        self.sentence_edit.textChanged.connect(self.changed)
        self.table.currentCellChanged.connect(lambda *_: self._offer())
        self.table.cellDoubleClicked.connect(lambda *_: self._open_chosen())
        self.show_button.clicked.connect(self._open_chosen)

    # The library ----------------------------------------------------------------------------

    @property
    def kind(self) -> str:
        """What is searched for, a key of `KINDS`."""
        return self.kind_box.currentData()

    def open(self, path: Path) -> None:
        """Open a library."""
        try:
            library = ReportLibrary.open(path)
        except MedadError as error:
            self.path = self.library = None
            self._show()
            self.notice.say(str(error), "error")
            return
        self.path, self.library = path, library
        self._show()

    def begin(self, path: Path) -> None:
        """Begin an empty library; a file of that name is replaced by the first case added."""
        self.path, self.library = path, None
        self._show()

    def keep(self, library: ReportLibrary) -> None:
        """Show a library that was changed and saved."""
        self.library = library
        self._show()

    def remove(self) -> None:
        """Take the chosen case out of the library."""
        entry = self.entry
        if self.library is None or self.path is None or entry is None:
            return
        try:
            self.library.remove([entry.name])
            self.library.save(self.path)
        except MedadError as error:
            self.open(self.path)
            self.notice.say(str(error), "error")
            return
        self._show()

    def check(self, origin: Origin) -> None:
        """Make sure that the library is of these weights.

        Raises
        ------
        OtherWeights
        """
        if self.library is not None:
            self.library.check(origin, self.path.name if self.path else "The library")

    def reason(self) -> str:
        """Why nothing can be searched now; empty where it can."""
        if self.path is None:
            return NOTHING
        if self.library is None or not len(self.library):
            return "The library is empty: add this scan with its report, or many from a table."
        if self.kind == SENTENCE and not self.sentence_edit.text().strip():
            return "Type the sentence to look for."
        return ""

    # What was found -------------------------------------------------------------------------

    @property
    def entry(self) -> Entry | None:
        """The chosen case."""
        row = self.table.currentRow()
        return self.entries[row] if 0 <= row < len(self.entries) else None

    def show_found(self, rows: Sequence[tuple[Entry, str, str]], hint: str = "") -> None:
        """List cases with score and words, best first."""
        self.entries = [entry for entry, _, _ in rows]
        self.table.fill(((score, text) for _, score, text in rows), hint)
        self._offer()

    def list_cases(self) -> None:
        """List what is in the library, as long as nothing was searched for."""
        held = self.library.entries[:LISTED] if self.library is not None else []
        self.show_found([(e, "", e.name) for e in held], "What is found appears here.")

    def _show(self) -> None:
        self.path_edit.setText("" if self.path is None else self.path.name)
        self.path_edit.setToolTip(str(self.path or ""))
        self.list_cases()
        library = self.library
        if library is None:
            self.notice.say("")
        else:
            count, told = len(library), sum(e.count > 0 for e in library.entries)
            cases = "1 case" if count == 1 else f"{count} cases"
            weights = f"weights '{library.origin.name}'"
            if library.origin.untrained:
                text = f"{cases}, UNTRAINED: embedded with random weights, likeness means nothing"
                self.notice.say(f"{text}.", "error")
            else:
                self.notice.say(f"{cases}, {told} with a report; {weights}.")
        self._on_kind()

    def _on_kind(self) -> None:
        self.form.setRowVisible(self.sentence_edit, self.kind == SENTENCE)
        self._offer()
        self.changed.emit()

    def _offer(self) -> None:
        held = self.library is not None and len(self.library) > 0
        for button in (self.add_button, self.table_button, self.keep_box):
            button.setEnabled(self.path is not None)
        self.rebuild_button.setEnabled(held)
        self.remove_button.setEnabled(self.entry is not None)
        self.show_button.setEnabled(self.entry is not None)

    def _open_chosen(self) -> None:
        if self.entry is not None:
            self.open_wanted.emit(self.entry)

    def _choose(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open a report library", "", FILES)
        if name:
            self.open(Path(name))

    def _choose_new(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "New report library", f"past{ENDING}", FILES)
        if name:
            self.begin(Path(name))

    def _choose_report(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Its report (text)", "", "Text (*.txt)")
        self.add_wanted.emit(Path(name) if name else None, False)

    def _choose_table(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, "Table with image and report", "", "Table (*.csv *.tsv *.json)"
        )
        if name:
            self.add_wanted.emit(Path(name), True)


def _row(*widgets: QWidget, wide: int = -1) -> QHBoxLayout:
    row = QHBoxLayout()
    for number, widget in enumerate(widgets):
        row.addWidget(widget, 1 if number == wide else 0)
    return row
