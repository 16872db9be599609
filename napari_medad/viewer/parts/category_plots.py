"""Several categories in every slice: scores as a heat map, probabilities as curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyqtgraph as pg
from napari.settings import get_settings
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QFont
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_medad.viewer.parts.loss_curves import COLOURS
from napari_medad.viewer.parts.slice_profile import MARK, theme_colours

NAME_WIDTH = 132
"""Room for the names beside the plots, pixels."""
LONGEST_NAME = 19
LINES = {
    Qt.PenStyle.SolidLine: "━━",
    Qt.PenStyle.DashLine: "╍╍",
    Qt.PenStyle.DotLine: "┈┈",
}
"""How the legend draws a curve's style."""


class CategoryPlots(QWidget):
    """Categories by slices.

    Signals
    -------
    clicked : int
        Slice number.
    """

    clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.names: tuple[str, ...] = ()
        self.heat, self.curves = pg.PlotWidget(self), pg.PlotWidget(self)
        self.image = pg.ImageItem(axisOrder="row-major")
        self.image.setColorMap(pg.colormap.get("magma"))
        self.dots = pg.ScatterPlotItem(size=5, pen=None, brush="#2fd6ff")
        self.lines = [pg.InfiniteLine(0, angle=90, pen=pg.mkPen(MARK, width=2)) for _ in range(2)]
        self.heat.addItem(self.image)
        self.heat.addItem(self.dots)
        self.about = QLabel(
            "Above: likeness to the nearest sign; blue dots are decisions. Below: probability "
            "against the normal sentence.",
            self,
        )
        self.legend = QLabel(self)
        for label in (self.about, self.legend):
            label.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        for plot, line in zip((self.heat, self.curves), self.lines, strict=True):
            plot.addItem(line)
            plot.setMenuEnabled(False)
            plot.setMouseEnabled(x=False, y=False)
            plot.hideButtons()
            plot.scene().sigMouseClicked.connect(
                lambda event, plot=plot: self._on_click(plot, event)
            )
            plot.getAxis("left").setWidth(NAME_WIDTH)
            plot.getAxis("left").setStyle(
                tickFont=small_font(self), hideOverlappingLabels=False, autoExpandTextSpace=False
            )
            layout.addWidget(plot, 1)
        layout.insertWidget(1, self.about)
        layout.addWidget(self.legend)
        self.heat.getViewBox().invertY(True)
        self.curves.setLabel("left", "probability")
        self.curves.getAxis("left").enableAutoSIPrefix(False)
        self.curves.setYRange(0, 1)
        self.dress()
        get_settings().appearance.events.theme.connect(self.dress)

    def dress(self, event: Any = None) -> None:
        """Take the colours of napari's theme."""
        background, text = theme_colours()
        for plot in (self.heat, self.curves):
            plot.setBackground(background)
            for side in ("left", "bottom"):
                plot.getAxis(side).setPen(text)
                plot.getAxis(side).setTextPen(text)

    def show_scores(
        self,
        scores: Mapping[str, np.ndarray],
        chances: Mapping[str, np.ndarray],
        present: Mapping[str, np.ndarray],
        axis: str,
    ) -> None:
        """Show scores, probabilities and decisions [slices] by category; NaN leaves a gap."""
        self.names = tuple(scores)
        table = np.stack(list(scores.values())) if scores else np.zeros((0, 0), np.float32)
        self._show_heat(table)
        rows = [(row, name) for row, name in enumerate(self.names) if name in present]
        spots = [(z, row) for row, name in rows for z in np.flatnonzero(present[name])]
        self.dots.setData(*np.array(spots, float).reshape(-1, 2).T)
        for curve in list(self.curves.listDataItems()):
            self.curves.removeItem(curve)
        for row, values in enumerate(chances.values()):
            pen = pg.mkPen(colour_of(row), width=2, style=style_of(row))
            self.curves.plot(np.arange(values.size), values, pen=pen, connect="finite")
        self.legend.setText(
            " &nbsp; ".join(
                f"<span style='color:{colour_of(row)}'>{LINES[style_of(row)]}</span> {name}"
                for row, name in enumerate(self.names)
            )
        )
        ticks = [(row, short_name(name)) for row, name in enumerate(self.names)]
        self.heat.getAxis("left").setTicks([ticks])
        self.heat.setMinimumHeight(50 + 17 * len(self.names))
        for plot in (self.heat, self.curves):
            plot.setLabel("bottom", f"{axis} slice")
            plot.setXRange(-0.5, table.shape[1] - 0.5, padding=0)

    def _show_heat(self, table: np.ndarray) -> None:
        known = table[np.isfinite(table)]
        if not known.size:
            self.image.clear()
            return
        low, high = float(known.min()), float(known.max())
        self.image.setImage(
            np.nan_to_num(table, nan=low), levels=(low, max(high, low + 1e-6)), autoLevels=False
        )
        self.image.setRect(-0.5, -0.5, table.shape[1], table.shape[0])
        self.heat.setYRange(-0.5, table.shape[0] - 0.5, padding=0)

    def mark(self, index: int) -> None:
        """Mark the slice in view."""
        for line in self.lines:
            line.setValue(index)

    def _on_click(self, plot: pg.PlotWidget, event: Any) -> None:
        if self.names:
            self.clicked.emit(round(plot.getViewBox().mapSceneToView(event.scenePos()).x()))

    def closeEvent(self, event: Any) -> None:
        """Stop following the theme."""
        get_settings().appearance.events.theme.disconnect(self.dress)
        super().closeEvent(event)


def colour_of(row: int) -> str:
    """Colour of a category's curve."""
    return COLOURS[row % len(COLOURS)]


def style_of(row: int) -> Qt.PenStyle:
    """Style of a category's curve; another once all colours are used."""
    return list(LINES)[row // len(COLOURS) % len(LINES)]


def small_font(widget: QWidget) -> QFont:
    """A size smaller than the widget's, for names beside a plot."""
    small = QFont(widget.font())
    small.setPointSizeF(max(7.0, small.pointSizeF() - 1))
    return small


def short_name(name: str) -> str:
    """As much of a name as there is room for beside a plot."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
