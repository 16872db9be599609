"""A figure of every slice as a curve; a click goes to the slice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from napari.settings import get_settings
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

CURVE, MARK = "#2f9fd6", "#f4a43c"


def theme_colours() -> tuple[str, str]:
    """Background and text colour of napari's theme."""
    from napari.utils.theme import get_theme

    theme = get_theme(get_settings().appearance.theme)
    return theme.background.as_hex(), theme.text.as_hex()


class SliceProfile(pg.PlotWidget):
    """Slice number against score.

    Parameters
    ----------
    label : str
        What the curve shows.

    Signals
    -------
    clicked : int
        Slice number.
    """

    clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None, *, label: str = "score") -> None:
        super().__init__(parent)
        self.setMinimumHeight(120)
        self.setMaximumHeight(170)
        self.setMenuEnabled(False)
        self.setMouseEnabled(x=False, y=False)
        self.hideButtons()
        self.curve = self.plot([], [], pen=pg.mkPen(CURVE, width=2))
        self.line = pg.InfiniteLine(0, angle=90, pen=pg.mkPen(MARK, width=2))
        self.addItem(self.line)
        self.line.setVisible(False)
        self.setLabel("left", label)
        self.getAxis("left").enableAutoSIPrefix(False)
        self.scene().sigMouseClicked.connect(self._on_click)
        self.dress()
        get_settings().appearance.events.theme.connect(self.dress)

    def dress(self, event: Any = None) -> None:
        """Take the colours of napari's theme."""
        background, text = theme_colours()
        self.setBackground(background)
        for side in ("left", "bottom"):
            self.getAxis(side).setPen(text)
            self.getAxis(side).setTextPen(text)

    def show_scores(self, scores: np.ndarray, axis: str) -> None:
        """Show scores [slices]; NaN leaves a gap."""
        self.curve.setData(np.arange(scores.size), scores, connect="finite")
        self.setLabel("bottom", f"{axis} slice")
        self.line.setVisible(True)

    def mark(self, index: int) -> None:
        """Mark the slice in view."""
        self.line.setValue(index)

    def _on_click(self, event: Any) -> None:
        point = self.getViewBox().mapSceneToView(event.scenePos())
        self.clicked.emit(round(point.x()))

    def closeEvent(self, event: Any) -> None:
        """Stop following the theme."""
        get_settings().appearance.events.theme.disconnect(self.dress)
        super().closeEvent(event)
