"""A page that scrolls where its dock is too low for it."""

from __future__ import annotations

from qtpy.QtWidgets import QScrollArea, QWidget


def scrolled(body: QWidget, parent: QWidget) -> QScrollArea:
    """A frameless scroll area of `parent` around `body`."""
    scroll = QScrollArea(parent)
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QScrollArea.Shape.NoFrame)
    scroll.setWidget(body)
    return scroll
