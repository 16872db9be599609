"""From a folder to a dataset: the layout that fits, its cases, no patient in two parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from napari_medad.datasets import readers as home
from napari_medad.datasets.dataset import TEST, TRAIN, VALIDATION, Dataset, DatasetCase
from napari_medad.datasets.layout import Found, Layout
from napari_medad.datasets.tree import Tree
from napari_medad.errors import MedadError

RANK = {TEST: 3, VALIDATION: 2, TRAIN: 1}
"""A patient found in two parts stays in the one that counts most."""


@cache
def known_layouts() -> dict[str, Layout]:
    """Every layout by name: those of each module in `datasets/readers`."""
    modules = (import_module(f"{home.__name__}.{m.name}") for m in iter_modules(home.__path__))
    found = [layout for module in modules for layout in module.LAYOUTS]
    return {layout.name: layout for layout in sorted(found, key=lambda layout: layout.name)}


def layouts() -> tuple[str, ...]:
    """Names of the layouts that can be read."""
    return tuple(known_layouts())


def read_dataset(folder: str | Path, layout: str | None = None) -> Dataset:
    """Read what a dataset's folder holds; images are read later, case by case.

    A patient whose images the authors put into two parts stays in the test part (then the
    validation part) alone, and the notes say so.

    Parameters
    ----------
    folder : path
        The folder that was unpacked, or one above it.
    layout : str, optional
        A name of `layouts()`; found from the folder where not given.

    Raises
    ------
    MedadError
        If there is no such folder or layout, or none or several layouts fit, or no case is
        found.
    """
    known = known_layouts()
    if layout is not None and layout not in known:
        raise MedadError(f"There is no layout '{layout}'; choose from {', '.join(known)}.")
    tree = Tree.of(folder)
    return _read(tree, known[layout] if layout is not None else _fitting(tree))


def read_datasets(folder: str | Path) -> tuple[Dataset, ...]:
    """The dataset that a folder is, or those that lie side by side in it, in a folder each.

    Folders in it that are none of the datasets are passed over.

    Raises
    ------
    MedadError
        As `read_dataset`.
    """
    tree = Tree.of(folder)
    fitting = {layout.name for layout in _fits(tree)}
    inside = [part for part in tree.folders() if _fits(part)] if len(fitting) > 1 else []
    if len(inside) == len(fitting) == len({_fitting(part).name for part in inside}):
        return tuple(_read(part, _fitting(part)) for part in inside)
    return (_read(tree, _fitting(tree)),)


def _read(tree: Tree, chosen: Layout) -> Dataset:
    found = chosen.read(tree)
    if not found.cases:
        why = f" ({found.notes[0].rstrip('.')})" if found.notes else ""
        raise MedadError(f"{tree.folder} holds no case of the layout {chosen.name}{why}.")
    cases = _apart(sorted(found.cases, key=lambda case: case.name), found)
    _refuse_twins(cases, tree.folder)
    return Dataset(chosen.name, tree.folder, cases, tuple(found.notes))


def _fits(tree: Tree) -> list[Layout]:
    return [layout for layout in known_layouts().values() if layout.fits(tree)]


def _fitting(tree: Tree) -> Layout:
    fitting = _fits(tree)
    if not fitting:
        raise MedadError(
            f"{tree.folder} is laid out like none of the datasets that can be read "
            f"({', '.join(known_layouts())}); give the folder as it was unpacked."
        )
    if len(fitting) > 1:
        names = " and ".join(layout.name for layout in fitting)
        raise MedadError(
            f"{tree.folder} holds {names}; name the layout, or give the folder of one."
        )
    return fitting[0]


def _apart(cases: Iterable[DatasetCase], found: Found) -> tuple[DatasetCase, ...]:
    """The cases without those of a patient who is also in a part that counts more."""
    cases = tuple(cases)
    best: dict[str, str] = {}
    for case in cases:
        held = best.setdefault(case.patient, case.split)
        if RANK.get(case.split, 0) > RANK.get(held, 0):
            best[case.patient] = case.split
    kept = tuple(case for case in cases if case.split == best[case.patient])
    moved = Counter((case.split, best[case.patient]) for case in cases) - Counter(
        (case.split, case.split) for case in kept
    )
    for (split, other), count in sorted(moved.items()):
        found.notes.append(
            f"Images of the part {split} left out, their patients are in the part {other} too "
            f"({count})."
        )
    return kept


def _refuse_twins(cases: Iterable[DatasetCase], folder: Path) -> None:
    seen: dict[str, DatasetCase] = {}
    for case in cases:
        if case.name in seen:
            first = next(iter(seen[case.name].images.values())).relative_to(folder)
            second = next(iter(case.images.values())).relative_to(folder)
            raise MedadError(
                f"{folder} holds two cases {case.name} ({first} and {second}); keep one of them."
            )
        seen[case.name] = case
