"""A line for the prompt: presets of the detector, what was typed before, free text."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSettings, Qt, Signal
from qtpy.QtWidgets import QComboBox, QCompleter, QWidget

KEPT = 20
"""Prompts remembered between sessions."""


class PromptBox(QComboBox):
    """An editable list of prompts; the first entry, empty, lets the detector choose.

    Signals
    -------
    edited : str
        The text, after each change.
    """

    edited = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.lineEdit().setPlaceholderText("Chosen from the volume; or type what it shows")
        self.setMinimumContentsLength(12)
        completer = self.completer()
        if completer is not None:
            completer.setFilterMode(Qt.MatchFlag.MatchContains)
            completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        self.memory = QSettings("napari-medad", "prompts")
        self.editTextChanged.connect(self.edited)

    def prompt(self) -> str | None:
        """What is typed; None for nothing."""
        return self.currentText().strip() or None

    def offer(self, detector: str, presets: Sequence[str]) -> None:
        """Offer a detector's presets and what was typed for it before; keeps the text."""
        text = self.currentText()
        self.blockSignals(True)
        self.clear()
        self.addItems(["", *presets, *(p for p in self.history(detector) if p not in presets)])
        self.setEditText(text)
        self.blockSignals(False)

    def history(self, detector: str) -> list[str]:
        """What was typed before, latest first."""
        held = self.memory.value(detector, [])
        return [held] if isinstance(held, str) else list(held or [])

    def remember(self, detector: str) -> None:
        """Keep the typed prompt."""
        text = self.prompt()
        if text:
            rest = [p for p in self.history(detector) if p != text]
            self.memory.setValue(detector, [text, *rest][:KEPT])
