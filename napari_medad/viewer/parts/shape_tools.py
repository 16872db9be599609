"""Buttons that change a finding's shape."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QPushButton, QWidget

SHAPES = {
    "grow": ("Grow", "Move the edge outward by this many millimetres"),
    "shrink": ("Shrink", "Move the edge inward by this many millimetres"),
    "smooth": ("Smooth", "Smooth the edge with a Gaussian of this many millimetres"),
    "holes": ("Fill holes", "Fill what the finding encloses: in the slices, or in 3D"),
    "between": ("Fill between slices", "Fill the empty slices between those you painted"),
}


class ShapeTools(QWidget):
    """Grow, shrink, smooth, fill.

    Signals
    -------
    wanted : str, float
        A key of `SHAPES`, and millimetres.
    """

    wanted = Signal(str, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.box = QDoubleSpinBox(self)
        self.box.setRange(0.1, 50.0)
        self.box.setDecimals(1)
        self.box.setSingleStep(0.5)
        self.box.setValue(1.0)
        self.box.setSuffix(" mm")
        self.buttons: dict[str, QPushButton] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(QLabel("By", self), 0, 0)
        grid.addWidget(self.box, 0, 1, 1, 2)
        for index, (name, (text, tip)) in enumerate(SHAPES.items()):
            button = QPushButton(text, self)
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, wanted=name: self._on_click(wanted))
            self.buttons[name] = button
            row, column = (0, 3 + index) if index < 3 else (1, 3 * (index - 3))
            grid.addWidget(button, row, column, 1, 1 if index < 3 else 3)

    def _on_click(self, name: str) -> None:
        self.wanted.emit(name, self.box.value())
