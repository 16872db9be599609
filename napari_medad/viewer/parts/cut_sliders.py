"""Sliders for threshold and minimum size that act while they move."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QSlider, QWidget

from napari_medad.results.detection import Detection
from napari_medad.results.threshold import STEPS, threshold_levels

MINIMUM_ML = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)


class CutSliders(QWidget):
    """Threshold and minimum size.

    The threshold's slider runs over the map's upper half by rank, ever finer towards the
    top, so that its whole length is of use on any map; the box beside it takes a number.

    Signals
    -------
    threshold_moved : float
    minimum_moved : float
        In mL.
    """

    threshold_moved = Signal(float)
    minimum_moved = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.levels = np.linspace(0, 1, STEPS + 1)
        self._maps: object = None
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        self.slider, self.size = QSlider(Qt.Orientation.Horizontal), QSlider()
        self.size.setOrientation(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.size.setRange(0, len(MINIMUM_ML) - 1)
        self.box, self.size_label = QDoubleSpinBox(self), QLabel(self)
        self.box.setDecimals(4)
        self.box.setRange(0, 1e6)
        self.box.setKeyboardTracking(False)
        self.box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        grid.addWidget(QLabel("Threshold"), 0, 0)
        grid.addWidget(self.slider, 0, 1)
        grid.addWidget(self.box, 0, 2)
        grid.addWidget(QLabel("Smallest"), 1, 0)
        grid.addWidget(self.size, 1, 1)
        grid.addWidget(self.size_label, 1, 2)
        self.slider.valueChanged.connect(self._on_slider)
        self.box.valueChanged.connect(self._on_box)
        self.size.valueChanged.connect(self._on_size)

    @property
    def threshold(self) -> float:
        """Where the map is cut."""
        return float(self.box.value())

    @property
    def minimum_ml(self) -> float:
        """Smallest finding kept, mL."""
        return MINIMUM_ML[self.size.value()]

    def show_cut(self, detection: Detection) -> None:
        """Show a detection's threshold and minimum size without telling anyone."""
        if self._maps is not detection.maps:
            self._maps = detection.maps
            self.levels = threshold_levels(detection.maps["anomaly"], detection.foreground)
        for widget in (self.slider, self.box, self.size):
            widget.blockSignals(True)
        self.box.setDecimals(_decimals(self.levels))
        self.box.setValue(detection.threshold)
        self.slider.setValue(int(np.searchsorted(self.levels, detection.threshold)))
        nearest = int(np.argmin(np.abs(np.array(MINIMUM_ML) - detection.minimum_ml)))
        self.size.setValue(nearest)
        self.size_label.setText(f"{MINIMUM_ML[nearest]:g} mL")
        for widget in (self.slider, self.box, self.size):
            widget.blockSignals(False)

    def _on_slider(self, step: int) -> None:
        self.box.blockSignals(True)
        self.box.setValue(float(self.levels[step]))
        self.box.blockSignals(False)
        self.threshold_moved.emit(self.threshold)

    def _on_box(self, value: float) -> None:
        self.slider.blockSignals(True)
        self.slider.setValue(int(np.searchsorted(self.levels, value)))
        self.slider.blockSignals(False)
        self.threshold_moved.emit(value)

    def _on_size(self, step: int) -> None:
        self.size_label.setText(f"{MINIMUM_ML[step]:g} mL")
        self.minimum_moved.emit(self.minimum_ml)


def _decimals(levels: np.ndarray) -> int:
    """Enough decimals to tell the slider's steps apart."""
    top = max(float(levels[-1]), 1e-6)
    return int(np.clip(4 - np.floor(np.log10(top)), 1, 8))
