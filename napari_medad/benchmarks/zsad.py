"""The zero-shot benchmark on brain metastases: its split, and the cells of its matrix."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_medad.benchmarks.cell import RANDOM, Cell
from napari_medad.benchmarks.changes import Changes
from napari_medad.benchmarks.protocol import Protocol
from napari_medad.datasets import Dataset, DatasetCase, read_dataset
from napari_medad.detectors.registry import card
from napari_medad.errors import MedadError

NAME = re.compile(r"BraTS-MET-(\d+)-000", re.IGNORECASE)
"""A patient's first scan; the paper knows no others."""


@dataclass(frozen=True)
class Split:
    """Who is learned from, who chooses the threshold, who is measured.

    Attributes
    ----------
    train, validation, test : tuple of DatasetCase
    notes : tuple of str
        Where it is not the paper's.
    """

    train: tuple[DatasetCase, ...]
    validation: tuple[DatasetCase, ...]
    test: tuple[DatasetCase, ...]
    notes: tuple[str, ...] = ()


def split(protocol: Protocol, folder: str | Path, limit: int | None = None) -> Split:
    """The paper's split of the dataset in a folder.

    Validation patients are drawn from the training part by the protocol's seed.

    Parameters
    ----------
    protocol : Protocol
    folder : path
    limit : int, optional
        Of the patients of each part, to try things out; test patients may then be missing.

    Raises
    ------
    MedadError
        If the folder holds another dataset, or test patients are missing.
    """
    if limit is not None and limit < 1:
        raise MedadError(f"--limit cannot be {limit}; give 1 or more.")
    dataset = read_dataset(folder, protocol.layout)
    known = _by_number(protocol, dataset)
    test = [known[number] for number in protocol.test if number in known]
    notes = _missing(protocol, dataset, known, limit)
    others = [case for number, case in sorted(known.items()) if number not in protocol.test]
    order = np.random.default_rng(protocol.seed).permutation(len(others))
    held_out = max(1, round(protocol.validation_share * len(others))) if len(others) > 1 else 0
    validation = [others[i] for i in order[:held_out]]
    train = [others[i] for i in order[held_out:]]
    if limit is None and len(others) != protocol.training_patients:
        notes.append(
            f"There are {len(others)} patients to learn from, validation included; the paper had "
            f"{protocol.training_patients}."
        )
    return Split(tuple(train[:limit]), tuple(validation[:limit]), tuple(test[:limit]), tuple(notes))


def zsad_cells(protocol: Protocol, parts: Split, changes: Mapping[str, str]) -> tuple[Cell, ...]:
    """Every cell of the matrix, its settings checked.

    Raises
    ------
    MedadError
        If a changed setting is unknown or wrong.
    """
    asked = Changes(changes)
    cells = tuple(
        _cell(protocol, name, setup, parts, asked)
        for name in protocol.methods
        for setup in protocol.setups_of(name)
    )
    asked.refuse_unused(cells)
    return cells


def _cell(protocol: Protocol, name: str, setup: str, parts: Split, changes: Changes) -> Cell:
    method, how = protocol.methods[name], protocol.setups[setup]
    chosen = changes.choose(
        card(name),
        name,
        setup,
        settings=method.settings,
        options=method.options if how.trained else None,
        both={**method.both, **how.both},
    )
    released = method.released if how.weights == "released" else RANDOM
    return Cell(
        method=name,
        setup=setup,
        title=f"{method.title}, {setup}",
        weights=chosen.weights or released,
        settings=chosen.settings,
        options=chosen.options,
        volume=protocol.volume,
        test=parts.test,
        train=parts.train[: method.training_patients] if how.trained else (),
        validation=parts.validation,
        half=method.half_by_variant.get(str(chosen.settings.get("variant")), method.half),
    )


def _by_number(protocol: Protocol, dataset: Dataset) -> dict[int, DatasetCase]:
    """First scans with the volume and a mask, by the patient's number."""
    found = {}
    for case in dataset.cases:
        match = NAME.fullmatch(case.name)
        if match and protocol.volume in case.images and case.masks:
            found[int(match[1])] = case
    return found


def _missing(
    protocol: Protocol, dataset: Dataset, known: Mapping[int, DatasetCase], limit: int | None
) -> list[str]:
    """A note where test patients are missing; refused unless a limit says that it is a try."""
    gone = [number for number in protocol.test if number not in known]
    if len(gone) == len(protocol.test):
        raise MedadError(
            f"{dataset.folder} holds none of the {len(gone)} test patients with {protocol.volume} "
            f"and a mask (BraTS-MET-{gone[0]:05d}-000, ...); give the training part of BraTS 2023 "
            "METS."
        )
    listed = _numbers(gone)
    if gone and limit is None:
        raise MedadError(
            f"{dataset.folder} lacks {len(gone)} of the {len(protocol.test)} test patients "
            f"({listed}); complete it, or give --limit N to try fewer, which is not the protocol."
        )
    notes = [f"{len(gone)} test patients are missing: {listed}."] if gone else []
    if limit is not None:
        notes.insert(0, f"At most {limit} patients of each part (--limit).")
    return notes


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
