"""Evaluations as rows of text, for the terminal and for pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_medad.evaluation.comparison import Comparison, Difference
from napari_medad.evaluation.evaluation import (
    HIGHER_IS_WORSE,
    POLICY_TEXTS,
    POOLED_TITLES,
    TITLES,
    Evaluation,
    Spread,
    once_each,
)
from napari_medad.evaluation.slices import size_correlation

MINUS = "\N{MINUS SIGN}"
NOTHING = "–"
"""What a cell without a figure shows."""

IMAGE_TITLES = {
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "f1": "F1 (oracle)",
    "accuracy": "Accuracy (oracle)",
}


DIGITS = {"false_positives": 1, "hausdorff95_mm": 1}
"""Of figures that are no shares."""


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes
    ----------
    title : str
    columns : sequence of str
    rows : sequence of sequence of str
        Each as long as `columns`; a cell may have several lines.
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


def summary_table(evaluations: Sequence[Evaluation]) -> Table:
    """A row an evaluation with what papers print: mean ± SD over patients, then pooled figures."""
    shown = ("dice", "sensitivity", "specificity", "ppv")
    return Table(
        "Summary",
        ("", "Threshold", *(TITLES[name] for name in shown), "AUROC", "F1-max"),
        [
            (
                held.name,
                held.policy_name,
                *(deviation_text(held.spreads.get(name), 2) for name in shown),
                number(held.pooled.auroc, 2),
                number(held.pooled.f1_max, 2),
            )
            for held in evaluations
        ],
        "Mean ± sample SD over patients; AUROC and F1-max (an oracle) over all voxels together.",
    )


def voxel_means_table(evaluations: Sequence[Evaluation]) -> Table:
    """Mean, SD and interval of what voxels tell, a row an evaluation and a column a figure."""
    held = _means(
        "Over patients: voxels", ("dice", "sensitivity", "specificity", "ppv"), evaluations
    )
    rhos = ((slice_correlation(e), volume_correlation(e)) for e in evaluations)
    return replace(
        held,
        columns=(*held.columns, "ρ, slices", "ρ, volumes"),
        rows=[
            (*row, *(number(rho, 2) for rho in both))
            for row, both in zip(held.rows, rhos, strict=True)
        ],
        note=f"{held.note} ρ: Spearman's rank correlation of lesion size and Dice.",
    )


def lesion_means_table(evaluations: Sequence[Evaluation]) -> Table:
    """The same of what lesions and outlines tell."""
    shown = ("lesion_dice", "lesion_recall", "false_positives", "hausdorff95_mm", "surface_dice")
    return _means("Over patients: lesions and outlines", shown, evaluations)


def _means(title: str, figures: Sequence[str], evaluations: Sequence[Evaluation]) -> Table:
    shown = [name for name in figures if any(_has(held, name) for held in evaluations)]
    return Table(
        title,
        ("", "Threshold", *(TITLES[name] for name in shown)),
        [
            (
                held.name,
                held.policy_name,
                *(spread_text(held.spreads.get(name), DIGITS.get(name, 3)) for name in shown),
            )
            for held in evaluations
        ]
        if shown
        else [],
        "Mean ± sample SD over patients, below it the 95 % bootstrap interval of the mean; where a "
        "figure is not defined in some patients, n says how many have it.",
    )


def pooled_table(evaluations: Sequence[Evaluation]) -> Table:
    """Figures of all voxels together, a row a detector and a column a figure."""
    return Table(
        "Over all voxels together",
        ("", *POOLED_TITLES.values()),
        [
            (held.name, *(number(getattr(held.pooled, name)) for name in POOLED_TITLES))
            for held in once_each(evaluations)
        ],
        "Free of any threshold. F1-max is the best F1 of any threshold on these voxels, an oracle.",
    )


def image_table(evaluations: Sequence[Evaluation]) -> Table:
    """Volumes with and without a lesion told apart; no rows where all are of one kind."""
    rows = [
        (held.name, *(number(getattr(held.images, name)) for name in IMAGE_TITLES))
        for held in once_each(evaluations)
        if held.images is not None and held.images.auroc is not None
    ]
    return Table(
        "Volumes with a lesion told from those without",
        ("", *IMAGE_TITLES.values()),
        rows,
        "By the highest score of each volume; F1 and accuracy at the threshold with the best F1, "
        "an oracle.",
    )


def comparison_table(comparison: Comparison) -> Table:
    """Paired differences with intervals and p values."""
    policies = dict.fromkeys(POLICY_TEXTS[policy] for policy in comparison.policies)
    return Table(
        f"{comparison.first} against {comparison.second}: {' against '.join(policies)}",
        ("", "Difference", "95 % interval", "p (Wilcoxon)", "Patients", "Better"),
        [_difference_row(held, comparison) for held in comparison.differences],
        f"{comparison.first} less {comparison.second}, patient by patient; two-sided signed-rank "
        "test, not corrected for the number of figures. 'Better' is named where p < 0.05.",
    )


def patient_table(evaluation: Evaluation) -> Table:
    """One row a patient."""
    shown = [name for name in TITLES if _has(evaluation, name)]
    return Table(
        f"{evaluation.name}, {evaluation.policy_text}",
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
    """0.312 ± 0.254, and below it 0.241 to 0.386."""
    text = deviation_text(spread, digits)
    if spread is None or spread.mean is None:
        return text
    if spread.low is not None:
        text += f"\n{number(spread.low, digits)} to {number(spread.high, digits)}"
    return f"{text}\nn = {spread.patients}" if spread.undefined else text


def deviation_text(spread: Spread | None, digits: int = 3) -> str:
    """0.312 ± 0.254; the mean alone of one patient."""
    if spread is None or spread.mean is None:
        return NOTHING
    text = number(spread.mean, digits)
    return text if spread.sd is None else f"{text} ± {number(spread.sd, digits)}"


def number(value: float | None, digits: int = 3) -> str:
    """A figure as text; a dash where there is none."""
    return NOTHING if value is None else f"{value:.{digits}f}".replace("-", MINUS)


def _has(evaluation: Evaluation, name: str) -> bool:
    spread = evaluation.spreads.get(name)
    return spread is not None and spread.mean is not None


def _thresholds(evaluation: Evaluation) -> str:
    cuts = [patient.threshold for patient in evaluation.patients]
    low, high = min(cuts), max(cuts)
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _difference_row(held: Difference, comparison: Comparison) -> tuple[str, ...]:
    interval = NOTHING if held.low is None else f"{_signed(held.low)} to {_signed(held.high)}"
    better = ""
    if held.p is not None and held.p < 0.05:
        first = (held.mean > 0) != (held.figure in HIGHER_IS_WORSE)
        better = comparison.first if first else comparison.second
    return (
        TITLES[held.figure],
        _signed(held.mean),
        interval,
        NOTHING if held.p is None else p_text(held.p),
        str(held.patients),
        better,
    )


def p_text(p: float) -> str:
    """A p value as journals print it."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _signed(value: float | None) -> str:
    return NOTHING if value is None else f"{value:+.3f}".replace("-", MINUS)


def _cell(name: str, value: float | None) -> str:
    if name == "false_positives":
        return NOTHING if value is None else str(int(value))
    return number(value, DIGITS.get(name, 3))
