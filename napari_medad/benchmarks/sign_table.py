"""Several abnormalities told apart by their signs and one shot of each: the tables of SD-MAD."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from napari_medad.benchmarks.cell import RANDOM, Cell, Shown
from napari_medad.benchmarks.changes import Changes
from napari_medad.benchmarks.consistency import impossible_hamming, wrong_means
from napari_medad.benchmarks.paper import Flag
from napari_medad.benchmarks.paper_table import PaperTable, Parts
from napari_medad.datasets import Dataset, DatasetCase
from napari_medad.datasets.dataset import TEST, TRAIN
from napari_medad.detectors.registry import card
from napari_medad.detectors.sdmad.signs import SignList
from napari_medad.errors import MedadError

DETECTOR = "sdmad"


class SignSet(BaseModel):
    """A dataset, or one slice of its scans.

    Attributes
    ----------
    title, layout : str
    signs : str
        The list that its abnormalities are told apart by.
    categories : tuple of str
        Of the list, those that count; empty for all.
    slice : int
        0 of pictures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    title: str
    layout: str
    signs: str
    categories: tuple[str, ...] = ()
    slice: int = 0

    @property
    def shown(self) -> Shown:
        """What is told apart."""
        return Shown(SignList.read(self.signs).only(self.categories).names, self.slice)


class SignMethod(BaseModel):
    """A row of the table.

    Attributes
    ----------
    title : str
        What the paper calls it.
    model : str
        Row whose network it shares; empty for its own.
    settings, options : mapping
        Of the detector, and of its training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    title: str
    model: str = ""
    settings: dict[str, Any] = {}
    options: dict[str, Any] = {}


class SignTable(PaperTable):
    """A benchmark of detectors that tell abnormalities apart.

    Attributes
    ----------
    shots : int
        Images that each abnormality is learned from.
    datasets, methods : mapping
        By setup, and by row.
    """

    shots: int
    datasets: dict[str, SignSet]
    methods: dict[str, SignMethod]

    @property
    def layouts(self) -> tuple[str, ...]:
        """Of the datasets, some of which have several setups."""
        return tuple(dict.fromkeys(held.layout for held in self.datasets.values()))

    @property
    def all_flags(self) -> tuple[Flag, ...]:
        """Means that are none and scores that exclude each other, too."""
        names = {setup: held.shown.categories for setup, held in self.datasets.items()}
        counts = {setup: len(held) for setup, held in names.items()}
        return (
            *self.flags,
            *wrong_means(self.paper, "mean_auroc", names),
            *impossible_hamming(self.paper, counts),
        )

    def parts_of(self, given: Mapping[str, Dataset], limit: int | None) -> dict[str, Parts]:
        """Shots and test images.

        Where a dataset has a test part, shots come from its training part. Else every patient is
        tested who gave no shot.
        """
        return {
            setup: _parts(self, setup, given[held.layout], limit)
            for setup, held in self.datasets.items()
            if held.layout in given
        }

    def cell(self, name: str, setup: str, parts: Mapping[str, Parts], changes: Changes) -> Cell:
        """A row on one setup."""
        method, held, found = self.methods[name], self.datasets[setup], card(DETECTOR)
        told = {"signs": held.signs, "categories": held.categories}
        chosen = changes.choose(
            found,
            name,
            setup,
            settings=method.settings,
            options={**method.options, **told},
            fixed=tuple(told),
        )
        return Cell(
            method=name,
            setup=setup,
            title=f"{method.title}, {setup}",
            weights=chosen.weights or RANDOM,
            settings=chosen.settings,
            options=chosen.options,
            volume="",
            test=parts[setup].test,
            train=parts[setup].train,
            kind="categories",
            model=f"{setup}/{method.model or name}",
            detector=DETECTOR,
            shown=held.shown,
        )


def _parts(table: SignTable, setup: str, dataset: Dataset, limit: int | None) -> Parts:
    shown, rng = table.datasets[setup].shown, np.random.default_rng(table.seed)
    cases = [c for c in dataset.cases if c.slices is None or shown.slice in c.slices]
    test = [case for case in cases if case.split == TEST]
    known = [case for case in cases if case.split == TRAIN] if test else cases
    shots: dict[str, DatasetCase] = {}
    for name in shown.categories:
        fitting = [c for c in known if name in shown.of(c) and c.name not in shots]
        if not fitting:
            raise MedadError(
                f"{dataset.folder} has no image to learn '{name}' from ({setup}); complete it, or "
                "leave it out."
            )
        drawn = rng.permutation(len(fitting))[: table.shots]
        shots |= {fitting[i].name: fitting[i] for i in drawn}
    learned = {case.patient for case in shots.values()}
    test = test or [case for case in cases if case.patient not in learned]
    if not test:
        raise MedadError(
            f"{dataset.folder} has no image left to test on ({setup}): every patient gave a shot."
        )
    notes = []
    if limit is not None:
        notes.append(f"At most {limit} test images of {setup} (--limit).")
        test = [test[i] for i in sorted(rng.permutation(len(test))[:limit])]
    return Parts(tuple(shots.values()), tuple(test), tuple(notes))
