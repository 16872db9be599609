"""What a correction shows: table, verdicts, tools, measurements, and how work goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_medad.viewer.correction_layers import PROVENANCE_COLOURS
from napari_medad.viewer.parts.corrected_table import CorrectedTable
from napari_medad.viewer.parts.drawing_tools import DrawingTools
from napari_medad.viewer.parts.fold import Fold
from napari_medad.viewer.parts.measured_line import MeasuredLine
from napari_medad.viewer.parts.notice import Notice
from napari_medad.viewer.parts.scrolled import scrolled
from napari_medad.viewer.parts.shape_tools import ShapeTools
from napari_medad.viewer.parts.shortcuts import Shortcut, ShortcutList

if TYPE_CHECKING:
    from napari_medad.inference.progress import Progress

VERDICTS = {
    "accept": ("Accept", "The detector is right: confirm the chosen findings (Alt+A)"),
    "reject": ("Reject", "No lesion here: take the chosen findings away (Alt+R)"),
    "merge": ("Merge", "The chosen findings become one (Alt+M)"),
    "parts": ("Split", "Each unconnected part becomes a finding (Alt+S)"),
    "waist": ("Cut waist", "Cut a finding where it is narrow, as lesions grown together are"),
}
FOOTER = {
    "undo": ("Undo", "Take the latest change back, on whichever slice it is (Ctrl+Z)"),
    "redo": ("Redo", "Do again what was undone (Ctrl+Shift+Z)"),
    "save": ("Save…", "Write the corrected mask, its provenance, table and log"),
    "done": ("Done", "End the correction"),
}
TABLE_HEIGHT = 150


class CorrectionForm(QWidget):
    """Widgets alone; `Correcting` connects them.

    Parameters
    ----------
    shortcuts : sequence of Shortcut
        Listed at the bottom.
    """

    def __init__(self, shortcuts: Sequence[Shortcut], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: dict[str, QPushButton] = {}
        self.title, self.measured, self.autosaved = QLabel(self), MeasuredLine(self), QLabel(self)
        self.table, self.notice = CorrectedTable(self), Notice(self)
        self.category_box = QComboBox(self)
        self.drawing, self.shapes = DrawingTools(self), ShapeTools(self)
        self.provenance_box = QCheckBox("Show who said what of each voxel", self)
        self.diameters_box = QCheckBox("Draw the diameters on the scan", self)
        self.bar, self.where = QProgressBar(self), QLabel(self)
        self.title.setWordWrap(True)
        self.table.setMinimumHeight(TABLE_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        body = QWidget(self)
        self.body, self.scroll = QWidget(self), scrolled(body, self)
        outer = QVBoxLayout(body)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.body)
        layout.addWidget(self.scroll, 1)
        self._fill(QVBoxLayout(self.body), shortcuts)
        layout.addLayout(self._footer())

    def _fill(self, layout: QVBoxLayout, shortcuts: Sequence[Shortcut]) -> None:
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.title)
        layout.addWidget(self.table, 1)
        layout.addLayout(self._row(VERDICTS))
        layout.addLayout(self._category())
        layout.addWidget(self.measured)
        layout.addWidget(self.diameters_box)
        layout.addWidget(_heading("Draw"))
        layout.addWidget(self.drawing)
        layout.addWidget(_heading("Shape of the chosen finding"))
        layout.addWidget(self.shapes)
        layout.addWidget(self.provenance_box)
        self.legend = QLabel(
            "&nbsp; ".join(
                f"<span style='color:{colour}'>■</span> {kind.name.lower()}"
                for kind, colour in PROVENANCE_COLOURS.items()
            ),
            self,
        )
        self.legend.setVisible(False)
        self.provenance_box.toggled.connect(self.legend.setVisible)
        layout.addWidget(self.legend)
        self.keys = Fold("Keys", self)
        self.keys.addWidget(ShortcutList(shortcuts, self))
        layout.addWidget(self.keys)

    def _category(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.category_box.setEditable(True)
        self.category_box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.category_box.lineEdit().setPlaceholderText("what it is, e.g. oedema")
        row.addWidget(self.category_box, 1)
        row.addWidget(self._button("name", "Name", "Name the chosen findings"))
        return row

    def _footer(self) -> QVBoxLayout:
        layout = QVBoxLayout()
        layout.setContentsMargins(4, 0, 4, 4)
        self.footer = QWidget(self)
        self.footer.setLayout(self._row(FOOTER))
        layout.addWidget(self.footer)
        working = QHBoxLayout()
        working.addWidget(self.bar, 1)
        working.addWidget(self._button("cancel", "Cancel", "Stop what runs; nothing changes"))
        layout.addWidget(self.where)
        layout.addLayout(working)
        layout.addWidget(self.notice)
        layout.addWidget(self.autosaved)
        self.end_work()
        return layout

    def _row(self, named: dict[str, tuple[str, str]]) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        for name, (text, tip) in named.items():
            row.addWidget(self._button(name, text, tip))
        return row

    def _button(self, name: str, text: str, tip: str) -> QPushButton:
        self.buttons[name] = QPushButton(text, self)
        self.buttons[name].setToolTip(tip)
        return self.buttons[name]

    def show_editing(self, on: bool) -> None:
        """Everything, or only how the beginning of a correction goes."""
        for widget in (self.body, self.footer, self.autosaved):
            widget.setVisible(on)

    def offer_categories(self, names: Sequence[str]) -> None:
        """Offer names for findings; what is being typed stays."""
        typed = self.category_box.currentText()
        self.category_box.clear()
        self.category_box.addItems(list(names))
        self.category_box.setEditText(typed)

    def offer_steps(self, undo: str, redo: str) -> None:
        """Offer to undo and redo steps of these names; an empty one disables the button."""
        for name, step in (("undo", undo), ("redo", redo)):
            text, tip = FOOTER[name]
            self.buttons[name].setEnabled(bool(step))
            self.buttons[name].setToolTip(f"{text}: {step}" if step else tip)

    def begin_work(self, text: str) -> None:
        """Something runs that cannot say yet how long it will take."""
        self.bar.setRange(0, 0)
        self.where.setText(text)
        self._show_work(True)

    def show_progress(self, progress: Progress) -> None:
        """How far it is."""
        if progress.total > 1:
            self.bar.setRange(0, progress.total)
            self.bar.setValue(progress.done)

    def end_work(self) -> None:
        """Nothing runs any more."""
        self._show_work(False)

    def _show_work(self, on: bool) -> None:
        for widget in (self.bar, self.where, self.buttons["cancel"]):
            widget.setVisible(on)
        self.shapes.setEnabled(not on)


def _heading(text: str) -> QLabel:
    return QLabel(f"<b>{text}</b>")
