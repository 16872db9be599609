"""All cells of a benchmark one after another; a killed run goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_medad.atomic import replacing
from napari_medad.benchmarks.cell import Cell
from napari_medad.benchmarks.cell_folder import CellFolder, CellResult
from napari_medad.benchmarks.progress import Clock
from napari_medad.benchmarks.work import do
from napari_medad.errors import MedadError
from napari_medad.inference.progress import Callback

NOT_ASKED = "not run: not asked for"


@dataclass(frozen=True)
class Outcome:
    """What became of a cell.

    Attributes
    ----------
    cell : Cell
    result : CellResult or None
    why : str
        Why there is no result.
    """

    cell: Cell
    result: CellResult | None = None
    why: str = ""


@dataclass(frozen=True)
class Matrix:
    """Cells and the folder that they are worked in.

    Attributes
    ----------
    benchmark : str
        Its name, which the folder keeps.
    cells : tuple of Cell
    out : Path
    """

    benchmark: str
    cells: tuple[Cell, ...]
    out: Path

    def folder(self, cell: Cell) -> CellFolder:
        """Of one cell."""
        shared = self.out / "models" / cell.model if cell.model else None
        return CellFolder(self.out / "cells" / cell.name, shared)

    def run(
        self, asked: Collection[str], *, device: str = "auto", progress: Callback | None = None
    ) -> list[Outcome]:
        """Do what is not done yet of the cells that are asked for.

        A cell whose weights are not here is passed over, and one that fails does not stop
        the others; both say why, and are tried again the next time.

        Parameters
        ----------
        asked : collection of str
            Names of cells.
        device : str
        progress : callable, optional
            Takes a `MatrixProgress`; answers "stop" to cancel.

        Returns
        -------
        list of Outcome
            Of all cells; those that an earlier run finished have their results too.

        Raises
        ------
        MedadError
            If the folder holds another benchmark, or cells of other settings or data.
        Cancelled
            What was done is kept.
        """
        self._claim()
        lacking = {cell.name: cell.lacking() for cell in self.cells}
        runs = [
            cell
            for cell in self.cells
            if cell.name in asked and (not lacking[cell.name] or self.folder(cell).result())
        ]
        clock = Clock(progress, [cell.work for cell in runs])
        done: dict[str, Outcome] = {}
        for number, cell in enumerate(runs):
            clock.begin(number, cell.name)
            try:
                done[cell.name] = Outcome(cell, do(cell, self.folder(cell), clock, device))
            except (ValueError, RuntimeError) as error:  # ours, and those of torch
                done[cell.name] = Outcome(cell, why=f"failed: {error}")
            clock.drop()
        return [
            done[cell.name] if cell.name in done else self._left(cell, asked, lacking[cell.name])
            for cell in self.cells
        ]

    def _left(self, cell: Cell, asked: Collection[str], lacking: str) -> Outcome:
        """Of a cell that was not run now."""
        held = self.folder(cell).result()
        if held is not None:
            return Outcome(cell, held)
        return Outcome(cell, why=f"not run: needs {lacking}" if cell.name in asked else NOT_ASKED)

    def _claim(self) -> None:
        """Refuse a folder that is another's, then mark it as ours."""
        mark = self.out / "benchmark.json"
        if mark.is_file():
            held = _name_in(mark)
            if held != self.benchmark:
                raise MedadError(
                    f"{self.out} holds the benchmark {held}, not {self.benchmark}; choose another "
                    "--out."
                )
            for cell in self.cells:
                if (self.folder(cell).path / "cell.json").is_file():
                    self.folder(cell).refuse_others(cell.made_of())
            return
        if self.out.is_file() or (self.out.is_dir() and any(self.out.iterdir())):
            raise MedadError(
                f"{self.out} is no folder of a benchmark and not empty; choose another --out."
            )
        with replacing(mark) as part:
            part.write_text(json.dumps({"benchmark": self.benchmark}) + "\n", encoding="utf-8")


def names_of(cells: Sequence[Cell], methods: Sequence[str], setups: Sequence[str]) -> list[str]:
    """Names of the cells of some methods and setups; none given means all.

    Raises
    ------
    MedadError
        If there is no such method or setup, or no cell has both.
    """
    for what, given, known in (
        ("method", methods, dict.fromkeys(cell.method for cell in cells)),
        ("setup", setups, dict.fromkeys(cell.setup for cell in cells)),
    ):
        for name in given:
            if name not in known:
                raise MedadError(
                    f"The benchmark has no {what} '{name}'; it has {', '.join(known)}."
                )
    found = [
        cell.name
        for cell in cells
        if (not methods or cell.method in methods) and (not setups or cell.setup in setups)
    ]
    if not found:
        raise MedadError(
            f"{' and '.join(methods)} has no setup {' or '.join(setups)} in this benchmark; choose "
            "others."
        )
    return found


def _name_in(mark: Path) -> str:
    try:
        return str(json.loads(mark.read_text(encoding="utf-8"))["benchmark"])
    except (ValueError, KeyError, TypeError):
        raise MedadError(f"{mark} is damaged; choose another --out.") from None
