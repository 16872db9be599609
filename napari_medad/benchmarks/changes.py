"""Settings that the user changes: `image_size=56`, or `vand.epochs=1` of one method or setup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from napari_medad.benchmarks.cell import Cell
from napari_medad.errors import MedadError

WEIGHTS = "weights"


@dataclass
class Changes:
    """What was asked, and what of it found its place.

    Attributes
    ----------
    asked : mapping of str to str
        `KEY` or `WHERE.KEY` and its value; WHERE is a method, a setup or a cell, and KEY a
        setting of the detector, an option of its training (or both), or `weights`.
    """

    asked: Mapping[str, str]
    used: set[str] = field(default_factory=set)

    def of(self, method: str, setup: str, known: Sequence[str]) -> dict[str, str]:
        """Those of a cell whose settings are `known`; the nearer word wins."""
        wheres = ("", f"{method}.", f"{setup}.", f"{method}-{setup}.")
        found: dict[str, str] = {}
        for where in wheres:
            for key in (*known, WEIGHTS):
                if where + key in self.asked:
                    found[key] = self.asked[where + key]
                    self.used.add(where + key)
        return found

    def refuse_unused(self, cells: Sequence[Cell]) -> None:
        """Refuse what no cell has.

        Raises
        ------
        MedadError
            Names the first.
        """
        for name in self.asked:
            if name not in self.used:
                words = dict.fromkeys(word for cell in cells for word in (cell.method, cell.setup))
                raise MedadError(
                    f"--set {name}: no method of the benchmark has this setting; write SETTING, or "
                    f"WHERE.SETTING with one of {', '.join(words)}."
                )


def parsed(cell_method: str, what: str, model: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values checked by a settings class, defaults included, as JSON has them."""
    return dict(model.parse(values, f"{what} {cell_method}").model_dump(mode="json"))
