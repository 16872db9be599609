"""Figures that cannot both be right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from napari_medad.benchmarks.paper import Flag, PaperRow

PREVALENCE = 0.01
"""Share of lesion voxels in the scans of the metastases, about."""
ROUNDING = 0.005
"""Of figures printed with two digits."""


def lowest_auroc(f1_max: float, prevalence: float) -> float:
    """The lowest AUROC that scores can have whose best F1 is `f1_max`.

    At the best threshold recall r and precision p have F1 = 2 r p / (r + p), so the false
    positive rate is f = r prevalence (1 - p) / (p (1 - prevalence)). The ROC curve passes
    through (f, r) and rises, so that at least r (1 - f) lies below it. The lowest of these
    over all r that allow this F1 is the bound; where lesions are few it is F1 / (2 - F1), the
    recall at precision 1.

    Parameters
    ----------
    f1_max : float
        In 0..1.
    prevalence : float
        Share of positives, in (0, 1).
    """
    if f1_max <= 0:
        return 0.0
    recall = np.linspace(f1_max / (2 - f1_max), 1, 10_001)
    precision = np.clip(f1_max * recall / (2 * recall - f1_max), f1_max / (2 - f1_max), 1)
    false_rate = recall * prevalence * (1 - precision) / (precision * (1 - prevalence))
    return float(np.clip(recall * (1 - false_rate), 0, None).min())


def contradictions(rows: Iterable[PaperRow], prevalence: float = PREVALENCE) -> list[Flag]:
    """Rows whose AUROC is lower than their F1-max allows, rounding considered.

    Parameters
    ----------
    rows : iterable of PaperRow
        With the figures `auroc` and `f1_max`; others are passed over.
    prevalence : float
        Share of lesion voxels.
    """
    found = []
    for row in rows:
        auroc, f1_max = (row.figures.get(name) for name in ("auroc", "f1_max"))
        if auroc is None or f1_max is None:
            continue
        bound = lowest_auroc(f1_max.mean - ROUNDING, prevalence)
        if auroc.mean + ROUNDING < bound:
            why = (
                f"AUROC {auroc.mean:.2f} and F1-max {f1_max.mean:.2f} cannot both be right: an "
                f"F1-max of {f1_max.mean:.2f} needs an AUROC of at least {bound:.2f} "
                f"where {100 * prevalence:.0f} % of the voxels are lesion."
            )
            found.append(Flag(method=row.method, setup=row.setup, figure="auroc", why=why))
    return found


def impossible_f1(rows: Iterable[PaperRow], counts: Mapping[str, tuple[int, int]]) -> list[Flag]:
    """Rows whose best F1 is below that of calling every image abnormal, 2 a / (2 a + n).

    No threshold is needed for that, so the best of all thresholds reaches it.

    Parameters
    ----------
    rows : iterable of PaperRow
        With the figure `f1` in percent; printed with one digit at least.
    counts : mapping of str to (int, int)
        Normal and abnormal test images, by the rows' setup; other rows are passed over.
    """
    found = []
    for row in rows:
        if row.setup not in counts:
            continue
        f1, (normal, abnormal) = row.figures.get("f1"), counts[row.setup]
        least = 200 * abnormal / (2 * abnormal + normal)
        if f1 is not None and f1.mean + 0.05 < least:
            why = (
                f"F1 {f1.mean:.2f} cannot be the best of all thresholds: calling all {normal} "
                f"normal and {abnormal} abnormal images abnormal has {least:.2f}."
            )
            found.append(Flag(method=row.method, setup=row.setup, figure="f1", why=why))
    return found


def wrong_means(
    rows: Iterable[PaperRow], mean: str, parts: Mapping[str, Sequence[str]]
) -> list[Flag]:
    """Rows whose mean is not that of the figures it is over, rounding considered.

    Parameters
    ----------
    rows : iterable of PaperRow
        Printed with one digit.
    mean : str
        Figure that is a mean.
    parts : mapping of str to sequence of str
        Figures that it is over, by the rows' setup; rows that lack one are passed over.
    """
    found = []
    for row in rows:
        printed = [row.figures.get(name) for name in (mean, *parts[row.setup])]
        if None in printed:
            continue
        told, *each = [figure.mean for figure in printed if figure is not None]
        if abs(told - float(np.mean(each))) > 0.1 + 1e-9:  # both are rounded
            why = (
                f"A mean of {told:.1f} is not that of its {len(each)} figures, {np.mean(each):.1f}."
            )
            found.append(Flag(method=row.method, setup=row.setup, figure=mean, why=why))
    return found


def impossible_hamming(rows: Iterable[PaperRow], categories: Mapping[str, int]) -> list[Flag]:
    """Rows whose Hamming score and subset accuracy (percent) cannot both be right.

    An image that is not right in everything is wrong in one category of K at least, so that
    S <= H <= 1 - (1 - S) / K.

    Parameters
    ----------
    rows : iterable of PaperRow
        With the figures `hamming` and `subset_accuracy`; others are passed over.
    categories : mapping of str to int
        K, by the rows' setup.
    """
    found = []
    for row in rows:
        hamming, subset = (row.figures.get(name) for name in ("hamming", "subset_accuracy"))
        if hamming is None or subset is None:
            continue
        most = 100 - (100 - subset.mean) / categories[row.setup]
        if not subset.mean - 0.1 <= hamming.mean <= most + 0.1:
            why = (
                f"A subset accuracy of {subset.mean:.1f} needs a Hamming score of "
                f"{subset.mean:.1f} to {most:.1f} where {categories[row.setup]} categories count."
            )
            found.append(Flag(method=row.method, setup=row.setup, figure="hamming", why=why))
    return found
