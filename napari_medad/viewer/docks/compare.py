"""The Compare dock: two detections of one scan, what only one has, and both as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import napari
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_medad.evaluation.agreement import RULES, Agreement, agreement, consensus
from napari_medad.results.findings import middle_of
from napari_medad.viewer.app import show_detection
from napari_medad.viewer.comparing import (
    BESIDE,
    DIFFERENCE,
    FIRST,
    FIRST_HIGHER,
    SECOND_HIGHER,
    VIEWS,
    ComparedLayers,
)
from napari_medad.viewer.navigation import go_to
from napari_medad.viewer.parts.found_table import FoundTable
from napari_medad.viewer.parts.notice import DOCK_WIDTH
from napari_medad.viewer.parts.run_footer import RunFooter
from napari_medad.viewer.session import session_of, unwrapped
from napari_medad.viewer.worker import Work

if TYPE_CHECKING:
    from napari_medad.results.detection import Detection
    from napari_medad.results.findings import Finding

FIGURES = ("", "First", "Second")
FIGURES_HEIGHT = 118
"""Of four rows and the heading, pixels."""
ALONE = ("Only in", "#", "mL", "Max", "Slices")
RULE_TIPS = (
    "The average of both, each on its own scale of ranks",
    "Found where any of them finds it",
    "Found where more than half of them find it",
)
TOO_FEW = "Run two detectors on one scan in the Detect dock, then compare them here."


class CompareDock(QWidget):
    """Lays two detections of one scan beside each other.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self.viewer = unwrapped(napari_viewer)
        self.session = session_of(napari_viewer)
        self.layers = ComparedLayers(self.viewer)
        self.work = Work(self)
        self.compared: tuple[Detection, Detection] | None = None
        self._alone: list[tuple[Detection, Finding]] = []
        self._after: Callable[[Any], None] = lambda answer: None
        self._build()
        self._connect()
        self._refill()

    # Layout ---------------------------------------------------------------------------------

    def _build(self) -> None:
        self.setMinimumWidth(DOCK_WIDTH)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.first_box, self.second_box = QComboBox(self), QComboBox(self)
        for box in (self.first_box, self.second_box):
            box.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            box.setMinimumContentsLength(14)
        self.figures, self.told = FoundTable(FIGURES, self), QLabel(self)
        self.figures.setFixedHeight(FIGURES_HEIGHT)
        self.figures.setSelectionMode(FoundTable.SelectionMode.NoSelection)
        header = self.figures.horizontalHeader()
        header.setSectionResizeMode(1, header.ResizeMode.Stretch)
        self.told.setWordWrap(True)
        self.legend = QLabel(self)
        self.legend.setWordWrap(True)
        self.views = [QPushButton(view, self) for view in VIEWS]
        for button in self.views:
            button.setCheckable(True)
            button.setAutoExclusive(True)
        self.alone = FoundTable(ALONE, self)
        self.rule_box, self.all_box = QComboBox(self), QCheckBox(self)
        for row, (rule, tip) in enumerate(zip(RULES, RULE_TIPS, strict=True)):
            self.rule_box.addItem(rule)
            self.rule_box.setItemData(row, tip, Qt.ItemDataRole.ToolTipRole)
        self.join_button = QPushButton("Make consensus", self)
        self.join_button.setToolTip("Becomes a detection of its own, for Findings and Export")
        self.footer = RunFooter(self)
        self.footer.run_button.setText("Compare")
        self._arrange()

    def _arrange(self) -> None:
        form = QFormLayout()
        form.addRow("First", self.first_box)
        form.addRow("Second", self.second_box)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.addLayout(form)
        layout.addWidget(self.told)
        layout.addWidget(self.figures)
        layout.addLayout(_row(*self.views))
        layout.addWidget(self.legend)
        layout.addWidget(QLabel("Findings that only one has", self))
        layout.addWidget(self.alone, 1)
        layout.addLayout(_row(QLabel("Consensus", self), self.rule_box, self.join_button))
        layout.addWidget(self.all_box)
        layout.setContentsMargins(9, 9, 9, 0)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(body, 1)
        outer.addWidget(self.footer)
        preferred, most = QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum
        self.footer.setSizePolicy(preferred, most)

    def _connect(self) -> None:
        self.session.current_changed.connect(self._refill)
        for box in (self.first_box, self.second_box):
            box.currentIndexChanged.connect(self._on_chosen)
        for button in self.views:
            button.clicked.connect(self._on_view)
        self.alone.itemSelectionChanged.connect(self._on_row)
        self.join_button.clicked.connect(self.join)
        self.footer.run_button.clicked.connect(self.run)
        self.footer.follow(self.work)
        self.work.finished.connect(lambda answer: self._after(answer))
        self.work.ended.connect(self._on_ended)

    # Choices --------------------------------------------------------------------------------

    def chosen(self) -> tuple[Detection | None, Detection | None]:
        """The two detections as they are now."""
        keys = (self.first_box.currentData(), self.second_box.currentData())
        first, second = (self.session.detections.get(tuple(k)) if k else None for k in keys)
        return first, second

    def _refill(self, event: Any = None) -> None:
        """List the session's detections; a threshold that has moved makes figures stale."""
        for place, box in enumerate((self.first_box, self.second_box)):
            kept = box.currentData()
            box.blockSignals(True)
            box.clear()
            keys = list(self.session.detections)
            for key in keys:
                mark = "UNTRAINED · " if self.session.detections[key].record.untrained else ""
                box.addItem(f"{key[0]} · {mark}{key[1]}", list(key))
            held = keys.index(tuple(kept)) if kept and tuple(kept) in keys else -1
            taken = self.first_box.currentIndex() if place else -1
            free = next((row for row in reversed(range(len(keys))) if row != taken), taken)
            box.setCurrentIndex(free if held in (-1, taken) else held)
            box.blockSignals(False)
        self._on_chosen()

    def _on_chosen(self, index: int = 0) -> None:
        if self.compared is not None and self.chosen() != self.compared:
            self._clear()
        self._offer()

    def _offer(self) -> None:
        first, second = self.chosen()
        reason = ""
        if len(self.session.detections) < 2:
            reason = TOO_FEW
        elif first is second:
            reason = "Choose two detections that differ."
        elif first is not None and second is not None and first.study.name != second.study.name:
            reason = "Choose two detections of one scan."
        same = self._of_the_scan()
        self.all_box.setText(f"Of all {len(same)} detections of this scan")
        self.all_box.setVisible(len(same) > 2)
        for widget in (self.join_button, self.rule_box):
            widget.setEnabled(not reason and not self.work.running)
        for button in self.views:
            button.setEnabled(self.compared is not None)
        if self.compared is None:
            self.figures.fill([], "Their figures appear here.")
            self.alone.fill([], "Findings that the other has nothing of appear here.")
            self.figures.setHorizontalHeaderLabels(FIGURES)
            self.told.setVisible(False)
            self.legend.setVisible(False)
        if not self.work.running:
            self.footer.offer(reason)

    def _of_the_scan(self) -> list[Detection]:
        first, _ = self.chosen()
        if first is None:
            return []
        held = self.session.detections.values()
        return [
            d for d in held if d.study.name == first.study.name and "consensus" not in d.detector
        ]

    def _clear(self) -> None:
        self.compared, self._alone = None, []
        self.layers.restore()
        self.layers.drop_difference()
        for button in self.views:
            button.setAutoExclusive(False)
            button.setChecked(False)
            button.setAutoExclusive(True)

    # Comparing ------------------------------------------------------------------------------

    def run(self) -> None:
        """Compare the two that are chosen."""
        first, second = self.chosen()
        if first is None or second is None or self.footer.reason:
            self.footer.say(self.footer.reason or TOO_FEW, "error")
            return

        def done(answer: Agreement) -> None:
            if self.chosen() == (first, second):  # else other ones have been chosen meanwhile
                self._show(first, second, answer)

        self._start("Comparing …", lambda report: agreement(first, second, progress=report), done)

    def _show(self, first: Detection, second: Detection, answer: Agreement) -> None:
        self.compared = first, second
        pair = (first, second)
        rows: list[list[str]] = [
            ["Findings", *(str(len(d.findings)) for d in pair)],
            ["Volume", *(f"{sum(f.volume_ml for f in d.findings):.2f} mL" for d in pair)],
            ["Found by it alone", f"{answer.first_ml:.2f} mL", f"{answer.second_ml:.2f} mL"],
            ["Threshold", *(f"{d.threshold:.3g}" for d in pair)],
        ]
        self.figures.fill(rows)
        self.figures.setHorizontalHeaderLabels(["", *(d.detector for d in pair)])
        dice = "no finding in either" if answer.dice is None else f"Dice {answer.dice:.2f}"
        ranks = "" if answer.correlation is None else f", rank correlation {answer.correlation:.2f}"
        self.told.setText(f"Agreement: <b>{dice}</b>, {answer.both_ml:.2f} mL in both{ranks}.")
        self.told.setVisible(True)
        self._alone = [(first, f) for f in answer.first_only]
        self._alone += [(second, f) for f in answer.second_only]
        self.alone.blockSignals(True)
        self.alone.fill(
            [
                [d.detector, str(f.id), f"{f.volume_ml:.2f}", f"{f.max_score:.3g}", _slices(f)]
                for d, f in self._alone
            ],
            "Every finding of each touches one of the other.",
        )
        self.alone.clearSelection()
        self.alone.blockSignals(False)
        self.layers.add_difference(first, second, answer.difference)
        self.views[VIEWS.index(DIFFERENCE)].setChecked(True)
        self._offer()
        self._on_view()

    def _on_view(self) -> None:
        view = next((b.text() for b in self.views if b.isChecked()), None)
        if view is None or self.compared is None:
            return
        first, second = (self.session.layers_of(d) for d in self.compared)
        if first is None or second is None:
            self.footer.say("The layers of one of them are gone; detect again.", "error")
            return
        self.layers.show(view, first, second)
        self.legend.setText(_legend(view, *(d.detector for d in self.compared)))
        self.legend.setVisible(True)

    def _on_row(self) -> None:
        rows = self.alone.selectionModel().selectedRows()
        if not rows:
            return
        detection, finding = self._alone[rows[0].row()]
        layers = self.session.layers_of(detection)
        if layers is not None and layers.mask is not None:
            layers.choose(finding.id)
            middle = middle_of(finding, layers.mask.data, detection.volume)
            go_to(self.viewer, layers.mask, middle)

    def join(self) -> None:
        """Make one detection of the two, or of all of the scan, and show it."""
        first, second = self.chosen()
        if first is None or second is None or self.work.running:
            return
        everything = not self.all_box.isHidden() and self.all_box.isChecked()
        joined = self._of_the_scan() if everything else [first, second]
        rule: Any = self.rule_box.currentText()

        def done(answer: Detection) -> None:
            self._clear()
            show_detection(self.viewer, answer)
            count = len(answer.findings)
            self.footer.say(
                f"The {rule} of {len(joined)} detections has {count} "
                f"finding{'' if count == 1 else 's'}; it is in the Findings dock.",
                "good",
            )

        def work(report: Any) -> Detection:
            answer = consensus(joined, rule, progress=report)
            _ = answer.findings  # counted here, not in the window's thread
            return answer

        self._start("Joining …", work, done)

    def _start(self, text: str, work: Callable[..., Any], done: Callable[[Any], None]) -> None:
        if self.work.running:
            return
        self._after = done
        self.footer.begin(text)
        self.join_button.setEnabled(False)
        self.work.start(work)

    def _on_ended(self) -> None:
        self.work.wait(1)  # its last words have come, so it is about to end
        self.footer.end(ready=not self.footer.reason)
        self._offer()

    def closeEvent(self, event: Any) -> None:
        """Stop what runs, and leave the viewer as it was."""
        self.work.cancel()
        self.work.wait(2)
        self._clear()
        super().closeEvent(event)


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    return row


def _legend(view: str, first: str, second: str) -> str:
    """Which is which in a view."""
    if view == BESIDE:
        return f"Left: {first}. Right: {second}."
    if view != DIFFERENCE:
        return f"Map and findings of {first if view == FIRST else second}."
    orange = f"<span style='color:{FIRST_HIGHER}'>■</span> higher in {first}"
    return f"{orange}&nbsp;&nbsp; <span style='color:{SECOND_HIGHER}'>■</span> higher in {second}"


def _slices(finding: Finding) -> str:
    return f"{finding.slices[0]}–{finding.slices[1]}"
