"""Sentences typed for the open scan, their scores, and where the best views looked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QLabel,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from napari_medad.reports.cases import sentences_in
from napari_medad.viewer.parts.found_table import FoundTable
from napari_medad.viewer.parts.notice import FRAMED

if TYPE_CHECKING:
    from napari_medad.reports.scan import EmbeddedScan, ScoredSentence

NOTHING = "Type a sentence, or paste a report."


class SentencePage(QWidget):
    """What is asked of the open scan, and its answer.

    Signals
    -------
    changed
        The text was changed.
    chosen : object, int
        A `ScoredSentence` whose map is to be shown, and one of its views, or -1 for all.
    """

    changed = Signal()
    chosen = Signal(object, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text_edit = QPlainTextEdit(self)
        self.text_edit.setPlaceholderText("Ring-enhancing lesion in the left parietal lobe.")
        self.text_edit.setTabChangesFocus(True)
        self.text_edit.setFixedHeight(84)
        self.text_edit.setStyleSheet(FRAMED)
        self.table = FoundTable(("Score", "Views", "Sentence"), self)
        self.view_box, self.coarse = QComboBox(self), QLabel(self)
        self.coarse.setWordWrap(True)
        self.found: list[ScoredSentence] = []
        self.choice = QWidget(self)
        form = QFormLayout(self.choice)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Map of", self.view_box)
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel("Sentences to look for; a report is taken sentence by sentence"))
        layout.addWidget(self.text_edit)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.choice)
        layout.addWidget(self.coarse)
        self.text_edit.textChanged.connect(self.changed)
        self.table.currentCellChanged.connect(lambda row, *_: self._choose(row))
        self.view_box.currentIndexChanged.connect(lambda _: self._tell())
        self.clear()

    def sentences(self) -> list[str]:
        """What was typed.

        Raises
        ------
        MedadError
            If it holds no sentence.
        """
        return sentences_in(self.text_edit.toPlainText())

    def reason(self) -> str:
        """Why nothing can be asked now; empty where it can."""
        return "" if self.text_edit.toPlainText().strip() else NOTHING

    def clear(self) -> None:
        """Forget the answers: another scan or other weights were chosen."""
        self.found = []
        self.table.fill((), "The scores appear here.")
        self.choice.setVisible(False)
        self.coarse.setVisible(False)

    def show_found(self, scan: EmbeddedScan, found: Sequence[ScoredSentence]) -> None:
        """List scored sentences, the likeliest first, and choose the first."""
        self.found = sorted(found, key=lambda s: -s.score)
        depth, height, width = scan.embedding.attention.shape[1:]
        deep = "none in depth" if depth == 1 else f"{depth} in depth"
        notes = " ".join(scan.embedding.notes)
        self.coarse.setText(
            f"The map is coarse: {height} × {width} cells in plane, {deep}. It says where the "
            f"views looked, not where a lesion ends. {notes}".strip()
        )
        for widget in (self.choice, self.coarse):
            widget.setVisible(True)
        self.table.fill(
            (f"{s.score:.3f}", ", ".join(map(str, s.best_views)), s.text) for s in self.found
        )

    def _choose(self, row: int) -> None:
        """Offer the views of a sentence, all together first."""
        if not 0 <= row < len(self.found):
            return
        sentence = self.found[row]
        self.view_box.blockSignals(True)
        self.view_box.clear()
        self.view_box.addItem("its views, the best ones most", -1)
        for view in sentence.best_views:
            self.view_box.addItem(f"view {view} alone ({sentence.cosines[view]:.3f})", view)
        self.view_box.blockSignals(False)
        self._tell()

    def _tell(self) -> None:
        row = self.table.currentRow()
        if 0 <= row < len(self.found):
            self.chosen.emit(self.found[row], int(self.view_box.currentData()))
