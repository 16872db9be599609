"""Bars that show how a prompt is routed, while it is being typed."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtWidgets import QGridLayout, QLabel, QProgressBar, QWidget


class RouterBars(QWidget):
    """One bar a task, 0 to 100 %."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.grid = QGridLayout(self)
        self.grid.setContentsMargins(0, 0, 0, 0)
        self.grid.setVerticalSpacing(2)
        self.grid.setColumnStretch(1, 1)
        self.bars: dict[str, QProgressBar] = {}
        self.setVisible(False)

    def show_weights(self, weights: Mapping[str, float]) -> None:
        """Show the router's weight of each task; nothing when there are none."""
        if set(weights) != set(self.bars):
            self._rebuild(list(weights))
        for task, weight in weights.items():
            self.bars[task].setValue(round(100 * weight))
        self.setVisible(bool(weights))

    def _rebuild(self, tasks: list[str]) -> None:
        while (item := self.grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        self.bars = {}
        for row, task in enumerate(tasks):
            label = QLabel(task.rstrip("."), self)
            bar = QProgressBar(self)
            bar.setRange(0, 100)
            bar.setMaximumHeight(14)
            bar.setFormat("%p %")
            self.grid.addWidget(label, row, 0)
            self.grid.addWidget(bar, row, 1)
            self.bars[task] = bar
