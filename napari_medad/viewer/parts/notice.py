"""A line of text that says how something went, in the colour of how it went."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QWidget

DOCK_WIDTH = 390
"""Narrowest width of a dock in which nothing is cut off, pixels."""
FRAMED = "QPlainTextEdit { border: 1px solid rgba(128, 128, 128, 120); border-radius: 3px; }"
"""Style of a box of many lines, which napari's themes leave without an edge."""
STYLES = {
    "plain": "",
    "good": "color: #1f9d61;",
    "warning": "background: #b7791f; color: white; padding: 5px; border-radius: 4px;",
    "error": "background: #b3261e; color: white; padding: 5px; border-radius: 4px;",
}


class Notice(QLabel):
    """Hidden while it has nothing to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setVisible(False)

    def say(self, text: str, kind: str = "plain") -> None:
        """Show a sentence as "plain", "good", "warning" or "error"; an empty one hides it."""
        self.setText(text)
        self.setStyleSheet(STYLES[kind])
        self.setVisible(bool(text))
