"""What the tables over several datasets have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from napari_medad.benchmarks.paper import Flag, PaperRow
from napari_medad.benchmarks.protocol import read_yaml
from napari_medad.datasets import Dataset, DatasetCase, read_dataset
from napari_medad.errors import MedadError


class PaperTable(BaseModel):
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


@dataclass(frozen=True)
class Parts:
    """One dataset's images to learn from and to test on."""

    train: tuple[DatasetCase, ...]
    test: tuple[DatasetCase, ...]
    notes: tuple[str, ...] = ()


def datasets_of(
    table: PaperTable, folders: Sequence[str | Path], limit: int | None
) -> dict[str, Dataset]:
    """The datasets that are given, by their layout.

    Raises
    ------
    MedadError
        If a folder is none of the table's datasets, two are of one, or the limit is below 1.
    """
    if limit is not None and limit < 1:
        raise MedadError(f"--limit cannot be {limit}; give 1 or more.")
    found: dict[str, Dataset] = {}
    for folder in folders:
        dataset = read_dataset(folder)
        if dataset.layout not in table.layouts:
            raise MedadError(
                f"{folder} is laid out as {dataset.layout}, which {table.name} is not measured on; "
                f"give {', '.join(table.layouts)}."
            )
        if dataset.layout in found:
            raise MedadError(f"{folder} is the second {dataset.layout}; give each dataset once.")
        found[dataset.layout] = dataset
    return found
