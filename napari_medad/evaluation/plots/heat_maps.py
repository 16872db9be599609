"""Heat maps of what a detector decided by: its experts, and images against texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from napari_medad.evaluation.plots.drawing import looking, new_figure

COLOURS = "viridis"
FEW_COLUMNS = 8
"""Up to which their names lie."""
LONGEST = 42
"""Characters of a name beside a heat map."""


def expert_selection(routed: Mapping[str, Mapping[str, float]]) -> Figure:
    """Mean router weight of each expert, a row an image or a kind of images.

    Parameters
    ----------
    routed : mapping of str to mapping of str to float
        By the row's name: the weight of each expert, 0..1.
    """
    experts = list(dict.fromkeys(name for row in routed.values() for name in row))
    values = np.array([[row.get(name, np.nan) for name in experts] for row in routed.values()])
    with looking():
        figure = new_figure(2.6 + 0.9 * len(experts), 1.6 + 0.3 * len(routed))
        axis = figure.add_subplot()
        image = axis.imshow(values, vmin=0, vmax=1, cmap=COLOURS, aspect="auto")
        _name_axes(axis, list(routed), experts)
        if values.size <= 200:
            _write_values(axis, values)
        figure.colorbar(image, ax=axis, label="Router weight")
    return figure


def text_similarity(
    images: Sequence[str],
    texts: Sequence[str],
    after: np.ndarray,
    before: np.ndarray | None = None,
) -> Figure:
    """Cosines of images and texts, before learning and after on one scale each.

    Parameters
    ----------
    images : sequence of str
        Names of the rows.
    texts : sequence of str
        Names of the columns, the last one the normal sentence.
    after, before : ndarray [images, texts]
    """
    held = (
        [("After learning", after)]
        if before is None
        else [
            ("Before learning", before),
            ("After learning", after),
        ]
    )
    with looking():
        figure = new_figure(
            2.5 + len(held) * max(2.6, 0.2 * len(texts)), 2.6 + max(1.2, 0.16 * len(images))
        )
        axes = figure.subplots(1, len(held), squeeze=False)[0]
        for number, (axis, (title, values)) in enumerate(zip(axes, held, strict=True)):
            image: AxesImage = axis.imshow(values, cmap=COLOURS, aspect="auto")
            _name_axes(axis, images if not number else [], texts)
            axis.set_title(title)
            figure.colorbar(image, ax=axis, label="Cosine")
    return figure


def _name_axes(axis: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    lying = len(columns) <= FEW_COLUMNS
    axis.set_xticks(
        range(len(columns)),
        [_short(c) for c in columns],
        rotation=25 if lying else 60,
        ha="right",
        rotation_mode="anchor",
    )
    axis.set_yticks(range(len(rows)), [_short(r) for r in rows])
    axis.tick_params(labelsize=7, length=0)
    for side in axis.spines.values():
        side.set_visible(False)


def _write_values(axis: Axes, values: np.ndarray) -> None:
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            ink = "white" if value < 0.6 else "black"
            axis.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink, fontsize=7)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
