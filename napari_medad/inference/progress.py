"""How long work tells its caller where it is, and is told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_medad.errors import Cancelled


@dataclass(frozen=True)
class Progress:
    """One report.

    Attributes
    ----------
    done, total : int
        In steps of `unit`.
    unit : str
        "slices", "steps", ...
    eta_s : float or None
        Seconds left, from the rate so far.
    indices : ndarray of int or None
        Slices finished by this step.
    maps : mapping of str to ndarray or None
        The maps being filled, [z, y, x]; only the finished slices hold values.
    """

    done: int
    total: int
    unit: str = "slices"
    eta_s: float | None = None
    indices: np.ndarray | None = field(default=None, repr=False)
    maps: Mapping[str, np.ndarray] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        left = "" if self.eta_s is None else f", {self.eta_s:.0f} s left"
        return f"{self.done}/{self.total} {self.unit}{left}"


Callback = Callable[[Progress], Any]
"""Takes a `Progress`; answers "stop" to cancel, anything else to go on."""


class Reporter:
    """Counts steps, estimates the time left and turns a "stop" into `Cancelled`."""

    def __init__(self, callback: Callback | None, total: int, unit: str = "slices") -> None:
        self.callback = callback
        self.total = total
        self.unit = unit
        self.done = 0
        self.started = time.monotonic()

    def __call__(self, done: int, total: int | None = None, **details: Any) -> None:
        """Report `done` of `total` steps.

        Raises
        ------
        Cancelled
            If the callback answers "stop".
        """
        self.done, self.total = done, total or self.total
        if self.callback is None:
            return
        elapsed = time.monotonic() - self.started
        eta = elapsed / done * (self.total - done) if done else None
        if self.callback(Progress(done, self.total, self.unit, eta, **details)) == "stop":
            raise Cancelled("Cancelled.")
