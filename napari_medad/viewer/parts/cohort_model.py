"""A cohort's table for Qt, which asks for nothing but the rows in view."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QColor

from napari_medad.cohorts.summary import Row
from napari_medad.cohorts.table import COLUMNS, Choice, CohortTable

HEADINGS = ("Study", "State", "Score", "Findings", "mL", "Corrected")
TIPS = (
    "Name of the study",
    "Done, failed, or waiting to be looked at",
    "Highest slice score",
    "Number of findings",
    "Volume of all findings together, millilitres",
    "Ticked where a reader is through with the study",
)
STUDY, STATE, SCORE, FINDINGS, VOLUME, DONE = range(len(COLUMNS))
FAILED = "#e05a4f"
ROLE = Qt.ItemDataRole


class CohortModel(QAbstractTableModel):
    """The rows that pass the filter, sorted.

    Signals
    -------
    marked : str, bool
        A study, and whether the user says that it is corrected.
    """

    marked = Signal(str, bool)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.table = CohortTable()
        self.places = np.empty(0, np.int64)
        self._filter: dict[str, Any] = {}
        self._sorting = (SCORE, True)

    # What is shown --------------------------------------------------------------------------

    def show_table(self, table: CohortTable) -> None:
        """Show other rows, filtered and sorted as before."""
        self.beginResetModel()
        self.table = table
        self._arrange()
        self.endResetModel()

    def filter(self, *, choice: Choice, text: str, least: float | None) -> None:
        """Show only rows that pass; see `CohortTable.matching`."""
        self.beginResetModel()
        self._filter = {"choice": choice, "text": text, "least": least}
        self._arrange()
        self.endResetModel()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column."""
        self.beginResetModel()
        self._sorting = column, order == Qt.SortOrder.DescendingOrder
        self._arrange()
        self.endResetModel()

    def _arrange(self) -> None:
        column, descending = self._sorting
        shown = self.table.matching(**self._filter)
        self.places = self.table.sorted(shown, COLUMNS[column], descending=descending)

    def at(self, row: int) -> Row:
        """The study in a shown row."""
        return self.table.rows[self.places[row]]

    def row_of(self, study: str) -> int | None:
        """Where a study is shown; None where it is filtered away."""
        found = np.flatnonzero(self.places == self.table.places.get(study, -1))
        return int(found[0]) if found.size else None

    # For Qt ---------------------------------------------------------------------------------

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Rows that pass the filter."""
        return 0 if parent is not None and parent.isValid() else len(self.places)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Always the same."""
        return len(HEADINGS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        """Names of the columns, with tips."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        return {ROLE.DisplayRole: HEADINGS[section], ROLE.ToolTipRole: TIPS[section]}.get(
            ROLE(role)
        )

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """What is done can be ticked as corrected."""
        flags = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
        if index.column() == DONE and self.at(index.row()).state == "done":
            flags |= Qt.ItemFlag.ItemIsUserCheckable
        return flags

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """A cell."""
        row, column = self.at(index.row()), index.column()
        if role == ROLE.DisplayRole:
            return _cell(row, column)
        if role == ROLE.TextAlignmentRole and column in (SCORE, FINDINGS, VOLUME):
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == ROLE.ToolTipRole:
            return row.reason or row.study
        if role == ROLE.ForegroundRole and row.state == "failed":
            return QColor(FAILED)
        if role == ROLE.CheckStateRole and column == DONE and row.state == "done":
            return Qt.CheckState.Checked if row.corrected else Qt.CheckState.Unchecked
        return None

    def setData(self, index: QModelIndex, value: Any, role: int = 0) -> bool:
        """A tick: tells `marked`, for the file decides."""
        if role != ROLE.CheckStateRole or index.column() != DONE:
            return False
        self.marked.emit(self.at(index.row()).study, Qt.CheckState(value) == Qt.CheckState.Checked)
        return True


def _cell(row: Row, column: int) -> str:
    if column == STUDY:
        return row.study
    if column == STATE:
        return row.state
    if column == SCORE:
        return "" if row.score is None else f"{row.score:.3g}"
    if column == FINDINGS:
        return "" if row.findings is None else str(row.findings)
    if column == VOLUME:
        return "" if row.volume_ml is None else f"{row.volume_ml:.2f}"
    return ""
