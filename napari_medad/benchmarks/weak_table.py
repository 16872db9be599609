"""Tumours outlined by methods that no mask is shown to: the table of RASALoRE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from napari_medad.benchmarks.cell import RANDOM, Cell, Supervision, Weak
from napari_medad.benchmarks.changes import Changes, Chosen
from napari_medad.benchmarks.paper_table import PaperTable, Parts
from napari_medad.datasets import Dataset
from napari_medad.detectors.registry import card
from napari_medad.errors import MedadError

TEACHER = "teacher"


class WeakSet(BaseModel):
    """A dataset, and how many patients of it the paper had."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    title: str
    patients: int


class WeakMethod(BaseModel):
    """A row of the table.

    Attributes
    ----------
    title : str
        What the paper calls it.
    detector : str
        Empty where it is called like the row.
    supervision : Supervision
    settings, options : mapping
        Of the detector, and of its training.
    own_threshold : bool
        Whether the fixed threshold is the detector's, not a half.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    title: str
    detector: str = ""
    supervision: Supervision
    settings: dict[str, Any] = {}
    options: dict[str, Any] = {}
    own_threshold: bool = False


class WeakTable(PaperTable):
    """A benchmark of weakly supervised methods.

    Attributes
    ----------
    volume : str
        Which is looked at.
    test_share : float
        Of the patients.
    margin, least_pixels : int
        See `Weak`.
    teacher : str
        Of the methods that learn from masks or are prompted.
    datasets, methods : mapping
        By layout, and by row.
    """

    volume: str
    test_share: float
    margin: int
    least_pixels: int
    teacher: str
    datasets: dict[str, WeakSet]
    methods: dict[str, WeakMethod]

    def parts_of(self, given: Mapping[str, Dataset], limit: int | None) -> dict[str, Parts]:
        """No patient is in both parts."""
        return {layout: _parts(self, dataset, limit) for layout, dataset in given.items()}

    def cell(self, name: str, setup: str, parts: Mapping[str, Parts], changes: Changes) -> Cell:
        """A row on one dataset, and the teacher it learns from."""
        method, chosen = self.methods[name], self._chosen(name, setup, changes)
        teacher = changes.of("", setup, [TEACHER]).get(TEACHER, self.teacher)  # of all rows
        teachers = [key for key, row in self.methods.items() if row.supervision == "slice labels"]
        if teacher not in teachers:
            raise MedadError(f"--set {TEACHER}={teacher}: choose {' or '.join(teachers)}.")
        taught = method.supervision in ("weak masks", "refined masks", "none")
        trained = method.supervision != "none"
        lesson = self._chosen(teacher, setup, changes).options if taught else None
        return Cell(
            method=name,
            setup=setup,
            title=f"{method.title}, {setup}",
            weights=chosen.weights or (RANDOM if trained else "auto"),
            settings=chosen.settings,
            options=chosen.options,
            volume=self.volume,
            test=parts[setup].test,
            train=parts[setup].train,
            half=None if method.own_threshold else 0.5,
            kind="slices",
            model=f"{setup}/{TEACHER if name == teacher else name}",
            detector=method.detector,
            weak=Weak(
                method.supervision,
                self.margin,
                self.least_pixels,
                teacher if taught else "",
                lesson or {},
            ),
        )

    def _chosen(self, name: str, setup: str, changes: Changes) -> Chosen:
        method = self.methods[name]
        return changes.choose(
            card(method.detector or name),
            name,
            setup,
            settings=method.settings,
            options=None if method.supervision == "none" else method.options,
        )


def _parts(table: WeakTable, dataset: Dataset, limit: int | None) -> Parts:
    cases = [case for case in dataset.cases if table.volume in case.images and case.masks]
    patients = list(dict.fromkeys(case.patient for case in cases))
    if len(patients) < 2:
        raise MedadError(
            f"{dataset.folder} has {len(patients)} patients with {table.volume} and a mask; two "
            "are needed at least, one to learn from and one to test on."
        )
    order = np.random.default_rng(table.seed).permutation(len(patients))
    tested = {patients[i] for i in order[: max(1, round(table.test_share * len(patients)))]}
    test = [case for case in cases if case.patient in tested]
    train = [case for case in cases if case.patient not in tested]
    notes, paper = [], table.datasets[dataset.layout].patients
    if limit is not None:
        notes.append(f"At most {limit} scans of each part of {dataset.layout} (--limit).")
    elif len(cases) != paper:
        notes.append(f"{dataset.layout}: {len(cases)} scans; the paper had {paper}.")
    return Parts(tuple(train[:limit]), tuple(test[:limit]), tuple(notes))
