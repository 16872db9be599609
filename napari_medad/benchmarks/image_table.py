"""Whole images told normal from abnormal on each dataset: the table of the mixture of experts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from napari_medad.benchmarks.cell import RANDOM, Cell
from napari_medad.benchmarks.changes import Changes
from napari_medad.benchmarks.consistency import impossible_f1
from napari_medad.benchmarks.paper import Flag
from napari_medad.benchmarks.paper_table import PaperTable, Parts
from napari_medad.datasets import Dataset, DatasetCase, facts
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
    detector : str
        Empty where it is called like the row.
    shared : bool
        Whether one network learns all datasets.
    settings, options, both : mapping
        Of the detector, of its training, and of both.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    title: str
    detector: str = ""
    shared: bool = False
    settings: dict[str, Any] = {}
    options: dict[str, Any] = {}
    both: dict[str, Any] = {}


class ImageTable(PaperTable):
    """A benchmark of image-level scores; the paper's counts are not those of the datasets' splits.

    Attributes
    ----------
    datasets, methods : mapping
        By layout, and by detector.
    """

    datasets: dict[str, ImageSet]
    methods: dict[str, ImageMethod]

    @property
    def all_flags(self) -> tuple[Flag, ...]:
        """Printed F1 below that of calling every image abnormal, too."""
        counts = {name: (held.normal, held.abnormal) for name, held in self.datasets.items()}
        return (*self.flags, *impossible_f1(self.paper, counts))

    def parts_of(self, given: Mapping[str, Dataset], limit: int | None) -> dict[str, Parts]:
        """In the paper's numbers, where there are as many."""
        return {
            layout: _parts(layout, dataset.cases, self.datasets[layout], self.seed, limit)
            for layout, dataset in given.items()
        }

    def cell(self, name: str, setup: str, parts: Mapping[str, Parts], changes: Changes) -> Cell:
        """A row on one dataset; a shared network learns all that are given."""
        method, held = self.methods[name], parts[setup]
        everything = tuple(case for each in parts.values() for case in each.train)
        chosen = changes.choose(
            card(method.detector or name),
            name,
            setup,
            settings=method.settings,
            options=method.options,
            both=method.both,
        )
        return Cell(
            method=name,
            setup=setup,
            title=f"{method.title}, {setup}",
            weights=chosen.weights or RANDOM,
            settings=chosen.settings,
            options=chosen.options,
            volume=PICTURE,
            test=held.test,
            train=everything if method.shared else held.train,
            kind="images",
            model=name if method.shared else "",
            detector=method.detector,
            tasks={known: facts()[known].task for known in parts},
        )


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
