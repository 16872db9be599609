"""What the tables over several datasets have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from napari_medad.benchmarks.cell import Cell
from napari_medad.benchmarks.changes import Changes
from napari_medad.benchmarks.paper import Flag, PaperRow
from napari_medad.benchmarks.protocol import read_yaml
from napari_medad.datasets import Dataset, DatasetCase, read_datasets
from napari_medad.errors import MedadError


@dataclass(frozen=True)
class Parts:
    """One dataset's images to learn from and to test on."""

    train: tuple[DatasetCase, ...]
    test: tuple[DatasetCase, ...]
    notes: tuple[str, ...] = ()


class PaperTable(BaseModel, ABC):
    """A paper's table: methods by datasets.

    Attributes
    ----------
    name, title, citation, about : str
    seed : int
        Of what is drawn.
    datasets, methods : mapping
        By what cells are called.
    figures : mapping of str to str
        The table's columns, and what they are called.
    choices : tuple of str
        Where the paper is silent or odd.
    paper : tuple of PaperRow
        In percent.
    flags : tuple of Flag
        Of the file; see `all_flags`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    title: str
    citation: str
    about: str
    seed: int
    datasets: Mapping[str, Any]
    methods: Mapping[str, Any]
    figures: dict[str, str]
    choices: tuple[str, ...]
    paper: tuple[PaperRow, ...]
    flags: tuple[Flag, ...] = ()

    @classmethod
    def read(cls, name: str) -> Self:
        """The benchmark of this name."""
        return cls.model_validate({"name": name, **read_yaml(name)})

    @property
    def layouts(self) -> tuple[str, ...]:
        """Of the datasets that it is measured on."""
        return tuple(self.datasets)

    @property
    def all_flags(self) -> tuple[Flag, ...]:
        """Those of the file, and those that arithmetic finds."""
        return self.flags

    def parts(self, folders: Sequence[str | Path], limit: int | None = None) -> dict[str, Parts]:
        """The images of every setup whose dataset is given.

        Parameters
        ----------
        folders : sequence of path
            Of datasets, or that hold several.
        limit : int, optional
            Images of each part at most, which is not the protocol.

        Raises
        ------
        MedadError
            If a folder is none of the table's datasets, two are of one, a part of one is empty,
            or the limit is below 1.
        """
        if limit is not None and limit < 1:
            raise MedadError(f"--limit cannot be {limit}; give 1 or more.")
        return self.parts_of(self._given(folders), limit)

    def cells(self, parts: Mapping[str, Parts], changes: Mapping[str, str]) -> tuple[Cell, ...]:
        """A cell for every row and setup that is there.

        Raises
        ------
        MedadError
            If a changed setting is unknown or wrong.
        """
        asked = Changes(changes)
        cells = tuple(
            self.cell(name, setup, parts, asked) for setup in parts for name in self.methods
        )
        asked.refuse_unused(cells)
        return cells

    @abstractmethod
    def parts_of(self, given: Mapping[str, Dataset], limit: int | None) -> dict[str, Parts]:
        """The images of every setup, of the datasets that are given, by their layout."""

    @abstractmethod
    def cell(self, name: str, setup: str, parts: Mapping[str, Parts], changes: Changes) -> Cell:
        """A row on one setup."""

    def _given(self, folders: Sequence[str | Path]) -> dict[str, Dataset]:
        found: dict[str, Dataset] = {}
        for folder in folders:
            held = read_datasets(folder)
            fitting = [dataset for dataset in held if dataset.layout in self.layouts]
            if not fitting:
                raise MedadError(
                    f"{folder} is laid out as {' and '.join(d.layout for d in held)}, which "
                    f"{self.name} is not measured on; give {', '.join(self.layouts)}."
                )
            for dataset in fitting:
                if dataset.layout in found:
                    raise MedadError(
                        f"{dataset.folder} is the second {dataset.layout}; give each dataset once."
                    )
                found[dataset.layout] = dataset
        return found
