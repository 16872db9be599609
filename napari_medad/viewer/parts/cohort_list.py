"""The table of a cohort with its filters; a double click opens a study."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QModelIndex, Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_medad.cohorts.summary import Row
from napari_medad.cohorts.table import CHOICES, CohortTable
from napari_medad.viewer.parts.cohort_model import SCORE, STUDY, CohortModel

TYPING_MS = 150
ROW_HEIGHT = 24
TICKS = "QTableView::indicator:unchecked { border: 1px solid rgba(128, 128, 128, 190); }"
"""Edges of free boxes, which napari's themes leave hard to see."""
WIDTHS = {1: 62, 2: 58, 3: 66, 4: 58, 5: 74}
"""Of all columns but the study's, pixels."""


class CohortList(QWidget):
    """Filters above, the table below.

    Signals
    -------
    chosen : Row or None
    opened : Row
        By a double click or Enter.
    filtered
        Other rows are shown, or the same in another order.
    """

    chosen = Signal(object)
    opened = Signal(object)
    filtered = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = CohortModel(self)
        self.typing = QTimer(self)
        self.typing.setSingleShot(True)
        self.typing.setInterval(TYPING_MS)
        self._kept: str | None = None
        self._build()
        self._connect()

    def _build(self) -> None:
        self.text_edit, self.least_edit = QLineEdit(self), QLineEdit(self)
        self.text_edit.setPlaceholderText("Name or reason")
        self.text_edit.setClearButtonEnabled(True)
        self.least_edit.setPlaceholderText("any")
        self.least_edit.setToolTip("Lowest score of a study that is shown")
        self.least_edit.setFixedWidth(60)
        self.choice_box = QComboBox(self)
        self.choice_box.addItems(list(CHOICES))
        self.choice_box.setToolTip("“to correct”: done, and no reader is through with it")
        filters = QHBoxLayout()
        filters.addWidget(self.text_edit, 1)
        filters.addWidget(self.choice_box)
        filters.addWidget(QLabel("score ≥", self))
        filters.addWidget(self.least_edit)
        self.view = QTableView(self)
        self.view.setModel(self.model)
        self.view.setSortingEnabled(True)
        self.view.sortByColumn(SCORE, Qt.SortOrder.DescendingOrder)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setWordWrap(False)
        self.view.setStyleSheet(TICKS)
        rows, columns = self.view.verticalHeader(), self.view.horizontalHeader()
        rows.setVisible(False)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(ROW_HEIGHT)
        columns.setStyleSheet("QHeaderView::section { padding: 3px 5px; }")
        columns.setSectionResizeMode(STUDY, QHeaderView.ResizeMode.Stretch)
        for column, width in WIDTHS.items():
            self.view.setColumnWidth(column, width)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(filters)
        layout.addWidget(self.view, 1)

    def _connect(self) -> None:
        self.text_edit.textChanged.connect(lambda _: self.typing.start())
        self.least_edit.textChanged.connect(lambda _: self.typing.start())
        self.typing.timeout.connect(self.filter)
        self.choice_box.currentIndexChanged.connect(lambda _: self.filter())
        self.model.modelAboutToBeReset.connect(self._keep)
        self.model.modelReset.connect(self._restore)
        self.view.selectionModel().currentRowChanged.connect(self._on_row)
        self.view.activated.connect(lambda index: self.opened.emit(self.model.at(index.row())))

    @property
    def row(self) -> Row | None:
        """The study that is chosen."""
        index = self.view.selectionModel().currentIndex()
        return self.model.at(index.row()) if index.isValid() else None

    def show_table(self, table: CohortTable) -> None:
        """Show rows; the chosen study stays chosen, and the view where it is."""
        self.model.show_table(table)

    def filter(self) -> None:
        """Show only what the filters let through."""
        text = self.least_edit.text().strip().replace(",", ".")
        try:
            least = float(text) if text else None
        except ValueError:
            least = None
        self.least_edit.setStyleSheet("" if least is not None or not text else "color: #e05a4f;")
        choice: Any = self.choice_box.currentText()
        self.model.filter(choice=choice, text=self.text_edit.text(), least=least)

    def choose(self, study: str) -> None:
        """Choose a study and bring it into view, where it is shown."""
        row = self.model.row_of(study)
        if row is not None:
            self.view.setCurrentIndex(self.model.index(row, STUDY))

    def _keep(self) -> None:
        row = self.row
        self._kept = None if row is None else row.study
        self._scrolled = self.view.verticalScrollBar().value()

    def _restore(self) -> None:
        row = None if self._kept is None else self.model.row_of(self._kept)
        if row is not None:
            self.view.setCurrentIndex(self.model.index(row, STUDY))
        self.view.verticalScrollBar().setValue(self._scrolled)
        self.filtered.emit()

    def _on_row(self, index: QModelIndex, before: QModelIndex) -> None:
        self.chosen.emit(self.model.at(index.row()) if index.isValid() else None)
