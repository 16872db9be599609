"""What a lesson changed, scan by scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

if TYPE_CHECKING:
    from napari_medad.evaluation.before_after import Change

HEADINGS = ("Scan", "AP", "Dice")
BETTER, WORSE = "#1f9d61", "#e05a4f"
NOTICED = 0.01
"""A difference smaller than this has no colour."""


class ChangeTable(QTableWidget):
    """Average precision and Dice, before and after."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(HEADINGS), parent)
        self.setHorizontalHeaderLabels(HEADINGS)
        self.verticalHeader().setVisible(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setMinimumHeight(130)
        self.horizontalHeaderItem(1).setToolTip("Average precision, before and after")
        self.horizontalHeaderItem(2).setToolTip("Dice at each model's threshold, before and after")
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)

    def show_changes(self, changes: Sequence[Change]) -> None:
        """One row a scan."""
        self.setRowCount(len(changes))
        for row, change in enumerate(changes):
            told = "" if change.corrected else " (not taught)"
            self.setItem(row, 0, QTableWidgetItem(f"{change.case}{told}"))
            self.item(row, 0).setToolTip(
                "Against your corrected mask"
                if change.corrected
                else "A synthetic patient of known truth: what was known must not be forgotten"
            )
            pairs = (
                (change.before.average_precision, change.after.average_precision),
                (change.before.dice, change.after.dice),
            )
            for column, pair in enumerate(pairs, start=1):
                self.setItem(row, column, _cell(*pair))


def _cell(before: float | None, after: float | None) -> QTableWidgetItem:
    if before is None or after is None:
        return QTableWidgetItem("")
    item = QTableWidgetItem(f"{before:.2f} → {after:.2f}")
    item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
    if abs(after - before) >= NOTICED:
        item.setForeground(QColor(BETTER if after > before else WORSE))
    return item
