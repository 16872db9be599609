"""Whole images told normal from abnormal on each dataset: the table of the mixture of experts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from napari_medad.benchmarks.cell import RANDOM, Cell
from napari_medad.benchmarks.changes import WEIGHTS, Changes, parsed
from napari_medad.benchmarks.consistency import impossible_f1
from napari_medad.benchmarks.paper import Flag, PaperRow
from napari_medad.benchmarks.protocol import read_yaml
from napari_medad.datasets import DatasetCase, facts, read_dataset
from napari_medad.datasets.dataset import PICTURE
from napari_medad.detectors.registry import card
from napari_medad.errors import MedadError


class ImageSet(BaseModel):
    """A dataset, and how many images of it the paper had.

    Attributes
    ----------
    title : str
    train : int
        Normal images to learn from.
    normal, abnormal : int
        To test on.
    labels : tuple of str
        Of the abnormal ones, in equal shares; empty for all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    title: str
    train: int
    normal: int
    abnormal: int
    labels: tuple[str, ...] = ()


class ImageMethod(BaseModel):
    """A detector that learns normal images.

    Attributes
    ----------
    title : str
        What the paper calls it.
    shared : bool
        Whether one network learns all datasets.
    settings, options, both : mapping
        Of the detector, of its training, and of both.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    title: str
    shared: bool = False
    settings: dict[str, Any] = {}
    options: dict[str, Any] = {}
    both: dict[str, Any] = {}


class ImageTable(BaseModel):
    """A benchmark of image-level scores.

    Attributes
    ----------
    name, title, citation, about : str
    seed : int
        Of the split; the paper's counts are not those of the datasets' own splits.
    datasets, methods : mapping
        By layout, and by detector.
    figures : mapping of str to str
    choices : tuple of str
    paper : tuple of PaperRow
        In percent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    title: str
    citation: str
    about: str
    seed: int
    datasets: dict[str, ImageSet]
    methods: dict[str, ImageMethod]
    figures: dict[str, str]
    choices: tuple[str, ...]
    paper: tuple[PaperRow, ...]

    @classmethod
    def read(cls, name: str) -> ImageTable:
        """The benchmark of this name."""
        return cls.model_validate({"name": name, **read_yaml(name)})

    @property
    def flags(self) -> tuple[Flag, ...]:
        """Printed F1 below that of calling every image abnormal."""
        counts = {name: (held.normal, held.abnormal) for name, held in self.datasets.items()}
        return tuple(impossible_f1(self.paper, counts))


class Parts(BaseModel):
    """One dataset's images: normal ones to learn, both kinds to test on."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)
    train: tuple[DatasetCase, ...]
    test: tuple[DatasetCase, ...]
    notes: tuple[str, ...] = ()


def image_parts(
    table: ImageTable, folders: Sequence[str | Path], limit: int | None = None
) -> dict[str, Parts]:
    """The images of every dataset that is given, by its layout.

    Raises
    ------
    MedadError
        If a folder is none of the benchmark's datasets, or two are of one, or a part is empty.
    """
    if limit is not None and limit < 1:
        raise MedadError(f"--limit cannot be {limit}; give 1 or more.")
    found: dict[str, Parts] = {}
    for folder in folders:
        dataset = read_dataset(folder)
        if dataset.layout not in table.datasets:
            raise MedadError(
                f"{folder} is laid out as {dataset.layout}, which {table.name} is not measured on; "
                f"give {', '.join(table.datasets)}."
            )
        if dataset.layout in found:
            raise MedadError(f"{folder} is the second {dataset.layout}; give each dataset once.")
        wanted = table.datasets[dataset.layout]
        found[dataset.layout] = _parts(dataset.layout, dataset.cases, wanted, table.seed, limit)
    return found


def image_cells(
    table: ImageTable, parts: Mapping[str, Parts], changes: Mapping[str, str]
) -> tuple[Cell, ...]:
    """A cell for every method and dataset that is there; a shared network learns all of these.

    Raises
    ------
    MedadError
        If a changed setting is unknown or wrong.
    """
    asked = Changes(changes)
    everything = tuple(case for held in parts.values() for case in held.train)
    cells = []
    for name, method in table.methods.items():
        for layout, held in parts.items():
            found = card(name)
            kinds = found.settings_type(), found.recipe_type().Options
            fields = dict.fromkeys([*kinds[0].model_fields, *kinds[1].model_fields])
            own = asked.of(name, layout, list(fields))
            settings, options = (
                {k: v for k, v in {**method.both, **given, **own}.items() if k in kind.model_fields}
                for kind, given in zip(kinds, (method.settings, method.options), strict=True)
            )
            cells.append(
                Cell(
                    method=name,
                    setup=layout,
                    title=f"{method.title}, {layout}",
                    weights=own.get(WEIGHTS, RANDOM),
                    settings=parsed(name, "the detector", kinds[0], settings),
                    options=parsed(name, "the training of", kinds[1], options),
                    volume=PICTURE,
                    test=held.test,
                    train=everything if method.shared else held.train,
                    kind="images",
                    model=name if method.shared else "",
                    tasks={known: facts()[known].task for known in parts},
                )
            )
    asked.refuse_unused(cells)
    return tuple(cells)


def _parts(
    layout: str, cases: Sequence[DatasetCase], wanted: ImageSet, seed: int, limit: int | None
) -> Parts:
    named = [replace(case, name=f"{layout}/{case.name}") for case in cases]
    rng = np.random.default_rng(seed)
    normal = _drawn([case for case in named if case.abnormal is False], len(named), rng)
    test, train = normal[: wanted.normal], normal[wanted.normal :][: wanted.train]
    lesions = []
    for label in wanted.labels or (None,):
        shown = [c for c in named if c.abnormal and (label is None or label in c.labels)]
        lesions += _drawn(shown, wanted.abnormal // max(1, len(wanted.labels)), rng)
    counts = (len(train), len(test), len(lesions))
    if not all(counts):
        raise MedadError(
            f"{layout} has {counts[0]} normal images to learn from, {counts[1]} normal and "
            f"{counts[2]} abnormal ones to test on; none of these can be 0."
        )
    notes = []
    paper = (wanted.train, wanted.normal, wanted.abnormal)
    if limit is not None:
        notes.append(f"At most {limit} images of each part of {layout} (--limit).")
    elif counts != paper:
        told = " + ".join(map(str, counts)), " + ".join(map(str, paper))
        notes.append(f"{layout}: {told[0]} images (train + normal + abnormal); paper {told[1]}.")
    tested = (*test[:limit], *lesions[:limit])
    return Parts(train=tuple(train[:limit]), test=tested, notes=tuple(notes))


def _drawn(cases: Sequence[DatasetCase], count: int, rng: np.random.Generator) -> list[DatasetCase]:
    return [cases[i] for i in rng.permutation(len(cases))[:count]]
