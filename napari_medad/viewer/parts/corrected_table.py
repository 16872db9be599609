"""The findings of a correction as a table in which several can be chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from napari_medad.corrections.finding_table import CorrectedFinding

COLUMNS = {
    "#": "Number of the finding, in the colour that it has in the scan; a double click changes it",
    "mL": "Volume in millilitres",
    "Max": "Highest anomaly score",
    "Slices": "First and last axial slice",
    "State": "detected: as the detector drew it; edited: part of it by hand; confirmed: accepted; "
    "drawn: all by hand",
    "Category": "What the finding is; a double click changes it",
}
EDITABLE = ("#", "Category")


class CorrectedTable(QTableWidget):
    """One row a finding; only rows that changed are written again.

    Signals
    -------
    chosen : list of int
        Findings that the user has selected, in the order of the rows.
    named : int, str
        A finding and the category that was typed into its row.
    renumbered : int, int
        A finding and the number that was typed into its row.
    """

    chosen = Signal(list)
    named = Signal(int, str)
    renumbered = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(COLUMNS), parent)
        self.colour: Callable[[int], Any] = lambda number: None
        self._items: dict[int, list[QTableWidgetItem]] = {}
        self._filling = False
        self.setHorizontalHeaderLabels(list(COLUMNS))
        for column, tip in enumerate(COLUMNS.values()):
            self.horizontalHeaderItem(column).setToolTip(tip)
        triggers = QAbstractItemView.EditTrigger
        self.setEditTriggers(triggers.DoubleClicked | triggers.EditKeyPressed)
        self.verticalHeader().setVisible(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        header = self.horizontalHeader()
        header.setStyleSheet("QHeaderView::section { padding: 3px 5px; }")
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        self.setSortingEnabled(True)
        self.sortItems(0)
        self.itemSelectionChanged.connect(self._on_selection)
        self.itemChanged.connect(self._on_edited)

    @property
    def ids(self) -> list[int]:
        """Findings that are selected, in the order of the rows."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        return [int(self.item(row, 0).data(Qt.ItemDataRole.DisplayRole)) for row in rows]

    @property
    def known(self) -> set[int]:
        """Findings that have a row."""
        return set(self._items)

    def fill(self, findings: Sequence[CorrectedFinding]) -> None:
        """Show these findings and keep the selection."""
        kept = set(self.ids)
        self._filling = True
        self.setSortingEnabled(False)
        self.setRowCount(0)
        self.setRowCount(len(findings))
        self._items = {}
        for row, finding in enumerate(findings):
            self._items[finding.id] = [QTableWidgetItem() for _ in COLUMNS]
            for column, item in enumerate(self._items[finding.id]):
                self.setItem(row, column, item)
            self._write(finding)
        self.setSortingEnabled(True)
        self._filling = False
        self.choose(kept)

    def update_rows(self, findings: Iterable[CorrectedFinding]) -> None:
        """Write rows that are there already again."""
        self._filling = True
        self.setSortingEnabled(False)
        for finding in findings:
            self._write(finding)
        self.setSortingEnabled(True)
        self._filling = False

    def choose(self, ids: Iterable[int]) -> None:
        """Select findings; those that are not there are left out."""
        self._filling = True
        self.clearSelection()
        for number in ids:
            for item in self._items.get(number, ()):
                item.setSelected(True)
        self._filling = False

    def _write(self, finding: CorrectedFinding) -> None:
        values: tuple[Any, ...] = (
            finding.id,
            round(finding.volume_ml, 2),
            float(f"{finding.max_score:.3g}"),
            f"{finding.slices[0]}–{finding.slices[1]}",
            finding.state,
            finding.category,
        )
        items = self._items[finding.id]
        for column, item, value in zip(COLUMNS, items, values, strict=True):
            if column not in EDITABLE:
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
            item.setData(Qt.ItemDataRole.DisplayRole, value)
            if not isinstance(value, str):
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        colour = self.colour(finding.id)
        if colour is not None:
            items[0].setData(Qt.ItemDataRole.DecorationRole, QColor.fromRgbF(*map(float, colour)))

    def _on_selection(self) -> None:
        if not self._filling:
            self.chosen.emit(self.ids)

    def _on_edited(self, item: QTableWidgetItem) -> None:
        if self._filling:
            return
        number = next((n for n, row in self._items.items() if any(i is item for i in row)), 0)
        if number and item is self._items[number][0]:
            self.renumbered.emit(number, int(item.data(Qt.ItemDataRole.DisplayRole)))
        elif number:
            self.named.emit(number, item.text())
