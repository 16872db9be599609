"""Work of which only the latest counts: what is asked for while it runs takes its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_medad.viewer.worker import Work

Function = Callable[[Callable[[Any], str | None]], Any]


class Latest(QObject):
    """Does one thing at a time; a new request stops the old one, whose answer is dropped.

    What the old one reports until it stops is still told, so that something is seen while
    requests come faster than answers, as from a slider.

    Attributes
    ----------
    running : bool
        Whether `rested` is still to come.

    Signals
    -------
    told : object
        What the function reports on its way; its first report is never skipped.
    finished : object
    failed : str
    rested
        Nothing is asked for any more.
    """

    told = Signal(object)
    finished = Signal(object)
    failed = Signal(str)
    rested = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.work = Work(self)
        self._next: Function | None = None
        self._wanted, self.running = True, False
        self.work.progressed.connect(lambda report: self._pass(self.told, report))
        self.work.finished.connect(lambda answer: self._pass_last(self.finished, answer))
        self.work.failed.connect(lambda text: self._pass_last(self.failed, text))
        self.work.ended.connect(self._on_ended)

    def ask(self, function: Function) -> None:
        """Do this, as soon as what runs has stopped."""
        if self.running:
            self._next, self._wanted = function, True
            self.work.cancel()
        else:
            self._start(function)

    def drop(self) -> None:
        """Want nothing any more."""
        self._next, self._wanted = None, False
        self.work.cancel()

    def close(self, seconds: float = 2) -> None:
        """Stop; for shutting down."""
        self.drop()
        self.work.wait(seconds)

    def _start(self, function: Function) -> None:
        self._next, self._wanted, self.running = None, True, True
        self.work.start(function)

    def _pass(self, signal: Any, what: Any) -> None:
        if self._wanted:
            signal.emit(what)

    def _pass_last(self, signal: Any, what: Any) -> None:
        if self._next is None:
            self._pass(signal, what)

    def _on_ended(self) -> None:
        self.work.wait(1)  # its last words have come, so it is about to end
        if self._next is not None:
            self._start(self._next)
        else:
            self.running = False
            self.rested.emit()
