"""All slices of a volume in a row, coloured by their labels; a click goes to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

COLOURS = {0: "#2f9fd6", 1: "#e0703a"}
"""Of normal and abnormal slices; told apart by colour-blind eyes, too."""
FREE = "#7c818a"


class SliceStrip(QWidget):
    """A bar a slice: low where it is normal, high where abnormal, a dot where it has no label.

    Signals
    -------
    clicked : int
        Slice number.
    """

    clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.labels: Mapping[int, int] = {}
        self.count, self.current = 0, 0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip("Low and blue: normal; high and orange: abnormal. A click goes there.")

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(300, 46)

    def show_labels(self, labels: Mapping[int, int], count: int, current: int) -> None:
        """Show labels by slice, of so many slices, one of them in view."""
        self.labels, self.count, self.current = labels, count, current
        self.update()

    def paintEvent(self, event: Any) -> None:
        """Draw the bars and the slice in view."""
        if not self.count:
            return
        painter = QPainter(self)
        width, height = self.width() / self.count, self.height()
        for z in range(self.count):
            label = self.labels.get(z)
            tall = {None: 3.0, 0: 0.4 * height, 1: 0.9 * height}[label]
            colour = QColor(FREE if label is None else COLOURS[label])
            gap = 1 if width > 3 else 0
            painter.fillRect(QRectF(z * width, height - tall, max(width - gap, 1), tall), colour)
        painter.setPen(QPen(QColor("#f4c43c"), 2))
        middle = (self.current + 0.5) * width
        painter.drawLine(round(middle), 0, round(middle), height)
        painter.end()

    def mousePressEvent(self, event: Any) -> None:
        """Go to the slice under the pointer."""
        if self.count:
            z = int(event.position().x() / self.width() * self.count)
            self.clicked.emit(min(max(z, 0), self.count - 1))
