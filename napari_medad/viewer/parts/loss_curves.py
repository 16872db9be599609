"""Losses by step, drawn while a model learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

COLOURS = ("#e8743b", "#3b8fe8", "#4caf6d", "#b36ae2", "#d4a017", "#17a5a5")
"""Of the losses in the order they come; legible on white and on black."""
POINTS = 2000
"""About how many points a curve is drawn with; more are averaged."""
REDRAW_MS = 250
"""Time from a report to the drawing that shows it."""

Rows = Sequence[tuple[int, str, Mapping[str, float]]]


class LossCurves(QWidget):
    """Curves of every loss: training solid, held-out dashed with dots.

    A logarithmic scale is offered, and used only while all losses are positive.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = pg.PlotWidget(self)
        self.plot.setMenuEnabled(False)
        self.plot.setMinimumHeight(180)
        self.plot.setLabel("bottom", "step")
        self.legend = self.plot.addLegend(offset=(-8, 8))
        self.curves: dict[tuple[str, str], pg.PlotDataItem] = {}
        self.logarithmic = QCheckBox("Logarithmic scale", self)
        self.logarithmic.toggled.connect(self.draw)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot, 1)
        layout.addWidget(self.logarithmic)
        self.plot.showGrid(y=True, alpha=0.15)
        self._rows: Rows = ()
        self._seen = 0
        self._series: dict[tuple[str, str], list[tuple[int, float]]] = {}
        self._is_logarithmic = False
        self._drawing = QTimer(self)
        self._drawing.setSingleShot(True)
        self._drawing.setInterval(REDRAW_MS)
        self._drawing.timeout.connect(self.draw)

    def set_colours(self, paper: str, ink: str) -> None:
        """Background and text of the window's theme."""
        self.plot.setBackground(paper)
        for side in ("left", "bottom"):
            axis = self.plot.getAxis(side)
            axis.setPen(ink)
            axis.setTextPen(ink)
        self.legend.setLabelTextColor(ink)
        for _, label in self.legend.items:
            label.setText(label.text, color=ink)

    def show_rows(self, rows: Rows) -> None:
        """Draw these losses, soon; of a list that grew, only what is new is looked at.

        Parameters
        ----------
        rows : sequence of (step, set, losses by name)
            Set is "train" or "held-out".
        """
        if len(rows) < self._seen or rows is not self._rows:
            self._rows, self._seen, self._series = rows, 0, {}
        for step, which, losses in rows[self._seen :]:
            for name, value in losses.items():
                self._series.setdefault((name, which), []).append((step, value))
        self._seen = len(rows)
        if not self._drawing.isActive():
            self._drawing.start()

    def draw(self) -> None:
        """Draw now."""
        for key in self.curves.keys() - self._series.keys():
            self.plot.removeItem(self.curves.pop(key))
        wanted = self.logarithmic.isChecked()
        logarithmic = wanted and all(v > 0 for points in self._series.values() for _, v in points)
        if logarithmic != self._is_logarithmic:
            self._is_logarithmic = logarithmic
            self.plot.setLogMode(y=logarithmic)
        for key, points in self._series.items():
            self._curve(key).setData(*_thinned(np.array(points, float)))

    def _curve(self, key: tuple[str, str]) -> pg.PlotDataItem:
        if key not in self.curves:
            name, which = key
            names = list(dict.fromkeys(held for held, _ in self.curves))
            number = names.index(name) if name in names else len(names)
            colour = COLOURS[number % len(COLOURS)]
            held_out = which == "held-out"
            self.curves[key] = self.plot.plot(
                pen=pg.mkPen(
                    colour,
                    width=2 if number == 0 else 1,
                    style=Qt.PenStyle.DashLine if held_out else Qt.PenStyle.SolidLine,
                ),
                symbol="o" if held_out else None,
                symbolSize=5,
                symbolBrush=colour,
                symbolPen=None,
                name=f"{name}, held out" if held_out else name,
            )
        return self.curves[key]


def _thinned(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of points [n, 2], neighbours averaged down to about `POINTS`."""
    by = max(1, len(points) // POINTS)
    if by > 1:
        whole = len(points) // by * by
        points = np.concatenate(
            [points[:whole].reshape(-1, by, 2).mean(axis=1), points[whole:]], axis=0
        )
    return points[:, 0], points[:, 1]
