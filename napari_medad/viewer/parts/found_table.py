"""A table of what a search has found, best first; a hint stands in it while it is empty."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from qtpy.QtCore import QRect, Qt
from qtpy.QtGui import QPainter
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget


class FoundTable(QTableWidget):
    """Rows of text; the last column takes the room that is left, and its words wrap.

    Parameters
    ----------
    headings : sequence of str
    """

    def __init__(self, headings: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(0, len(headings), parent)
        self.hint = ""
        self.setHorizontalHeaderLabels(list(headings))
        self.verticalHeader().setVisible(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumHeight(140)
        header = self.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(len(headings) - 1, QHeaderView.ResizeMode.Stretch)
        rows = self.verticalHeader()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)

    def fill(self, rows: Iterable[Sequence[str]], hint: str = "") -> None:
        """Show rows and choose the first, or a hint where there is none."""
        held = [list(row) for row in rows]
        self.hint = "" if held else hint
        self.setCurrentCell(-1, -1)
        self.setRowCount(len(held))
        for number, row in enumerate(held):
            for column, text in enumerate(row):
                self.setItem(number, column, QTableWidgetItem(text))
                self.item(number, column).setToolTip(text)
        if held:
            self.setCurrentCell(0, 0)
        self.viewport().update()

    def paintEvent(self, event: Any) -> None:
        """The hint in the middle of an empty table."""
        super().paintEvent(event)
        if self.hint and self.rowCount() == 0:
            painter, area = QPainter(self.viewport()), self.viewport().rect()
            room = QRect(area.left() + 12, area.top(), area.width() - 24, area.height())
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(room, int(flags), self.hint)
            painter.end()
