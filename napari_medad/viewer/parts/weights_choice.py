"""Which weights a detector runs with, and what state they are in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QLabel, QVBoxLayout, QWidget

from napari_medad.detectors.card import Card
from napari_medad.detectors.needs import clip_of, needs, sentence
from napari_medad.viewer.parts.notice import STYLES
from napari_medad.weights.installed import installed_weights

STATES = {
    "none": "needs no weights",
    "starter": "starter weights, shipped; trained on synthetic brains only",
    "released": "the authors' released weights",
    "trained": "trained by you",
    "untrained": "UNTRAINED: random weights; the maps mean nothing",
    "missing": "needs weights",
}


class WeightsChoice(QWidget):
    """A list of installed weights with a line that says what the chosen ones are.

    Parameters
    ----------
    settings : callable
        Gives the detector's settings that were changed: they may name another CLIP.

    Signals
    -------
    changed
    """

    changed = Signal()

    def __init__(
        self, settings: Callable[[], Mapping[str, Any]], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.settings = settings
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.box, self.line = QComboBox(self), QLabel(self)
        self.line.setWordWrap(True)
        layout.addWidget(self.box)
        layout.addWidget(self.line)
        self.card: Card | None = None
        self.box.currentIndexChanged.connect(self.refresh)
        self.box.currentIndexChanged.connect(self.changed)

    @property
    def name(self) -> str:
        """What `load_detector` takes; "auto" for detectors without weights."""
        return self.box.currentData() or "auto"

    @property
    def state(self) -> str:
        """State of the chosen weights, a key of `STATES`."""
        if self.card is None or not self.card.weights:
            return "none"
        if self.name == "untrained":
            return "untrained"
        if self.lacks:
            return "missing"
        found = installed_weights(self.card.name).get(self.name)
        return found.state if found else "released"

    @property
    def lacks(self) -> str:
        """What a run with this choice lacks, in one sentence; empty where it can start."""
        if self.card is None or self.name == "untrained":
            return ""
        return sentence(self.card, self.settings())

    @property
    def clip(self) -> str:
        """The CLIP that the detector would look and read with."""
        assert self.card is not None
        weights = installed_weights(self.card.name).get(self.name)
        return clip_of(self.card, weights, self.settings())

    def offer(self, card: Card, choose: str | None = None) -> None:
        """Offer a detector's weights; the best first, untrained last."""
        self.card = card
        self.box.blockSignals(True)
        self.box.clear()
        if card.weights:
            names = list(installed_weights(card.name))
            if not names:
                self.box.addItem("none installed" if needs(card) else "CLIP's own", "auto")
            for name in names:
                self.box.addItem(name, name)
            self.box.addItem("untrained (shapes only)", "untrained")
            if choose is not None and self.box.findData(choose) >= 0:
                self.box.setCurrentIndex(self.box.findData(choose))
        self.box.blockSignals(False)
        self.box.setVisible(bool(card.weights))
        self.refresh()
        self.changed.emit()

    def refresh(self) -> None:
        """Say anew what the chosen weights are."""
        state = self.state
        self.line.setText(self.lacks or STATES[state])
        self.line.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        kind = {"untrained": "error", "missing": "warning"}.get(state, "plain")
        self.line.setStyleSheet(STYLES[kind])
