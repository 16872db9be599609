"""Settings that the user changes: `image_size=56`, or `vand.epochs=1` of one method or setup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from napari_medad.benchmarks.cell import Cell
from napari_medad.detectors.card import Card
from napari_medad.errors import MedadError

WEIGHTS = "weights"


@dataclass(frozen=True)
class Chosen:
    """What a cell is run with, checked.

    Attributes
    ----------
    settings : dict
        Of the detector, defaults included.
    options : dict or None
        Of its training; None where it is not trained.
    weights : str
        Those that the user asked for; empty for the benchmark's.
    """

    settings: dict[str, Any]
    options: dict[str, Any] | None
    weights: str = ""


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

    def choose(
        self,
        found: Card,
        method: str,
        setup: str,
        *,
        settings: Mapping[str, Any],
        options: Mapping[str, Any] | None,
        both: Mapping[str, Any] | None = None,
        fixed: Sequence[str] = (),
    ) -> Chosen:
        """The benchmark's settings of a cell, and over them the user's.

        Parameters
        ----------
        found : Card
            Of the detector.
        method, setup : str
        settings, options : mapping
            Of the detector, and of its training; None where it is not trained.
        both : mapping, optional
            Of whichever has them.
        fixed : sequence of str
            What cannot be changed.

        Raises
        ------
        MedadError
            If a setting is unknown or wrong.
        """
        kinds = [("the detector", found.settings_type(), settings)]
        if options is not None:
            kinds.append(("the training of", found.recipe_type().Options, options))
        every = dict.fromkeys(name for _, kind, _ in kinds for name in kind.model_fields)
        own = self.of(method, setup, [name for name in every if name not in fixed])
        checked = []
        for what, kind, given in kinds:
            told = {**(both or {}), **given, **own}
            values = {k: v for k, v in told.items() if k in given or k in kind.model_fields}
            read = kind.parse(values, f"{what} {found.name}")
            checked.append(dict(read.model_dump(mode="json")))  # defaults included
        return Chosen(checked[0], checked[1] if len(checked) > 1 else None, own.get(WEIGHTS, ""))

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
