"""Which detection to correct, and whether an earlier correction of it is to be gone on with."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_medad.results.detection import Detection
from napari_medad.viewer.parts.notice import STYLES

NOTHING = "No detection yet: run a detector in the Detect dock, then correct its mask here."
ABOUT = (
    "The mask becomes yours: paint and erase, accept and reject, merge and split. Every change can "
    "be undone, and each voxel keeps who said what it is."
)


class CorrectionStart(QWidget):
    """Choices before a correction; starts nothing itself."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._detections: list[Detection] = []
        self.box, self.about, self.found = QComboBox(self), QLabel(self), QLabel(self)
        self.start_button = QPushButton("Start correcting", self)
        self.open_button = QPushButton("Open a saved one…", self)
        self.recover_button = QPushButton("Recover", self)
        self.forget_button = QPushButton("Drop it", self)
        for label in (self.about, self.found):
            label.setWordWrap(True)
        self.found.setStyleSheet(STYLES["warning"])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        for widget in (self.about, self.box, self.found):
            layout.addWidget(widget)
        for buttons in (
            (self.recover_button, self.forget_button),
            (self.start_button, self.open_button),
        ):
            row = QHBoxLayout()
            for button in buttons:
                row.addWidget(button)
            layout.addLayout(row)
        self.offer_recovery("")

    @property
    def detection(self) -> Detection | None:
        """The chosen detection."""
        index = self.box.currentIndex()
        return self._detections[index] if 0 <= index < len(self._detections) else None

    def offer(
        self, detections: Mapping[tuple[str, str], Detection], current: Detection | None
    ) -> None:
        """Offer detections; the current one is chosen."""
        self._detections = list(detections.values())
        self.box.blockSignals(True)
        self.box.clear()
        self.box.addItems([f"{case} · {detector}" for case, detector in detections])
        if current is not None and current in self._detections:
            self.box.setCurrentIndex(self._detections.index(current))
        self.box.blockSignals(False)
        there = bool(self._detections)
        self.about.setText(ABOUT if there else NOTHING)
        for widget in (self.box, self.start_button, self.open_button):
            widget.setVisible(there)

    def offer_recovery(self, when: str) -> None:
        """Say that a correction from then was not saved; an empty text hides it."""
        self.found.setText(f"A correction of {when} was not saved. Go on with it?")
        for widget in (self.found, self.recover_button, self.forget_button):
            widget.setVisible(bool(when))
