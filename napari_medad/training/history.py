"""Losses by step and epoch, as a table beside the model."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_medad.atomic import replacing
from napari_medad.training.progress import mean_losses

ROWS = 20_000
"""About how many rows a history may have; longer runs average several steps in one."""
FACTS = ("step", "epoch", "set", "seconds", "learning_rate", "note")


class History:
    """The rows of history.csv: step, epoch, set ("train", "held-out" or "note"), losses.

    Parameters
    ----------
    path : Path
    total : int
        Steps of the run.
    """

    def __init__(self, path: Path, total: int) -> None:
        self.path = path
        self.every = max(1, math.ceil(total / ROWS))
        self.rows: list[dict[str, Any]] = []
        self._pending: list[Mapping[str, float]] = []

    def step(self, losses: Mapping[str, float], **facts: Any) -> None:
        """Add a training step."""
        self._pending.append(losses)
        if facts["step"] % self.every == 0:
            self.rows.append({**facts, "set": "train", **mean_losses(self._pending)})
            self._pending = []

    def held_out(self, losses: Mapping[str, float], **facts: Any) -> None:
        """Add the held-out losses of an epoch."""
        self.rows.append({**facts, "set": "held-out", **losses})

    def note(self, sentence: str, **facts: Any) -> None:
        """Add what happened to the run."""
        self.rows.append({**facts, "set": "note", "note": sentence})

    def last(self, which: str) -> dict[str, float]:
        """Losses of the last "train" or "held-out" row; empty without one."""
        of_set = [row for row in self.rows if row["set"] == which]
        return {k: v for row in of_set[-1:] for k, v in row.items() if k not in FACTS}

    def losses(self) -> list[tuple[int, str, Mapping[str, float]]]:
        """Step, set and losses of every row that has some."""
        return [
            (row["step"], row["set"], {k: v for k, v in row.items() if k not in FACTS})
            for row in self.rows
            if row["set"] != "note"
        ]

    def has_held_out(self, epoch: int) -> bool:
        """Whether the epoch's held-out losses are known."""
        return any(row["set"] == "held-out" and row["epoch"] == epoch for row in self.rows)

    def notes(self) -> list[str]:
        """Every note, in order."""
        return [row["note"] for row in self.rows if row["set"] == "note"]

    def write(self) -> None:
        """Write all rows to history.csv."""
        losses = dict.fromkeys(key for row in self.rows for key in row if key not in FACTS)
        columns = [*FACTS[:-1], *losses, FACTS[-1]]
        with replacing(self.path) as part, part.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, columns, restval="")
            writer.writeheader()
            writer.writerows(self.rows)

    def restore(self, step: int) -> None:
        """Read the rows up to `step` back; what a crash left beyond it will be done again."""
        if not self.path.is_file():
            return
        with self.path.open(newline="", encoding="utf-8") as stream:
            rows = [_typed(row) for row in csv.DictReader(stream)]
        self.rows = [row for row in rows if row["step"] <= step]


def _typed(row: Mapping[str, str]) -> dict[str, Any]:
    kinds: dict[str, Any] = {"step": int, "epoch": int, "set": str, "note": str}
    return {key: kinds.get(key, float)(value) for key, value in row.items() if value != ""}
