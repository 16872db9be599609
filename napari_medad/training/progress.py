"""How training tells its caller where it is, and is told to pause or stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_medad.errors import Cancelled
from napari_medad.inference.progress import Progress

QUIET_S = 0.05
"""Shortest time between two reports that hold nothing but the next step's losses."""
WAIT_S = 0.1
"""How often a paused run asks whether to go on."""
CALIBRATING = "Calibrating on the held-out images."
"""Note of a stage that passes; others stay true."""


@dataclass(frozen=True)
class TrainingProgress(Progress):
    """One report of a training run; `done` and `total` count optimiser steps.

    The callback answers "stop" (what was learned is kept and can be resumed), "pause" (it
    is then asked again every 0.1 s until it answers otherwise), or anything else to go on.

    Attributes
    ----------
    epoch, epochs : int
        The running epoch, from 0, and how many there will be.
    losses : mapping of str to float
        Means over the steps since the last report.
    held_out : mapping of str to float or None
        Losses on the held-out samples, at the end of an epoch.
    note : str
        What the user should know, one sentence: the batch was halved, ...
    preview : ndarray [h, w] float32 or None
        The anomaly map, as yet, of the slice that the caller asked to see.
    paused : bool
    """

    unit: str = "steps"
    epoch: int = 0
    epochs: int = 0
    losses: Mapping[str, float] = field(default_factory=dict)
    held_out: Mapping[str, float] | None = None
    note: str = ""
    preview: np.ndarray | None = field(default=None, repr=False)
    paused: bool = False

    @property
    def step(self) -> int:
        """Optimiser steps done."""
        return self.done


Listener = Callable[[TrainingProgress], Any]
"""Takes a `TrainingProgress`; answers "stop", "pause", or anything else to go on."""


class Watch:
    """Asks the callback often enough, and seldom enough, and obeys it.

    Parameters
    ----------
    callback : callable or None
    total, per_epoch : int
        Steps in all and in an epoch.
    begun : int
        Steps that an earlier, interrupted run had done.
    save : callable
        Called when the user pauses or stops, so that nothing is lost.
    agree : callable, optional
        Makes the first process's answer every process's answer.
    """

    def __init__(
        self,
        callback: Listener | None,
        total: int,
        per_epoch: int,
        begun: int,
        save: Callable[[], None],
        agree: Callable[[Any], Any] | None = None,
    ) -> None:
        self.callback = callback
        self.total = total
        self.per_epoch = per_epoch
        self.done = self.begun = begun
        self.save = save
        self.agree = agree
        self.started = time.monotonic()
        self.idle_s = 0.0
        self._told = self._stepped = -QUIET_S
        self._pending: list[Mapping[str, float]] = []

    def step(self, done: int, losses: Mapping[str, float]) -> None:
        """Report a finished step; raises `Cancelled` if the user stops."""
        self.done = done
        self._pending.append(losses)
        if self.agree or done == self.total or time.monotonic() - self._stepped >= QUIET_S:
            self._stepped = time.monotonic()
            pending, self._pending = self._pending, []
            self._ask(losses=mean_losses(pending))

    def poll(self) -> None:
        """Ask, between two steps' ends, whether to go on."""
        if self.agree is None and time.monotonic() - self._told >= QUIET_S:
            self._ask()

    def tell(self, **details: Any) -> None:
        """Report a note, held-out losses or a preview at once."""
        if self.agree:  # the other processes are not told, so they cannot be asked
            self._report(**details)
        else:
            self._ask(**details)

    def working_s(self) -> float:
        """Seconds since the start, pauses not counted."""
        return time.monotonic() - self.started - self.idle_s

    def _ask(self, **details: Any) -> None:
        answer = self._answer(**details)
        if answer == "pause":
            self.save()
            paused_at = time.monotonic()
            while answer == "pause":
                time.sleep(WAIT_S)
                answer = self._answer(paused=True)
            self.idle_s += time.monotonic() - paused_at
        if answer == "stop":
            self.save()
            if self.agree:
                self.agree(None)  # all wait until the first has saved
            raise Cancelled("Cancelled.")

    def _answer(self, **details: Any) -> Any:
        answer = self._report(**details)
        return self.agree(answer) if self.agree else answer

    def _report(self, **details: Any) -> Any:
        self._told = time.monotonic()
        if self.callback is None:
            return None
        epoch = max(self.done - 1, 0) // self.per_epoch
        epochs = self.total // self.per_epoch
        return self.callback(
            TrainingProgress(
                self.done, self.total, eta_s=self._eta(), epoch=epoch, epochs=epochs, **details
            )
        )

    def _eta(self) -> float | None:
        taken = self.done - self.begun
        if not taken:
            return None
        return self.working_s() / taken * (self.total - self.done)


def mean_losses(rows: list[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each loss over the rows that hold it."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: float(np.mean([row[key] for row in rows if key in row])) for key in keys}


def looking(callback: Listener | None) -> Callable[[int, int], None]:
    """What reports that so many images were read or made, before and after the steps.

    It raises `Cancelled` if the callback answers "stop".
    """
    told = -QUIET_S

    def report(done: int, total: int) -> None:
        nonlocal told
        if callback is None or time.monotonic() - told < QUIET_S:
            return
        told = time.monotonic()
        answer = callback(TrainingProgress(done, total, unit="images"))
        while answer == "pause":
            time.sleep(WAIT_S)
            answer = callback(TrainingProgress(done, total, unit="images", paused=True))
        if answer == "stop":
            raise Cancelled("Cancelled.")

    return report
