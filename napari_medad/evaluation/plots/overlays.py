"""Key slices with what is right, false and missed in colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from napari_medad.evaluation.overlap import (
    CLASSICAL,
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    MEANINGS,
    SCHEMES,
    TRUE_POSITIVE,
)
from napari_medad.evaluation.plots.drawing import looking, new_figure

ACROSS = 4
"""Slices of a patient."""
OPACITY = 0.6


@dataclass(frozen=True, eq=False)
class Outcome:
    """One patient's outcome, as it is drawn.

    Attributes
    ----------
    title : str
    image : ndarray [z, y, x]
        The scan; or the map, where there is no scan.
    labels : ndarray [z, y, x] uint8
        As `overlap_labels` gives them.
    spacing : (z, y, x) in mm
    slices : tuple of int, optional
        Which are shown; default: the key slices of these labels.
    """

    title: str
    image: np.ndarray
    labels: np.ndarray
    spacing: tuple[float, float, float]
    slices: tuple[int, ...] | None = None


def key_slices(labels: Sequence[np.ndarray], count: int = ACROSS) -> tuple[int, ...]:
    """The axial slices that tell most: with most right, missed and false voxels, and with most.

    Parameters
    ----------
    labels : sequence of ndarray [z, y, x] uint8
        As `overlap_labels` gives them, of one patient and one detector or several.
    count : int

    Returns
    -------
    tuple of int
        Ascending, and not too near to each other; fewer where fewer slices have any label.
    """
    sums = [
        sum(np.count_nonzero(each == kind, axis=(1, 2)) for each in labels)
        for kind in (TRUE_POSITIVE, FALSE_NEGATIVE, FALSE_POSITIVE)
    ]
    whole = np.sum(sums, axis=0)
    told = np.flatnonzero(whole)
    gap = (told[-1] - told[0]) / (3 * count) if told.size else 0
    kept: list[int] = []
    for numbers in [*sums, *[whole] * count]:
        near = [z for z in range(len(whole)) if any(abs(z - k) <= gap for k in kept)]
        left = np.array(numbers)
        left[near] = 0
        if left.any() and len(kept) < count:
            kept.append(int(left.argmax()))
    return tuple(sorted(kept))


def outcome_slices(outcomes: Sequence[Outcome], scheme: str = CLASSICAL) -> Figure:
    """Key slices of each patient in a row.

    Parameters
    ----------
    outcomes : sequence of Outcome
    scheme : str
        A name of `SCHEMES`.
    """
    colours = SCHEMES[scheme]
    with looking():
        figure = new_figure(2.1 * ACROSS, 2.35 * len(outcomes) + 0.4)
        axes = figure.subplots(len(outcomes), ACROSS, squeeze=False)
        for row, outcome in zip(axes, outcomes, strict=True):
            _row(row, outcome, colours)
        patches = [Patch(color=colours[kind], label=told) for kind, told in MEANINGS.items()]
        figure.legend(handles=patches, loc="outside lower center", ncols=len(patches))
    return figure


def _row(row: Sequence[Axes], outcome: Outcome, colours: dict[int, str]) -> None:
    shown = key_slices([outcome.labels]) if outcome.slices is None else outcome.slices
    first, last = _box(outcome)
    low, high = (
        np.quantile(outcome.image[outcome.image != 0], (0.01, 0.995))
        if (outcome.image.any())
        else (0.0, 1.0)
    )
    for number, axis in enumerate(row):
        axis.set_axis_off()
        if number < len(shown):
            z = shown[number]
            box = (z, slice(first[0], last[0]), slice(first[1], last[1]))
            grey = np.clip((outcome.image[box] - low) / max(high - low, 1e-12), 0, 1)
            picture = _coloured(grey, outcome.labels[box], colours)
            aspect = outcome.spacing[1] / outcome.spacing[2]
            axis.imshow(picture, aspect=aspect, interpolation="nearest")
            axis.text(
                0.03,
                0.97,
                f"z {z}",
                transform=axis.transAxes,
                color="white",
                va="top",
                fontsize=7,
            )
    row[0].set_title(outcome.title)


def _coloured(grey: np.ndarray, labels: np.ndarray, colours: dict[int, str]) -> np.ndarray:
    """Grey [y, x] in 0..1 and labels as [y, x, 3]."""
    picture = np.repeat(grey[..., None], 3, axis=2)
    for kind in (TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE):
        where = labels == kind
        picture[where] = (1 - OPACITY) * picture[where] + OPACITY * np.array(to_rgb(colours[kind]))
    return picture


def _box(outcome: Outcome) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last row and column of what is shown, in all slices the same."""
    spoken = (outcome.image != 0) | (outcome.labels > 0)
    bounds = []
    for axis in (1, 2):
        hit = np.flatnonzero(spoken.any(axis=tuple({0, 1, 2} - {axis})))
        size = spoken.shape[axis]
        bounds.append((max(0, hit[0] - 2), min(size, hit[-1] + 3)) if hit.size else (0, size))
    (top, bottom), (left, right) = bounds
    return (top, left), (bottom, right)
