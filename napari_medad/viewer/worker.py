"""Long work in a thread, told to Qt a few times a second, stopped on request."""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_medad.errors import Cancelled, MedadError
from napari_medad.viewer.triton_apart import load_triton_apart

logger = logging.getLogger(__name__)

UPDATES_S = 0.08
"""Shortest time between two progress signals."""


class Work(QObject):
    """One function running in a thread.

    The function takes a callback for progress reports, which answers "stop" once the user
    has cancelled, "pause" while paused.

    Signals
    -------
    progressed : object
        The latest report, at most every `UPDATES_S`; notes, held-out losses and previews
        are never skipped.
    finished : object
        What the function returned.
    failed : str
        One sentence.
    cancelled
    ended
        After any of the three.
    """

    progressed = Signal(object)
    finished = Signal(object)
    failed = Signal(str)
    cancelled = Signal()
    ended = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._stop = threading.Event()
        self._pause = threading.Event()
        self._thread: threading.Thread | None = None
        self._told = 0.0

    @property
    def running(self) -> bool:
        """Whether the function has not returned yet."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, function: Callable[[Callable[[Any], str | None]], Any]) -> None:
        """Run `function(report)` in a thread."""
        self._stop.clear()
        self._pause.clear()
        self._told = 0.0
        self._thread = threading.Thread(target=self._run, args=(function,), daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Ask the function to stop at its next report."""
        self._stop.set()

    def pause(self, on: bool) -> None:
        """Ask the function to wait, or to go on."""
        if on:
            self._pause.set()
        else:
            self._pause.clear()

    def wait(self, seconds: float) -> None:
        """Block until the function has returned; for shutting down."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _report(self, progress: Any) -> str | None:
        now = time.monotonic()
        last = getattr(progress, "done", 0) == getattr(progress, "total", None)
        rare = any(getattr(progress, kind, None) is not None for kind in ("held_out", "preview"))
        if now - self._told >= UPDATES_S or last or rare or getattr(progress, "note", ""):
            self._told = now
            self._emit("progressed", progress)
        if self._stop.is_set():
            return "stop"
        return "pause" if self._pause.is_set() else None

    def _run(self, function: Callable[[Callable[[Any], str | None]], Any]) -> None:
        load_triton_apart()
        try:
            result = function(self._report)
        except Cancelled:
            self._emit("cancelled")
        except MedadError as error:
            self._emit("failed", str(error))
        except Exception as error:
            logger.exception("work in the viewer failed")
            told = str(error).splitlines()[0] if str(error) else "no message"
            self._emit(
                "failed",
                f"Something unexpected went wrong ({type(error).__name__}: {told}); the terminal "
                "shows where.",
            )
        else:
            self._emit("finished", result)
        self._emit("ended")

    def _emit(self, signal: str, *args: Any) -> None:
        try:
            getattr(self, signal).emit(*args)
        except RuntimeError:  # the window has gone, and with it who would listen
            self._stop.set()


def leave_a_core_to_the_window() -> None:
    """Compute with one thread less than there are cores, so that the window stays quick."""
    import torch

    torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))


@contextmanager
def uncollected() -> Iterator[None]:
    """Make very many objects without the garbage collector setting in.

    It would look through all that napari holds, and the window would stand still meanwhile,
    for a quarter of a second.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
