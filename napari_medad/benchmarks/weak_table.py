"""Tumours outlined by methods that no mask is shown to: the table of RASALoRE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from napari_medad.benchmarks.cell import RANDOM, Cell, Supervision, Weak
from napari_medad.benchmarks.changes import WEIGHTS, Changes, parsed
from napari_medad.benchmarks.paper_table import PaperTable, Parts, datasets_of
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


def weak_parts(
    table: WeakTable, folders: Sequence[str | Path], limit: int | None = None
) -> dict[str, Parts]:
    """The split of every dataset that is given, by its layout; no patient is in both parts.

    Raises
    ------
    MedadError
        As `datasets_of`; also if one has fewer than two patients with the volume and a mask.
    """
    return {
        layout: _parts(table, dataset, limit)
        for layout, dataset in datasets_of(table, folders, limit).items()
    }


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


def weak_cells(
    table: WeakTable, parts: Mapping[str, Parts], changes: Mapping[str, str]
) -> tuple[Cell, ...]:
    """A cell for every row and dataset that is there.

    Raises
    ------
    MedadError
        If a changed setting is unknown or wrong, or a teacher does not learn from slice labels.
    """
    asked = Changes(changes)
    cells = tuple(
        _cell(table, name, layout, held, asked)
        for layout, held in parts.items()
        for name in table.methods
    )
    asked.refuse_unused(cells)
    return cells


def _cell(table: WeakTable, name: str, layout: str, parts: Parts, changes: Changes) -> Cell:
    method = table.methods[name]
    settings, options, own = _chosen(table, name, layout, changes)
    teacher = changes.of("", layout, [TEACHER]).get(TEACHER, table.teacher)  # of all rows
    teachers = [key for key, row in table.methods.items() if row.supervision == "slice labels"]
    if teacher not in teachers:
        raise MedadError(f"--set {TEACHER}={teacher}: choose {' or '.join(teachers)}.")
    taught = method.supervision in ("weak masks", "refined masks", "none")
    trained = method.supervision != "none"
    lesson = _chosen(table, teacher, layout, changes)[1] if taught else {}
    return Cell(
        method=name,
        setup=layout,
        title=f"{method.title}, {layout}",
        weights=own.get(WEIGHTS, RANDOM if trained else "auto"),
        settings=settings,
        options=options if trained else None,
        volume=table.volume,
        test=parts.test,
        train=parts.train,
        half=None if method.own_threshold else 0.5,
        kind="slices",
        model=f"{layout}/{TEACHER if name == teacher else name}",
        detector=method.detector,
        weak=Weak(
            method.supervision,
            table.margin,
            table.least_pixels,
            teacher if taught else "",
            lesson or {},
        ),
    )


def _chosen(
    table: WeakTable, name: str, layout: str, changes: Changes
) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """Settings and training options of a row, checked, and what the user changed."""
    method = table.methods[name]
    found = card(method.detector or name)
    kinds = {"the detector": found.settings_type()}
    if method.supervision != "none":
        kinds["the training of"] = found.recipe_type().Options
    fields = [field for kind in kinds.values() for field in kind.model_fields]
    own = changes.of(name, layout, list(dict.fromkeys(fields)))
    checked = []
    for (what, kind), given in zip(kinds.items(), (method.settings, method.options), strict=False):
        values = {k: v for k, v in {**given, **own}.items() if k in kind.model_fields}
        checked.append(parsed(found.name, what, kind, values))
    return checked[0], checked[1] if len(checked) > 1 else {}, own
