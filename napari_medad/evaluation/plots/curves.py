"""Figures of all voxels together: rankings as curves, and scores as histograms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from napari_medad.evaluation.evaluation import Evaluation, once_each
from napari_medad.evaluation.plots.drawing import GREY, colour, dashes, looking, new_figure

NORMAL, LESION = "#0072b2", "#d55e00"
ACROSS = 3
"""Histograms beside each other."""


def ranking_curves(evaluations: Sequence[Evaluation]) -> Figure:
    """ROC and precision-recall curves of every detector, over all counted voxels."""
    evaluations = once_each(evaluations)
    with looking():
        figure = new_figure(9.6, 4.4)
        roc, precision = figure.subplots(1, 2)
        for number, held in enumerate(evaluations):
            pooled, style = held.pooled, {"color": colour(number), "linestyle": dashes(number)}
            if pooled.roc:
                label = f"{held.name}, AUROC {pooled.auroc:.3f}"
                roc.plot(*np.array(pooled.roc).T, label=label, **style)
            if pooled.precision_recall:
                label = f"{held.name}, AP {pooled.average_precision:.3f}"
                recall, precise = np.array(pooled.precision_recall).T
                precision.plot(recall, precise, label=label, drawstyle="steps-pre", **style)
        roc.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
        shares = {h.pooled.lesion_voxels / max(1, h.pooled.voxels) for h in evaluations}
        for share in shares:
            precision.axhline(share, color=GREY, linewidth=0.8, linestyle=":")
        roc.set(title="ROC", xlabel="False-positive rate", ylabel="True-positive rate")
        precision.set(title="Precision and recall", xlabel="Recall", ylabel="Precision")
        for axis, place in ((roc, "lower right"), (precision, "upper right")):
            axis.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), box_aspect=1)
            axis.legend(loc=place)
    return figure


def score_histograms(evaluations: Sequence[Evaluation]) -> Figure:
    """Scores of voxels with and without a lesion, each as shares of its own, a panel a detector.

    Where a detector was measured under several policies, the thresholds are those of the first.
    """
    evaluations = once_each(evaluations)
    rows = -(-len(evaluations) // ACROSS)
    across = min(len(evaluations), ACROSS)
    with looking():
        figure = new_figure(0.6 + 4.2 * across if across > 1 else 6.0, 3.1 * rows + 0.3)
        axes = figure.subplots(rows, across, squeeze=False).ravel()
        for axis, held in zip(axes, evaluations, strict=False):
            _histogram(axis, held)
        for axis in axes[len(evaluations) :]:
            axis.set_axis_off()
        handles, told = axes[0].get_legend_handles_labels()
        figure.legend(handles, told, loc="outside lower center", ncols=len(told))
    return figure


def _histogram(axis: Axes, held: Evaluation) -> None:
    edges = np.array(held.pooled.score_edges)
    for counts, ink, told in (
        (held.pooled.normal_counts, NORMAL, "without lesion"),
        (held.pooled.lesion_counts, LESION, "with lesion"),
    ):
        values = np.array(counts, float)
        if values.sum():
            axis.stairs(values / values.sum(), edges, color=ink, fill=True, alpha=0.3)
            axis.stairs(values / values.sum(), edges, color=ink, label=told)
    cuts = [patient.threshold for patient in held.patients]
    inside = [cut for cut in cuts if edges.size and edges[0] <= cut <= edges[-1]]
    if inside:
        told = "threshold" if len(set(cuts)) == 1 else "thresholds"
        for number, cut in enumerate(sorted(set(inside))):
            label = told if not number else None
            axis.axvline(cut, color="black", linewidth=0.9, linestyle="--", label=label, alpha=0.6)
    axis.set_yscale("log")
    axis.set(title=held.name, xlabel="Score", ylabel="Share of voxels")
