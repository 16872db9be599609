"""All figures of evaluations at once, with captions, and as files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari_medad.evaluation.evaluation import Evaluation
from napari_medad.evaluation.overlap import SCHEMES
from napari_medad.evaluation.plots.curves import ranking_curves, score_histograms
from napari_medad.evaluation.plots.drawing import NamedFigure
from napari_medad.evaluation.plots.overlays import Outcome, outcome_slices
from napari_medad.evaluation.plots.patients import (
    dice_by_distance,
    dice_by_patient,
    dice_by_size,
)


def standard_figures(
    evaluations: Sequence[Evaluation], outcomes: Sequence[Outcome] = ()
) -> list[NamedFigure]:
    """The figures that can be drawn of evaluations.

    Those about lesions are left out where no patient has one.

    Parameters
    ----------
    evaluations : sequence of Evaluation
        Of several detectors on the same patients, or of one under several policies.
    outcomes : sequence of Outcome
        Patients whose key slices are shown, in both colour schemes.
    """
    found: list[NamedFigure] = []
    if any(patient.slices for held in evaluations for patient in held.patients):
        found += _of_lesions(evaluations)
    found.append(
        NamedFigure(
            "score_histograms",
            "Scores of voxels with and without a lesion",
            score_histograms(evaluations),
            "Shares of all counted voxels of each kind, on a logarithmic scale; the dashed line is "
            "the threshold.",
        )
    )
    if outcomes:
        found += _of_outcomes(outcomes)
    return found


def _of_lesions(evaluations: Sequence[Evaluation]) -> list[NamedFigure]:
    return [
        NamedFigure(
            "dice_by_patient",
            "Dice of each patient",
            dice_by_patient(evaluations),
            "Boxes: 2D Dice of the axial slices with a lesion (median, quartiles, whiskers to 1.5 "
            "times the interquartile range). Crosses: 3D Dice.",
        ),
        NamedFigure(
            "dice_by_distance",
            "Dice by distance from the middle of the brain",
            dice_by_distance(evaluations),
            "Mean 2D Dice of slices with a lesion in 20 bins of their distance from the middle of "
            "the brain's extent along z; bars count the slices.",
        ),
        NamedFigure(
            "dice_by_size",
            "Dice by size of the lesion",
            dice_by_size(evaluations),
            "Left: area and 2D Dice of each slice with a lesion. Right: volume and 3D Dice of each "
            "patient with one. Spearman's rank correlation.",
        ),
        NamedFigure(
            "ranking_curves",
            "ROC and precision-recall curves",
            ranking_curves(evaluations),
            "Over all counted voxels of all patients together. Dotted: chance.",
        ),
    ]


def _of_outcomes(outcomes: Sequence[Outcome]) -> list[NamedFigure]:
    return [
        NamedFigure(
            f"outcome_{name.replace(', ', '_').replace(' ', '_').replace('-', '_')}",
            f"What is found, false and missed ({name})",
            outcome_slices(outcomes, name),
            "Axial slices with most right, most missed and most false voxels and another; the "
            "patient's left is on the right.",
        )
        for name in SCHEMES
    ]


def write_figures(
    folder: str | Path, figures: Sequence[NamedFigure], tick: Callable[[], None] = lambda: None
) -> list[Path]:
    """Write every figure as PNG and SVG into a folder.

    Raises
    ------
    MedadError
        If the folder cannot be written.
    """
    paths: list[Path] = []
    for figure in figures:
        tick()
        paths += figure.save(Path(folder))
    return paths
