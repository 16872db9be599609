"""The maps of a cell against the truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from napari_medad.benchmarks.cell import Cell
from napari_medad.benchmarks.cell_folder import CellFolder
from napari_medad.benchmarks.paper import Figure
from napari_medad.benchmarks.progress import Clock
from napari_medad.datasets import DatasetCase
from napari_medad.errors import MedadError
from napari_medad.evaluation.evaluation import Evaluation, Policy
from napari_medad.evaluation.patients import (
    EvaluationCase,
    Threshold,
    calibrated_threshold,
    evaluate_policies,
)
from napari_medad.evaluation.tables import slice_correlation, volume_correlation
from napari_medad.inference.progress import Progress
from napari_medad.volumes.reader import read_volume
from napari_medad.volumes.study import Study


@dataclass(frozen=True)
class Measured:
    """Figures by policy, the evaluations they are of, and what a reader must know."""

    figures: dict[str, dict[str, Figure]]
    evaluations: tuple[Evaluation, ...] = ()
    notes: tuple[str, ...] = ()


def evaluation_case(cell: Cell, folder: CellFolder, case: DatasetCase) -> EvaluationCase:
    """The map of a case, read from the cell's folder, and its truth.

    Raises
    ------
    MedadError
        If the truth is not there or lies on other voxels.
    """
    volume = read_volume(folder.map_file(cell, case.name))
    truth = case.truth(Study.from_volumes(case.name, {cell.volume: volume}))
    if truth is None:
        raise MedadError(f"{case.name} has no mask, so nothing can be measured on it.")
    return EvaluationCase(case.name, volume.array, truth, volume.spacing)


def measured_volumes(cell: Cell, folder: CellFolder, clock: Clock) -> Measured:
    """Voxels of whole volumes under every threshold policy, air included."""

    def cases(of: Iterable[DatasetCase]) -> Iterator[EvaluationCase]:
        return (evaluation_case(cell, folder, case) for case in of)

    thresholds: dict[Policy, Threshold] = {} if cell.half is None else {"fixed": cell.half}
    notes: tuple[str, ...] = ()
    if cell.validation:
        thresholds["validation"] = calibrated_threshold(cases(cell.validation))
    else:
        notes = ("There are no validation patients, so no threshold was chosen on some.",)
    thresholds |= {"test pool": None, "each volume": None}
    done = 0

    def step(now: Progress) -> object:
        nonlocal done
        more, done = now.done - done, now.done
        return clock.step("measure", more)

    found = evaluate_policies(
        cell.title, lambda: cases(cell.test), thresholds, surface=False, progress=step
    )
    return Measured({p: figures_of(e) for p, e in found.items()}, tuple(found.values()), notes)


def figures_of(evaluation: Evaluation) -> dict[str, Figure]:
    """The figures of a table: of patients mean and SD, of all voxels, and correlations."""
    found = {
        name: Figure(mean=spread.mean, sd=spread.sd)
        for name, spread in evaluation.spreads.items()
        if spread.mean is not None
    }
    pooled = evaluation.pooled
    single = {
        "auroc": pooled.auroc,
        "f1_max": pooled.f1_max,
        "average_precision": pooled.average_precision,
        "spearman": slice_correlation(evaluation),
        "spearman_volumes": volume_correlation(evaluation),
    }
    return found | {k: Figure(mean=v) for k, v in single.items() if v is not None}
