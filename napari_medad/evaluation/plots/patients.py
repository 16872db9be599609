"""Figures of patients and their slices: how well each, how deep, how large."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from napari_medad.evaluation.evaluation import Evaluation, SliceFigures
from napari_medad.evaluation.plots.drawing import (
    GREY,
    colour,
    dashes,
    labels,
    looking,
    new_figure,
)
from napari_medad.evaluation.slices import BINS, distance_curve, size_correlation

WIDEST = 14.0
"""Inches that a figure with a box a patient takes at most."""
FEW_NAMES, MOST_NAMES = 10, 60
"""Up to the first number patients' names lie, then they stand; beyond the second they would
overlap and are left out."""


def dice_by_patient(evaluations: Sequence[Evaluation]) -> Figure:
    """Boxes of the 2D Dice of each patient's lesion slices, the 3D Dice as a cross.

    One row of boxes an evaluation; patients in the order of the first, by their names.
    """
    names = sorted({p.patient for held in evaluations for p in held.patients})
    width = min(WIDEST, max(6.0, 1.6 + 0.24 * len(names)))
    with looking():
        figure = new_figure(width, 0.9 + 2.1 * len(evaluations))
        axes = figure.subplots(len(evaluations), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for number, (axis, held, title) in enumerate(
            zip(axes, evaluations, labels(evaluations), strict=True)
        ):
            _boxes(axis, held, names, colour(number))
            axis.set_title(title)
            axis.set_ylabel("Dice")
            axis.set_ylim(-0.03, 1.03)
        shown = names if len(names) <= MOST_NAMES else [""] * len(names)
        places = range(1, len(names) + 1)
        if len(names) > FEW_NAMES:
            axes[-1].set_xticks(places, shown, rotation=90, fontsize=7)
        else:
            axes[-1].set_xticks(places, shown, rotation=15, ha="right", fontsize=8)
        axes[-1].set_xlabel("Patient")
        axes[0].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _boxes(axis: Axes, held: Evaluation, names: list[str], ink: str) -> None:
    by_name = {patient.patient: patient for patient in held.patients}
    places = [place for place, name in enumerate(names, 1) if name in by_name]
    patients = [by_name[names[place - 1]] for place in places]
    boxed = [
        (place, [s.dice for s in patient.slices])
        for place, patient in zip(places, patients, strict=True)
        if patient.slices
    ]
    if boxed:
        axis.boxplot(
            [values for _, values in boxed],
            positions=[place for place, _ in boxed],
            widths=0.6,
            manage_ticks=False,
            patch_artist=True,
            boxprops={"facecolor": ink, "alpha": 0.35, "edgecolor": ink},
            medianprops={"color": ink, "linewidth": 1.6},
            whiskerprops={"color": ink},
            capprops={"color": ink},
            flierprops={"marker": ".", "markersize": 3, "markeredgecolor": ink, "alpha": 0.6},
        )
    dice = np.array([np.nan if p.dice is None else p.dice for p in patients], float)
    axis.plot(places, dice, "x", color="black", markersize=6, markeredgewidth=1.6, label="3D Dice")
    axis.plot([], [], "s", color=ink, alpha=0.5, label="2D Dice of slices\nwith lesion")
    axis.set_xlim(0.3, len(names) + 0.7)


def dice_by_distance(evaluations: Sequence[Evaluation]) -> Figure:
    """Mean 2D Dice against the distance from the brain's middle; lesion slices as bars.

    The distance runs from -1 (inferior end) to 1 (superior end) in 20 bins; the bars count the
    lesion slices of the first evaluation, whose patients are the others' too.
    """
    with looking():
        figure = new_figure(6.4, 3.6)
        axis = figure.add_subplot()
        counts_axis = axis.twinx()
        centres, _, counts = distance_curve(_slices(evaluations[0]))
        counts_axis.bar(centres, counts, width=1.8 / BINS, color=GREY, alpha=0.3)
        counts_axis.set_ylabel("Slices with lesion (bars)")
        counts_axis.spines["right"].set_visible(True)
        counts_axis.set_ylim(0, max(1, counts.max()) * 1.6)
        for number, (held, title) in enumerate(zip(evaluations, labels(evaluations), strict=True)):
            _, dice, _ = distance_curve(_slices(held))
            line = axis.plot(centres, dice, marker="o", markersize=3.5, label=title)[0]
            line.set(color=colour(number), linestyle=dashes(number))
        axis.set_zorder(counts_axis.get_zorder() + 1)
        axis.patch.set_visible(False)
        axis.set_xlim(-1, 1)
        axis.set_ylim(0, 1)
        axis.set_xlabel("Distance from the middle of the brain (−1 inferior, 1 superior)")
        axis.set_ylabel("Mean 2D Dice (lines)")
        axis.legend(loc="upper left", ncols=1 if len(evaluations) < 4 else 2)
    return figure


def dice_by_size(evaluations: Sequence[Evaluation]) -> Figure:
    """Lesion size against Dice with Spearman's correlation: of slices, and of volumes."""
    with looking():
        figure = new_figure(9.6, 3.9)
        slices, volumes = figure.subplots(1, 2, sharey=True)
        for number, (held, title) in enumerate(zip(evaluations, labels(evaluations), strict=True)):
            flat = list(_slices(held))
            area = np.array([s.lesion_mm2 for s in flat], float)
            dice = np.array([s.dice for s in flat], float)
            _dots(slices, area, dice, number, title, size=7)
            ml, dice = held.values("lesion_ml"), held.values("dice")
            _dots(volumes, ml[ml > 0], dice[ml > 0], number, title, size=22)
        slices.set_xlabel("Lesion area of the slice (mm²)")
        slices.set_ylabel("Dice")
        slices.set_title("2D, a dot a slice")
        volumes.set_xlabel("Lesion volume (mL)")
        volumes.set_title("3D, a dot a patient")
        for axis in (slices, volumes):
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
            axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.xaxis.set_minor_formatter(NullFormatter())
            axis.set_ylim(-0.03, 1.03)
        handles, names = volumes.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=min(4, len(names)))
    return figure


def _dots(
    axis: Axes, sizes: np.ndarray, dice: np.ndarray, number: int, title: str, size: float
) -> None:
    rho = size_correlation(sizes, dice)
    axis.scatter(sizes, dice, s=size, color=colour(number), alpha=0.55, linewidths=0, label=title)
    told = "undefined" if rho is None else f"{rho:.2f}"
    axis.text(
        0.02,
        0.97 - 0.07 * number,
        f"Spearman ρ = {told}",
        transform=axis.transAxes,
        color=colour(number),
        va="top",
        fontsize=8,
    )


def _slices(held: Evaluation) -> list[SliceFigures]:
    return [one for patient in held.patients for one in patient.slices]
