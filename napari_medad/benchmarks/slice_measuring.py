"""The maps of a cell against the truth, one abnormal axial slice at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.metrics import average_precision_score

from napari_medad.benchmarks.cell import Cell
from napari_medad.benchmarks.cell_folder import CellFolder
from napari_medad.benchmarks.measuring import Measured, evaluation_case
from napari_medad.benchmarks.paper import Figure
from napari_medad.benchmarks.progress import Clock
from napari_medad.benchmarks.supervision import slice_labels
from napari_medad.datasets import DatasetCase
from napari_medad.evaluation.patients import EvaluationCase, calibrated_threshold
from napari_medad.evaluation.slices import slice_dice
from napari_medad.results.run_record import RunRecord


def measured_slices(cell: Cell, folder: CellFolder, clock: Clock) -> Measured:
    """Dice and average precision of every abnormal slice that counts; mean and SD over slices.

    Under the policies "fixed" (the cell's threshold, or the detector's own for each scan) and
    "test pool" (best F1 over all pixels of these slices).

    Raises
    ------
    MedadError
        If no slice of the test patients is abnormal.
    """
    best = calibrated_threshold(_abnormal(cell, folder, cell.test, clock))
    dice: dict[str, list[float]] = {"fixed": [], "test pool": []}
    precision: list[float] = []
    for case in cell.test:
        for held in _abnormal(cell, folder, (case,), clock):
            own = RunRecord.read(folder.record_file(cell, case.name)).threshold_value
            fixed = own if cell.half is None else cell.half
            for policy, threshold in (("fixed", fixed), ("test pool", best)):
                dice[policy] += slice_dice(held.scores >= threshold, held.truth).tolist()
            precision += [
                float(average_precision_score(truth.ravel(), scores.ravel()))
                for truth, scores in zip(held.truth, held.scores, strict=True)
            ]
    told = _spread(precision)
    figures = {
        policy: {"dice": _spread(d), "average_precision": told} for policy, d in dice.items()
    }
    return Measured(figures, notes=(f"{len(precision)} slices were measured.",))


def _abnormal(
    cell: Cell, folder: CellFolder, cases: tuple[DatasetCase, ...], clock: Clock
) -> Iterator[EvaluationCase]:
    """Maps and truth of abnormal slices only, [n, y, x]; patients without any are left out."""
    assert cell.weak is not None
    for case in cases:
        held = evaluation_case(cell, folder, case)
        labels = slice_labels(held.truth, cell.weak)
        chosen = [z for z, label in labels.items() if label]
        clock.check("measure", 1)
        if chosen:
            yield EvaluationCase(
                held.patient, held.scores[chosen], held.truth[chosen], held.spacing
            )


def _spread(values: list[float]) -> Figure:
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Figure(mean=float(np.mean(values)), sd=sd)
