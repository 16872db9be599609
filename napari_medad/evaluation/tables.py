"""Evaluations as rows of text, for the terminal and for pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_medad.evaluation.comparison import Comparison, Difference
from napari_medad.evaluation.evaluation import (
    HIGHER_IS_WORSE,
    POOLED_TITLES,
    TITLES,
    Evaluation,
    Spread,
)
from napari_medad.evaluation.slices import size_correlation

NOTHING = "–"
"""What a cell without a figure shows."""

IMAGE_TITLES = {
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "f1": "F1 (oracle)",
    "accuracy": "Accuracy (oracle)",
}


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes
    ----------
    title : str
    columns : sequence of str
    rows : sequence of sequence of str
        Each as long as `columns`.
    note : str
        What a reader must know of it, below it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def measured_table(evaluations: Sequence[Evaluation]) -> Table:
    """What each evaluation is of, and where its threshold comes from."""
    return Table(
        "What was measured",
        ("", "Threshold", "Value", "Volumes", "with lesion", "Counted voxels", "of them lesion"),
        [
            (
                held.name,
                held.policy_text,
                _thresholds(held),
                str(len(held.patients)),
                str(sum(patient.lesion_ml > 0 for patient in held.patients)),
                f"{held.pooled.voxels:,}",
                f"{held.pooled.lesion_voxels / max(1, held.pooled.voxels):.3%}",
            )
            for held in evaluations
        ],
        "A threshold that is called ORACLE was chosen with a look at the truth that it is measured "
        "on: a bound, not a result to expect on new scans."
        if any(held.oracle for held in evaluations)
        else "",
    )


def means_table(evaluations: Sequence[Evaluation]) -> Table:
    """Mean, SD and interval over patients, a row a figure and a column an evaluation."""
    shown = [n for n in TITLES if any(_has(held, n) for held in evaluations)]
    rows = [
        (TITLES[name], *(spread_text(held.spreads.get(name)) for held in evaluations))
        for name in shown
    ]
    by_slice = [slice_correlation(held) for held in evaluations]
    by_volume = [volume_correlation(held) for held in evaluations]
    for title, values in (("slices", by_slice), ("volumes", by_volume)):
        if any(value is not None for value in values):
            named = f"Spearman, lesion size and Dice, over {title}"
            rows.append((named, *(number(value, 2) for value in values)))
    return Table(
        "Over patients",
        ("", *_headings(evaluations)),
        rows,
        "Mean ± sample SD over patients (95 % bootstrap interval of the mean); where a figure is "
        "not defined in some patients, n says how many have it.",
    )


def pooled_table(evaluations: Sequence[Evaluation]) -> Table:
    """Figures of all voxels together, a row a figure and a column an evaluation."""
    rows = [
        (title, *(number(getattr(held.pooled, name)) for held in evaluations))
        for name, title in POOLED_TITLES.items()
        if any(getattr(held.pooled, name) is not None for held in evaluations)
    ]
    return Table(
        "Over all voxels together",
        ("", *_headings(evaluations, policy=False)),
        rows,
        "Free of the threshold above. F1-max is the best F1 of any threshold on these voxels, an "
        "oracle.",
    )


def image_table(evaluations: Sequence[Evaluation]) -> Table:
    """Volumes with and without a lesion told apart; no rows where all are of one kind."""
    rows = [
        (title, *(number(getattr(held.images, name, None)) for held in evaluations))
        for name, title in IMAGE_TITLES.items()
        if any(getattr(held.images, name, None) is not None for held in evaluations)
    ]
    return Table(
        "Volumes with a lesion told from those without",
        ("", *_headings(evaluations, policy=False)),
        rows,
        "By the highest score of each volume; F1 and accuracy at the threshold with the best F1, "
        "an oracle.",
    )


def comparison_table(comparison: Comparison) -> Table:
    """Paired differences with intervals and p values."""
    return Table(
        f"{comparison.first} against {comparison.second}",
        ("", "Difference", "95 % interval", "p (Wilcoxon)", "Patients", "Better"),
        [_difference_row(held, comparison) for held in comparison.differences],
        f"{comparison.first} less {comparison.second}, patient by patient; two-sided signed-rank "
        "test, not corrected for the number of figures. 'Better' is named where p < 0.05.",
    )


def patient_table(evaluation: Evaluation) -> Table:
    """One row a patient."""
    shown = [name for name in TITLES if _has(evaluation, name)]
    return Table(
        f"Patients: {evaluation.name}, {evaluation.policy_text}",
        ("Patient", "Lesion (mL)", "Lesions", "Threshold", *(TITLES[name] for name in shown)),
        [
            (
                patient.patient,
                f"{patient.lesion_ml:.2f}",
                str(patient.lesions),
                f"{patient.threshold:.4g}",
                *(_cell(name, getattr(patient, name)) for name in shown),
            )
            for patient in evaluation.patients
        ],
    )


def slice_correlation(evaluation: Evaluation) -> float | None:
    """Spearman's, of lesion area and 2D Dice over slices with a lesion."""
    slices = [one for patient in evaluation.patients for one in patient.slices]
    sizes, dice = ([getattr(s, name) for s in slices] for name in ("lesion_mm2", "dice"))
    return size_correlation(np.array(sizes, float), np.array(dice, float))


def volume_correlation(evaluation: Evaluation) -> float | None:
    """Spearman's, of lesion volume and 3D Dice over patients with a lesion."""
    sizes, dice = evaluation.values("lesion_ml"), evaluation.values("dice")
    return size_correlation(sizes[sizes > 0], dice[sizes > 0])


def spread_text(spread: Spread | None, digits: int = 3) -> str:
    """0.312 ± 0.254 (0.241 to 0.386)."""
    if spread is None or spread.mean is None:
        return NOTHING
    text = number(spread.mean, digits)
    if spread.sd is not None:
        text += f" ± {number(spread.sd, digits)}"
    if spread.low is not None:
        text += f" ({number(spread.low, digits)} to {number(spread.high, digits)})"
    return f"{text}, n = {spread.patients}" if spread.undefined else text


def number(value: float | None, digits: int = 3) -> str:
    """A figure as text; a dash where there is none."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def _headings(evaluations: Sequence[Evaluation], *, policy: bool = True) -> list[str]:
    if not policy:
        return [held.name for held in evaluations]
    return [f"{held.name}: {held.policy_text}" for held in evaluations]


def _has(evaluation: Evaluation, name: str) -> bool:
    spread = evaluation.spreads.get(name)
    return spread is not None and spread.mean is not None


def _thresholds(evaluation: Evaluation) -> str:
    cuts = [patient.threshold for patient in evaluation.patients]
    low, high = min(cuts), max(cuts)
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _difference_row(held: Difference, comparison: Comparison) -> tuple[str, ...]:
    interval = NOTHING if held.low is None else f"{held.low:+.3f} to {held.high:+.3f}"
    better = ""
    if held.p is not None and held.p < 0.05:
        first = (held.mean > 0) != (held.figure in HIGHER_IS_WORSE)
        better = comparison.first if first else comparison.second
    return (
        TITLES[held.figure],
        f"{held.mean:+.3f}",
        interval,
        NOTHING if held.p is None else p_text(held.p),
        str(held.patients),
        better,
    )


def p_text(p: float) -> str:
    """A p value as journals print it."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _cell(name: str, value: float | None) -> str:
    if name == "false_positives":
        return NOTHING if value is None else str(int(value))
    return number(value, 1 if name == "hausdorff95_mm" else 3)
