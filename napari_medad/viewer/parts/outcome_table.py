"""Missed lesions, false findings and found lesions as one table; a row goes there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QWidget

from napari_medad.evaluation.overlap import FALSE_NEGATIVE, FALSE_POSITIVE, SCHEMES, TRUE_POSITIVE
from napari_medad.viewer.parts.found_table import FoundTable

if TYPE_CHECKING:
    from napari_medad.evaluation.reference import Lesion, Measured

COLUMNS = ("", "mL", "Found", "Dice", "Slices")
TIPS = (
    "Missed: a lesion of which no voxel is found. False: a finding that touches no lesion",
    "Volume in millilitres",
    "Share of the lesion that is found",
    "Of the lesion, with the found pieces that touch it",
    "First and last axial slice",
)
MOST_ROWS = 400
"""False findings beyond are left out, the smallest first."""
KINDS = {
    "all": None,
    "missed": FALSE_NEGATIVE,
    "false": FALSE_POSITIVE,
    "found": TRUE_POSITIVE,
}
EMPTY = "Lesions of the reference and false findings appear here."


class Row(NamedTuple):
    """One row: what it is, by its label in the overlay, its cells, and where it goes."""

    kind: int
    cells: tuple[str, ...]
    place_zyx: tuple[int, int, int]


class OutcomeTable(FoundTable):
    """Missed lesions first, then false findings, then found lesions, the largest first.

    Signals
    -------
    chosen : tuple of int
        Position (z, y, x) of the row that the user has chosen.
    """

    chosen = Signal(tuple)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(COLUMNS, parent)
        self.rows: list[Row] = []
        self.kind = "all"
        for column, tip in enumerate(TIPS):
            self.horizontalHeaderItem(column).setToolTip(tip)
        self.itemSelectionChanged.connect(self._on_row)
        self.show_rows(None, "")

    def show_rows(self, measured: Measured | None, scheme: str) -> None:
        """Show rows of the wanted `kind`, one of `KINDS`, in the overlay's colours."""
        kept = self._kept()
        wanted = KINDS[self.kind]
        rows = [] if measured is None else list(_rows(measured))
        self.rows = [row for row in rows if wanted in (None, row.kind)]
        self.blockSignals(True)
        hint = EMPTY if measured is None else "None."
        self.fill([row.cells for row in self.rows], hint)
        self.clearSelection()
        for number, row in enumerate(self.rows):
            mark = self.item(number, 0)
            mark.setData(Qt.ItemDataRole.DecorationRole, QColor(SCHEMES[scheme][row.kind]))
            for column in range(1, len(COLUMNS)):
                flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                self.item(number, column).setTextAlignment(flags)
            if kept is not None and (row.kind, row.place_zyx) == kept:
                self.selectRow(number)
        self.blockSignals(False)

    def _kept(self) -> tuple[int, tuple[int, int, int]] | None:
        row = self._chosen_row()
        return None if row is None else (row.kind, row.place_zyx)

    def _chosen_row(self) -> Row | None:
        chosen = self.selectionModel().selectedRows()
        return self.rows[chosen[0].row()] if chosen and chosen[0].row() < len(self.rows) else None

    def _on_row(self) -> None:
        row = self._chosen_row()
        if row is not None:
            self.chosen.emit(row.place_zyx)


def _rows(measured: Measured) -> Iterator[Row]:
    for lesion in measured.lesions:
        if lesion.missed:
            yield _lesion(lesion, "missed", FALSE_NEGATIVE)
    for finding in measured.false_findings[:MOST_ROWS]:
        slices = f"{finding.slices[0]}–{finding.slices[1]}"
        cells = ("false", f"{finding.volume_ml:.2f}", "", "", slices)
        yield Row(FALSE_POSITIVE, cells, finding.peak_zyx)
    for lesion in measured.lesions:
        if not lesion.missed:
            yield _lesion(lesion, "found", TRUE_POSITIVE)


def _lesion(lesion: Lesion, what: str, kind: int) -> Row:
    cells = (
        what,
        f"{lesion.volume_ml:.2f}",
        f"{lesion.found_share:.0%}",
        f"{lesion.dice:.2f}",
        f"{lesion.slices[0]}–{lesion.slices[1]}",
    )
    return Row(kind, cells, lesion.place_zyx)
