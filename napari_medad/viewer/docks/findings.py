"""The Findings dock: the table, the sliders, the slice profile; a click goes there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_medad.errors import MedadError
from napari_medad.results.detection import Detection
from napari_medad.results.findings import Finding, middle_of
from napari_medad.viewer.navigation import go_to, go_to_slice, slice_in_view
from napari_medad.viewer.orientation import dress
from napari_medad.viewer.parts.cut_sliders import CutSliders
from napari_medad.viewer.parts.notice import DOCK_WIDTH, Notice
from napari_medad.viewer.parts.slice_profile import SliceProfile
from napari_medad.viewer.session import session_of, unwrapped
from napari_medad.volumes.volume import AXES

if TYPE_CHECKING:
    from napari_medad.viewer.layers import DetectionLayers

COLUMNS = ("#", "mL", "Max", "Mean", "R, A, S (mm)", "Slices", "Category")
CATEGORY = COLUMNS.index("Category")
TIPS = (
    "Number of the finding; 1 is the largest",
    "Volume in millilitres",
    "Highest anomaly score",
    "Mean anomaly score",
    "Centre: millimetres to the right, to the front, upward",
    "First and last axial slice",
    "What the finding is, where the detector tells several abnormalities apart",
)
SETTLE_MS = 200
"""How long a slider must rest before findings are counted anew."""


class FindingsDock(QWidget):
    """Shows the session's current detection.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self.viewer = unwrapped(napari_viewer)
        self.session = session_of(napari_viewer)
        self.settling = QTimer(self)
        self.settling.setSingleShot(True)
        self.settling.setInterval(SETTLE_MS)
        self._filling = False
        self._build()
        self._connect()
        dress(self.viewer)
        self.show_detection(self.session.current)

    def _build(self) -> None:
        self.setMinimumWidth(DOCK_WIDTH)
        layout = QVBoxLayout(self)
        self.title, self.notice = QLabel(self), Notice(self)
        self.title.setWordWrap(True)
        self.sliders = CutSliders(self)
        self.table = QTableWidget(0, len(COLUMNS), self)
        self.table.setHorizontalHeaderLabels(COLUMNS)
        for column, tip in enumerate(TIPS):
            self.table.horizontalHeaderItem(column).setToolTip(tip)
        self.table.verticalHeader().setVisible(False)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSortingEnabled(True)
        header = self.table.horizontalHeader()
        header.setStyleSheet("QHeaderView::section { padding: 3px 5px; }")
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        self.table.sortItems(0)
        self.profile = SliceProfile(self)
        self.previous_button = QPushButton("◀ Previous", self)
        self.next_button = QPushButton("Next ▶", self)
        self.trust_button = QPushButton("Where not to trust", self)
        self.trust_button.setToolTip(
            "Show the top 5 % of the hallucination map as labels: the detector expects false "
            "alarms there"
        )
        self.save_button = QPushButton("Save …", self)
        for widget in (self.title, self.sliders, self.table):
            layout.addWidget(widget)
        layout.addLayout(_row(self.previous_button, self.next_button))
        layout.addWidget(self.profile)
        layout.addLayout(_row(self.trust_button, self.save_button))
        layout.addWidget(self.notice)
        layout.setStretchFactor(self.table, 1)
        self.previous_button.setToolTip("Alt+P")
        self.next_button.setToolTip("Alt+N")
        self.sliders.setToolTip("Alt+Up and Alt+Down move the threshold")

    def _connect(self) -> None:
        self.session.current_changed.connect(self.show_detection)
        self.session.selected_changed.connect(self._go_to)
        self.sliders.threshold_moved.connect(self._on_threshold)
        self.sliders.minimum_moved.connect(lambda _: self.settling.start())
        self.settling.timeout.connect(self._settle)
        self.table.itemSelectionChanged.connect(self._on_row)
        self.previous_button.clicked.connect(lambda: self.session.step(-1))
        self.next_button.clicked.connect(lambda: self.session.step(1))
        self.profile.clicked.connect(self._go_to_slice)
        self.viewer.dims.events.current_step.connect(self._follow_slice)
        self.trust_button.clicked.connect(self._show_trust)
        self.save_button.clicked.connect(self._save)
        self.viewer.bind_key("Alt-N", lambda _: self.session.step(1), overwrite=True)
        self.viewer.bind_key("Alt-P", lambda _: self.session.step(-1), overwrite=True)
        self.viewer.bind_key("Alt-Up", lambda _: self.session.nudge(1), overwrite=True)
        self.viewer.bind_key("Alt-Down", lambda _: self.session.nudge(-1), overwrite=True)

    @property
    def layers(self) -> DetectionLayers | None:
        """Layers of the current detection."""
        return self.session.layers_of_current

    # Showing --------------------------------------------------------------------------------

    def show_detection(self, detection: Detection | None) -> None:
        """Fill everything from a detection; None empties the dock."""
        there = detection is not None
        for widget in (self.sliders, self.table, self.profile, self.save_button):
            widget.setEnabled(there)
        for button in (self.previous_button, self.next_button):
            button.setEnabled(there)
        self.trust_button.setVisible(detection is not None and "hallucination" in detection.maps)
        if detection is None:
            self.title.setText("No detection yet: run a detector in the Detect dock.")
            return
        count = len(detection.findings)
        total = sum(f.volume_ml for f in detection.findings)
        mark = "<b style='color:#e05a4f'>UNTRAINED</b> · " if detection.record.untrained else ""
        self.title.setText(
            f"<b>{detection.study.name}</b> · {mark}{detection.detector} · {count} "
            f"finding{'' if count == 1 else 's'}, {total:.1f} mL"
        )
        self.sliders.show_cut(detection)
        self.profile.show_scores(detection.slice_scores, detection.record.axis)
        self._follow_slice()
        self._fill(detection.findings)
        if self.layers is not None and self.layers.mask is not None:
            self.layers.show_mask(detection)
            self.layers.choose(self.session.selected)

    def _fill(self, findings: list[Finding]) -> None:
        self._filling = True
        self.table.setSortingEnabled(False)
        self.table.setRowCount(len(findings))
        self.table.setColumnHidden(CATEGORY, not any(f.category for f in findings))
        for row, f in enumerate(findings):
            values: tuple[Any, ...] = (
                f.id,
                round(f.volume_ml, 2),
                float(f"{f.max_score:.3g}"),
                float(f"{f.mean_score:.3g}"),
                ", ".join(f"{c:.0f}" for c in f.centroid_ras),
                f"{f.slices[0]}–{f.slices[1]}",
                f.category,
            )
            for column, value in enumerate(values):
                item = QTableWidgetItem()
                item.setData(Qt.ItemDataRole.DisplayRole, value)
                if not isinstance(value, str):
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                self.table.setItem(row, column, item)
        self.table.setSortingEnabled(True)
        self._select_row(self.session.selected)
        self._filling = False

    def _select_row(self, number: int | None) -> None:
        for row in range(self.table.rowCount()):
            if self.table.item(row, 0).data(Qt.ItemDataRole.DisplayRole) == number:
                self.table.selectRow(row)
                return
        self.table.clearSelection()

    # Cutting --------------------------------------------------------------------------------

    def _on_threshold(self, threshold: float) -> None:
        if self.session.current is not None and self.layers is not None:
            self.layers.preview_cut(self.session.current, threshold)
        self.settling.start()

    def _settle(self) -> None:
        """Count findings at where the sliders stand."""
        self.session.selected = None
        self.session.cut(self.sliders.threshold, self.sliders.minimum_ml)

    # Going there ----------------------------------------------------------------------------

    def _on_row(self) -> None:
        rows = self.table.selectionModel().selectedRows()
        if rows and not self._filling:
            number = self.table.item(rows[0].row(), 0).data(Qt.ItemDataRole.DisplayRole)
            if number != self.session.selected:
                self.session.select(int(number))

    def _go_to(self, finding: Finding) -> None:
        """Put the sliders on the finding's middle and centre the view on it."""
        detection = self.session.current
        if detection is None or self.layers is None or self.layers.mask is None:
            return
        self.layers.choose(finding.id)
        middle = middle_of(finding, self.layers.mask.data, detection.volume)
        go_to(self.viewer, self.layers.mask, middle)
        self._filling = True
        self._select_row(finding.id)
        self._filling = False

    def _go_to_slice(self, index: int) -> None:
        detection = self.session.current
        if detection is not None and self.layers is not None and self.layers.mask is not None:
            go_to_slice(self.viewer, self.layers.mask, AXES[detection.record.axis], index)

    def _follow_slice(self, event: Any = None) -> None:
        detection = self.session.current
        if detection is not None and self.layers is not None and self.layers.mask is not None:
            axis = AXES[detection.record.axis]
            self.profile.mark(slice_in_view(self.viewer, self.layers.mask, axis))

    # Keeping --------------------------------------------------------------------------------

    def _show_trust(self) -> None:
        if self.session.current is not None and self.layers is not None:
            self.layers.hallucination_labels(self.session.current)

    def _save(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Save maps, mask, tables and record into")
        if folder:
            self.save(Path(folder))

    def save(self, folder: Path) -> None:
        """Write the current detection into a folder."""
        if self.session.current is None:
            return
        try:
            written = self.session.current.save(folder)
        except MedadError as error:
            self.notice.say(str(error), "error")
        else:
            self.notice.say(f"{len(written)} files written to {folder}", "good")


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    return row
