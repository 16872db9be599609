"""What cells learn from where no mask is shown to them: labels of slices, and a teacher's masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from napari_medad.benchmarks.cell import Cell, Weak
from napari_medad.benchmarks.cell_folder import CellFolder
from napari_medad.datasets import DatasetCase
from napari_medad.detectors.recipe import Example
from napari_medad.errors import Cancelled
from napari_medad.training.slice_labels_file import read_slice_labels, write_slice_labels
from napari_medad.training.weak_to_strong import Chain, WeakToStrong
from napari_medad.volumes.reader import read_volume
from napari_medad.volumes.study import Study


def slice_labels(truth: np.ndarray, weak: Weak) -> dict[int, int]:
    """Label of every axial slice that counts: 1 abnormal, 0 normal.

    Parameters
    ----------
    truth : ndarray [z, y, x] bool
    weak : Weak
        How many slices at either end do not count, and how many pixels make one abnormal.
    """
    pixels = np.count_nonzero(truth, axis=(1, 2))
    counted = range(weak.margin, len(truth) - weak.margin)
    return {
        z: int(pixels[z] > 0) for z in counted if pixels[z] == 0 or pixels[z] > weak.least_pixels
    }


def weak_examples(
    cell: Cell, folder: CellFolder, device: str, look: Callable[[Any], Any]
) -> list[Example]:
    """What a cell is trained on; the steps of its chain that are not done yet are done.

    Parameters
    ----------
    cell : Cell
        With `weak`, and a model that lies in the folder of its dataset.
    folder : CellFolder
    device : str
    look : callable
        Is told of progress; answers "stop" to cancel.

    Raises
    ------
    MedadError
        As `train` and `detect`.
    Cancelled
        What was done is kept.
    """
    assert cell.weak is not None
    kind = cell.weak.supervision
    if kind == "normal slices":
        labelled = _labelled(cell, folder, look)
        return [replace(e, label=None) for e in labelled if 0 in (e.slices or {}).values()]
    if kind == "slice labels":
        return _labelled(cell, folder, look)
    steps = chain(cell, folder, device, look)
    steps.mark(look)
    if kind == "refined masks":
        steps.refine(look)
    refined = steps.masks("refined") if kind == "refined masks" else [None] * len(steps.examples)
    return [
        replace(example, mask=mask, refined=better)
        for example, mask, better in zip(steps.examples, steps.masks("weak"), refined, strict=True)
    ]


def prompted(
    cell: Cell, folder: CellFolder, device: str, look: Callable[[Any], Any]
) -> dict[str, str]:
    """Settings that name the teacher of a detector which it prompts; it is trained where it is not.

    Empty for other cells.

    Raises
    ------
    MedadError
        As `train`.
    Cancelled
        What was done is kept.
    """
    if cell.weak is None or cell.weak.supervision != "none":
        return {}
    steps = chain(cell, folder, device, look)
    return {"source": cell.weak.teacher, "source_weights": str(steps.teacher)}


def chain(cell: Cell, folder: CellFolder, device: str, look: Callable[[Any], Any]) -> WeakToStrong:
    """The chain of a dataset, which its cells share, with a trained teacher.

    Raises
    ------
    MedadError
        As `train`.
    Cancelled
        What was done is kept.
    """
    assert cell.weak is not None
    learned = Chain(cell.weak.teacher, cell.weak.teacher_options, "medsam")
    learned.check()
    steps = WeakToStrong(folder.model.parent, tuple(_labelled(cell, folder, look)), learned, device)
    steps.teach(look)
    return steps


def _labelled(cell: Cell, folder: CellFolder, look: Callable[[Any], Any]) -> list[Example]:
    """Training images with the labels of their slices, which are read off the masks once."""
    assert cell.weak is not None
    file = folder.model.parent / "slice_labels.csv"
    if not file.is_file():
        write_slice_labels(_read_off(cell, cell.weak, look), file)
    labels: dict[str, Mapping[int, int]] = {}
    for row in read_slice_labels(file):
        labels[row.image] = {**labels.get(row.image, {}), **row.slices}
    return [
        Example(
            cell.image(case),
            label=int(any(labels[case.name].values())),
            slices=labels[case.name],
            patient=case.patient,
            frame=case.frames.get(cell.volume),
        )
        for case in cell.train
        if case.name in labels
    ]


def _read_off(cell: Cell, weak: Weak, look: Callable[[Any], Any]) -> dict[str, dict[int, int]]:
    found = {}
    for case in cell.train:
        if look(case) == "stop":
            raise Cancelled("Cancelled.")
        labels = slice_labels(_truth(cell, case), weak)
        if labels:
            found[case.name] = labels
    return found


def _truth(cell: Cell, case: DatasetCase) -> np.ndarray:
    frame = case.frames.get(cell.volume)
    volume = read_volume(cell.image(case), frame=frame, modality=cell.volume)
    truth = case.truth(Study.from_volumes(case.name, {cell.volume: volume}))
    assert truth is not None
    return truth
