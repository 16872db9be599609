"""Brush and eraser in millimetres, counted by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_medad.corrections import strokes
from napari_medad.corrections.provenance import Provenance
from napari_medad.errors import MedadError


def painted(correction, *arguments, **options) -> np.ndarray:
    correction.apply(strokes.paint(correction, *arguments, **options))
    return np.argwhere(correction.provenance == Provenance.DRAWN)


@pytest.mark.parametrize(
    ("spacing", "radius", "axis", "count"),
    [
        ((1, 1, 1), 1.0, None, 7),  # the middle and its six neighbours
        ((1, 1, 1), 1.5, None, 19),  # and the twelve over an edge, at 1.41 mm
        ((3, 1, 1), 1.5, None, 9),  # the next slice is 3 mm away: a disc of 3 x 3
        ((3, 1, 1), 3.0, None, 29 + 2),  # 29 pixels within 3 mm, and one above, one below
        ((1, 1, 1), 1.0, 0, 5),
        ((1, 2, 1), 2.0, 0, 7),  # 5 along x, and one each 2 mm up and down
        ((1, 1, 1), 0.2, None, 1),  # never nothing
    ],
)
def test_a_dot_of_the_brush(correction_of: Callable, spacing, radius, axis, count) -> None:
    correction = correction_of(np.zeros((15, 15, 15)), spacing)
    found = painted(correction, [[7, 7, 7]], radius, 1, axis=axis)
    assert len(found) == count
    offset = (found - 7) * spacing
    assert (np.linalg.norm(offset, axis=1) <= radius).all()


def test_a_line_has_no_gaps_and_round_ends(correction_of: Callable) -> None:
    correction = correction_of(np.zeros((5, 9, 30)))
    found = painted(correction, [[2, 4, 5], [2, 4, 20]], 1.0, 1, axis=0)
    # 16 pixels long and 3 wide, and one more at either end.
    assert len(found) == 16 * 3 + 2
    assert set(found[:, 0]) == {2}


def test_the_brush_stops_at_the_border_and_at_others(
    correction_of: Callable, two_cubes: np.ndarray
) -> None:
    correction = correction_of(two_cubes)
    found = painted(correction, [[0, 0, 0]], 1.0, 3)
    assert len(found) == 4
    correction.apply(strokes.paint(correction, [[3, 3, 3]], 1.0, 3))
    assert correction.finding(1).volume_ml == pytest.approx(0.027)
    correction.apply(strokes.paint(correction, [[3, 3, 3]], 1.0, 3, over_others=True))
    assert correction.finding(1).volume_ml == pytest.approx(0.020)


def test_the_eraser_says_that_the_voxels_are_normal(
    correction_of: Callable, two_cubes: np.ndarray
) -> None:
    correction = correction_of(two_cubes)
    correction.apply(strokes.erase(correction, [[2, 3, 3]], 1.0, axis=0))
    assert np.count_nonzero(correction.provenance == Provenance.REMOVED) == 5
    assert correction.finding(1).volume_ml == pytest.approx(0.022)
    correction.apply(strokes.erase(correction, [[9, 10, 10]], 20.0, number=1))
    assert correction.ids == [2]


@pytest.mark.parametrize("radius", [0, -1, float("nan")])
def test_a_brush_without_size_is_refused(correction_of: Callable, radius) -> None:
    with pytest.raises(MedadError, match="radius cannot be"):
        strokes.paint(correction_of(np.zeros((3, 3, 3))), [[1, 1, 1]], radius, 1)


def test_a_stroke_outside_the_scan_paints_nothing(correction_of: Callable) -> None:
    correction = correction_of(np.zeros((3, 3, 3)))
    assert correction.apply(strokes.paint(correction, [[1, 1, 40]], 2.0, 1)) is None
    with pytest.raises(MedadError, match="finite positions"):
        strokes.paint(correction, [[1, 1, np.nan]], 2.0, 1)
