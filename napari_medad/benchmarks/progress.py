"""How far a whole matrix of trainings and detections is, and how long the rest takes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from napari_medad.errors import Cancelled
from napari_medad.inference.progress import Callback, Progress

Stage = Literal["train", "detect", "measure"]


@dataclass(frozen=True)
class MatrixProgress(Progress):
    """One report; `done` and `total` count patients that a stage has looked at, over all cells.

    Attributes
    ----------
    cell, stage : str
        What runs.
    number, cells : int
        Of the cell, from 1, and how many there are.
    """

    unit: str = "patients"
    cell: str = ""
    stage: str = ""
    number: int = 0
    cells: int = 0

    @property
    def where(self) -> str:
        """vand-pmc (3 of 13), train."""
        return f"{self.cell} ({self.number} of {self.cells}), {self.stage}"


class Clock:
    """Counts patients of each stage of each cell, and what a patient of each stage costs.

    Stages that an earlier run has done are told by `skip` and cost nothing, so that the time
    left is that of what remains.

    Parameters
    ----------
    callback : callable or None
    work : sequence of mapping
        Patients of each stage, by cell.
    """

    def __init__(self, callback: Callback | None, work: Sequence[Mapping[Stage, float]]) -> None:
        self.callback = callback
        self.left = [dict(stages) for stages in work]
        self.total = sum(sum(stages.values()) for stages in work)
        self.spent: dict[Stage, float] = {}
        self.seen: dict[Stage, float] = {}
        self.now = MatrixProgress(0, round(self.total), cells=len(work))
        self.number = 0
        self.last = time.monotonic()

    def begin(self, number: int, cell: str) -> None:
        """The cell with this number, from 0, begins."""
        self.number = number
        self.now = replace(self.now, cell=cell, number=number + 1, stage="")
        self.last = time.monotonic()

    def skip(self, stage: Stage, patients: float) -> None:
        """So many patients of the running cell need not be looked at again."""
        self.left[self.number][stage] = max(0.0, self.left[self.number].get(stage, 0) - patients)

    def drop(self) -> None:
        """Nothing is left to do in the running cell."""
        self.left[self.number] = {}

    def step(self, stage: Stage, patients: float) -> Any:
        """So many patients more were looked at; the callback's answer."""
        now = time.monotonic()
        self.spent[stage] = self.spent.get(stage, 0) + now - self.last
        self.seen[stage] = self.seen.get(stage, 0) + patients
        self.last = now
        self.skip(stage, patients)
        left = sum(sum(stages.values()) for stages in self.left)
        done = min(round(self.total), max(0, round(self.total - left)))
        self.now = replace(self.now, done=done, stage=stage, eta_s=self._eta())
        return None if self.callback is None else self.callback(self.now)

    def check(self, stage: Stage, patients: float) -> None:
        """As `step`, but a "stop" is raised.

        Raises
        ------
        Cancelled
        """
        if self.step(stage, patients) == "stop":
            raise Cancelled("Cancelled.")

    def _eta(self) -> float | None:
        """By what a patient of each stage took; of a stage not yet seen, by the mean of all."""
        seen = sum(self.seen.values())
        if not seen:
            return None
        mean = sum(self.spent.values()) / seen
        rates = {stage: self.spent[stage] / held for stage, held in self.seen.items() if held}
        return sum(
            patients * rates.get(stage, mean)
            for stages in self.left
            for stage, patients in stages.items()
        )
