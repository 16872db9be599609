"""Which signs were kept and why, and how alike shots and signs are before and after learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from napari.settings import get_settings
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QComboBox,
    QHeaderView,
    QLabel,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_medad.viewer.parts.category_plots import NAME_WIDTH, short_name, small_font
from napari_medad.viewer.parts.slice_profile import theme_colours

GREY = "#8a8f98"


class KeptSigns(QTreeWidget):
    """Signs by category: kept or discarded, with the distances that decided it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setHeaderLabels(["Sign", "Own", "Other"])
        self.headerItem().setToolTip(1, "Distance to the nearest sign of its own category")
        self.headerItem().setToolTip(2, "Distance to the nearest sign of any other category")
        self.setSelectionMode(QTreeWidget.SelectionMode.NoSelection)
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)

    def show_signs(self, signs: Sequence[Mapping[str, Any]]) -> None:
        """Show signs, each with `category`, `text`, `kept`, `own` and `other`."""
        self.clear()
        for name in dict.fromkeys(sign["category"] for sign in signs):
            own = [sign for sign in signs if sign["category"] == name]
            kept = sum(sign["kept"] for sign in own)
            told = f"{name}: {kept} of {len(own)} kept"
            if any(sign["kept"] and not _nearer(sign) for sign in own):
                told += " (none lies nearest to its own)"
            parent = QTreeWidgetItem([told])
            self.addTopLevelItem(parent)
            for sign in own:
                mark = "✓" if sign["kept"] else "✗"
                distances = [_number(sign["own"]), _number(sign["other"])]
                item = QTreeWidgetItem([f"{mark} {sign['text']}", *distances])
                item.setToolTip(0, sign["text"] if sign["kept"] else f"Discarded: {sign['text']}")
                for column in range(3):
                    if column:
                        item.setTextAlignment(column, int(Qt.AlignmentFlag.AlignRight))
                    if not sign["kept"]:
                        item.setForeground(column, QColor(GREY))
                parent.addChild(item)
            parent.setExpanded(True)


class SimilarityMatrix(QWidget):
    """Cosines of shots (rows) and signs (columns), before or after learning."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.when, self.about = QComboBox(self), QLabel(self)
        self.when.addItem("After learning", "after")
        self.when.addItem("Before learning", "before")
        self.about.setWordWrap(True)
        self.plot = pg.PlotWidget(self)
        self.image = pg.ImageItem(axisOrder="row-major")
        self.image.setColorMap(pg.colormap.get("viridis"))
        self.plot.addItem(self.image)
        self.plot.setMenuEnabled(False)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.hideButtons()
        self.plot.getViewBox().invertY(True)
        self.plot.setLabel("bottom", "sign")
        self.plot.getAxis("left").setWidth(NAME_WIDTH)
        self.plot.getAxis("left").setStyle(
            tickFont=small_font(self), hideOverlappingLabels=False, autoExpandTextSpace=False
        )
        self.plot.scene().sigMouseMoved.connect(self._on_moved)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        for widget, stretch in ((self.when, 0), (self.plot, 1), (self.about, 0)):
            layout.addWidget(widget, stretch)
        self.when.currentIndexChanged.connect(self.draw)
        self._held: Mapping[str, Any] = {}
        self.dress()
        get_settings().appearance.events.theme.connect(self.dress)

    def dress(self, event: Any = None) -> None:
        """Take the colours of napari's theme."""
        background, text = theme_colours()
        self.plot.setBackground(background)
        for side in ("left", "bottom"):
            self.plot.getAxis(side).setPen(text)
            self.plot.getAxis(side).setTextPen(text)

    def show_similarity(self, held: Mapping[str, Any]) -> None:
        """Show matrices `before` and `after` of `shots` by `signs`."""
        self._held = held
        self.draw()

    @property
    def values(self) -> np.ndarray:
        """The matrix that is shown, [shots, signs]."""
        return np.array(self._held.get(self.when.currentData(), np.zeros((0, 0))), float)

    def draw(self) -> None:
        """Draw the chosen matrix on its own range of colours."""
        values = self.values
        if not values.size:
            self.image.clear()
            self.about.setText("Learn from shots first; their likeness to the signs is kept.")
            return
        low, high = float(values.min()), float(values.max())
        self.image.setImage(values, levels=(low, max(high, low + 1e-6)), autoLevels=False)
        self.image.setRect(-0.5, -0.5, values.shape[1], values.shape[0])
        self.plot.setXRange(-0.5, values.shape[1] - 0.5, padding=0)
        self.plot.setYRange(-0.5, values.shape[0] - 0.5, padding=0)
        ticks = [(row, short_name(name)) for row, name in enumerate(self._held["shots"])]
        self.plot.getAxis("left").setTicks([ticks])
        self._say_range()

    def _say_range(self) -> None:
        values = self.values
        self.about.setText(
            f"Cosines from {values.min():.3f} (dark) to {values.max():.3f} (light). The last "
            "column is the normal sentence. Point at a square to read it."
        )

    def _on_moved(self, place: Any) -> None:
        point, values = self.plot.getViewBox().mapSceneToView(place), self.values
        row, column = round(point.y()), round(point.x())
        if 0 <= row < values.shape[0] and 0 <= column < values.shape[1]:
            shot, sign = self._held["shots"][row], self._held["signs"][column]
            self.about.setText(f"{values[row, column]:.3f}: {shot} — “{sign}”")
        elif values.size:
            self._say_range()

    def closeEvent(self, event: Any) -> None:
        """Stop following the theme."""
        get_settings().appearance.events.theme.disconnect(self.dress)
        super().closeEvent(event)


def _nearer(sign: Mapping[str, Any]) -> bool:
    """Whether a sign lies nearer to its own category than to any other."""
    own, other = (np.inf if sign[key] is None else sign[key] for key in ("own", "other"))
    return bool(own < other)


def _number(value: float | None) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.3f}"
