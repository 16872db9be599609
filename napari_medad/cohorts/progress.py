"""How far a cohort's run is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari_medad.cohorts.summary import Row
from napari_medad.errors import Cancelled
from napari_medad.inference.progress import Callback, Progress


@dataclass(frozen=True)
class CohortProgress(Progress):
    """One report of a cohort's run; `done` and `total` count studies.

    Attributes
    ----------
    failed : int
        Of those done.
    study : str
        The study that is looked at; empty on a cluster, where there are several.
    step : Progress or None
        How far it is.
    workers : int
        Of the cluster; 0 without one.
    """

    failed: int = 0
    study: str = ""
    step: Progress | None = None
    workers: int = 0

    @property
    def details(self) -> str:
        """Failures, and where the run is, in a few words."""
        told = [f"{self.failed} failed"] if self.failed else []
        if self.workers:
            told.append(f"{self.workers} worker{'' if self.workers == 1 else 's'}")
        if self.study:
            step = self.step
            told.append(f"{self.study} {step.done}/{step.total}" if step else self.study)
        return " · ".join(told)


CohortCallback = Callable[[CohortProgress], Any]
"""Takes a `CohortProgress`; answers "stop" to cancel, anything else to go on."""


class Tally:
    """Counts studies and estimates the time left from those that this run finished."""

    def __init__(self, callback: CohortCallback | None, total: int, before: int) -> None:
        self._callback, self._total, self._before = callback, total, before
        self._finished = self._failed = 0
        self._began = time.monotonic()

    def finished(self, row: Row) -> None:
        """Count a study."""
        self._finished += 1
        self._failed += row.state == "failed"
        self.report()

    def report(self, **details: Any) -> Any:
        """Tell the callback; its answer."""
        if self._callback is None:
            return None
        done, eta = self._before + self._finished, None
        if self._finished:
            each = (time.monotonic() - self._began) / self._finished
            eta = each * (self._total - done)
        told = CohortProgress(done, self._total, "studies", eta, failed=self._failed, **details)
        return self._callback(told)

    def check(self, **details: Any) -> None:
        """Tell the callback.

        Raises
        ------
        Cancelled
            If it answers "stop".
        """
        if self.report(**details) == "stop":
            raise Cancelled("Cancelled.")

    def of(self, study: str) -> Callback:
        """The callback of one study's detection."""
        return lambda step: self.report(study=study, step=step)
