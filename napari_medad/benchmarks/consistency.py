"""Figures that cannot both be right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
        Normal and abnormal test images, by the rows' setup.
    """
    found = []
    for row in rows:
        f1, (normal, abnormal) = row.figures.get("f1"), counts[row.setup]
        least = 200 * abnormal / (2 * abnormal + normal)
        if f1 is not None and f1.mean + 0.05 < least:
            why = (
                f"F1 {f1.mean:.2f} cannot be the best of all thresholds: calling all {normal} "
                f"normal and {abnormal} abnormal images abnormal has {least:.2f}."
            )
            found.append(Flag(method=row.method, setup=row.setup, figure="f1", why=why))
    return found
