"""The way of a typed prompt through a detector, shown while it is typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QTimer

from napari_medad.viewer.parts.prompt_box import PromptBox
from napari_medad.viewer.parts.router_bars import RouterBars
from napari_medad.viewer.session import Session
from napari_medad.viewer.worker import Work

TYPING_PAUSE_MS = 150
"""How long typing must rest before the prompt is routed."""
Answer = tuple[str, tuple[str, ...], dict[str, float]]
"""A detector's name, its presets, and the weights of the prompt's ways."""


class PromptRouting(QObject):
    """Routes the prompt in a thread whenever typing rests.

    Parameters
    ----------
    session : Session
    box : PromptBox
    bars : RouterBars
    loading : callable
        Gives what `Session.load` takes; None where nothing can be routed.
    busy : callable
        Whether something else holds the detector.
    """

    def __init__(
        self,
        session: Session,
        box: PromptBox,
        bars: RouterBars,
        loading: Callable[[], dict[str, Any] | None],
        busy: Callable[[], bool],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._box, self._bars = session, box, bars
        self._loading, self._busy = loading, busy
        self._work, self._typing = Work(self), QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(TYPING_PAUSE_MS)
        self._typing.timeout.connect(self._route)
        self._work.finished.connect(self._show)
        box.edited.connect(lambda _: self.start())

    @property
    def running(self) -> bool:
        """Whether a prompt is being routed."""
        return self._work.running

    def start(self) -> None:
        """Route the prompt after a short rest."""
        self._typing.start()

    def wait(self, seconds: float) -> None:
        """Wait for the thread."""
        self._work.wait(seconds)

    def _route(self) -> None:
        loading = self._loading()
        if loading is None:
            return
        if self.running or self._busy():
            self.start()
            return
        prompt = self._box.prompt() or ""

        def route(report: Any) -> Answer:
            detector = self._session.load(**loading)
            weights = detector.route(prompt) if hasattr(detector, "route") else {}
            return loading["name"], tuple(getattr(detector, "prompts", ())), weights

        self._work.start(route)

    def _show(self, answer: Answer) -> None:
        name, presets, weights = answer
        loading = self._loading()
        if loading is None or name != loading["name"]:
            return
        if self._box.count() == 0 or self._box.itemText(1) not in presets:
            self._box.offer(name, presets)
        self._bars.show_weights(weights)
