"""Grow, shrink, smooth, holes and slices between, against counts made by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_medad.corrections import shapes, verdicts
from napari_medad.corrections.provenance import Provenance
from napari_medad.errors import MedadError


def test_grow_and_shrink_by_millimetres(correction_of: Callable) -> None:
    mask = np.zeros((9, 9, 9))
    mask[4, 4, 4] = 1
    correction = correction_of(mask, (2, 1, 1))
    correction.apply(shapes.grow(correction, 1, 2.0))
    # In the middle slice 13 pixels within 2 mm; one voxel above and below.
    assert np.count_nonzero(correction.labels) == 15
    assert np.count_nonzero(correction.provenance == Provenance.DRAWN) == 14
    correction.apply(shapes.grow(correction, 1, -1.0))
    # Left are those whose neighbours are all inside: the middle and its four in the slice, less
    # those four, whose neighbours above are outside 2 mm away, further than 1 mm.
    assert np.argwhere(correction.labels[4]).tolist() == [[3, 4], [4, 3], [4, 4], [4, 5], [5, 4]]
    assert np.count_nonzero(correction.labels) == 5
    assert np.count_nonzero(correction.provenance == Provenance.REMOVED) == 10


def test_growing_stops_at_other_findings(correction_of: Callable, two_cubes: np.ndarray) -> None:
    correction = correction_of(two_cubes)
    correction.apply(shapes.grow(correction, 1, 40.0))
    assert correction.finding(2).volume_ml == pytest.approx(0.008)
    assert correction.finding(1).volume_ml == pytest.approx((12 * 14 * 16 - 8) / 1000)


def test_the_scans_border_is_no_edge(correction_of: Callable) -> None:
    mask = np.zeros((4, 6, 8))
    mask[:, :, :4] = 1
    correction = correction_of(mask)
    correction.apply(shapes.grow(correction, 1, -1.0))
    np.testing.assert_array_equal(correction.labels[:, :, :5].any(axis=(0, 1)), [1, 1, 1, 0, 0])


def test_what_leaves_nothing_is_refused(correction_of: Callable, two_cubes: np.ndarray) -> None:
    correction = correction_of(two_cubes)
    with pytest.raises(MedadError, match="leaves nothing"):
        shapes.grow(correction, 2, -5.0)
    with pytest.raises(MedadError, match="leaves nothing"):
        shapes.smooth(correction, 2, 9.0)
    with pytest.raises(MedadError, match="above 0"):
        shapes.smooth(correction, 2, 0.0)


def test_smoothing_takes_a_spike_and_keeps_a_ball(correction_of: Callable) -> None:
    z, y, x = np.ogrid[:21, :21, :30]
    ball = (z - 10) ** 2 + (y - 10) ** 2 + (x - 10) ** 2 <= 49
    spike = ball.copy()
    spike[10, 10, 17:26] = True
    correction = correction_of(spike)
    correction.apply(shapes.smooth(correction, 1, 1.0))
    assert not correction.labels[10, 10, 19:].any()
    overlap = (
        2 * (ball & (correction.labels > 0)).sum() / (ball.sum() + (correction.labels > 0).sum())
    )
    assert overlap > 0.97


def test_holes_are_filled_in_3d_or_in_slices(correction_of: Callable) -> None:
    mask = np.zeros((5, 7, 7))
    mask[1:4, 1:6, 1:6] = 1
    mask[2, 3, 3] = 0  # enclosed on all sides
    mask[1:4, 2, 2] = 0  # a channel, open above and below
    correction = correction_of(mask)
    correction.apply(shapes.fill_holes(correction, 1))
    assert correction.labels[2, 3, 3] == 1
    assert not correction.labels[1:4, 2, 2].any()
    correction.apply(shapes.fill_holes(correction, 1, axis=0))
    assert correction.labels[1:4, 2, 2].all()
    assert not correction.labels[0].any()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_between_two_discs_runs_a_cone(correction_of: Callable, axis: int) -> None:
    """Radii 4 and 10 mm six slices apart: 1 mm more in each slice, and the centre moves along."""
    y, x = np.ogrid[:40, :44]
    planes = np.zeros((9, 40, 44))
    planes[1] = (y - 15) ** 2 + (x - 16) ** 2 <= 4**2
    planes[7] = (y - 21) ** 2 + (x - 22) ** 2 <= 10**2
    mask = np.moveaxis(planes, 0, axis)
    correction = correction_of(mask)
    correction.apply(verdicts.merge(correction, [1, 2]))
    told = []
    step = correction.apply(
        shapes.fill_between(correction, 1, axis, lambda done, total: told.append((done, total)))
    )
    assert told == [(0, 1)]
    found = np.moveaxis(correction.labels, axis, 0) > 0
    np.testing.assert_array_equal(found[[1, 7]], planes[[1, 7]] > 0)
    assert not found[[0, 8]].any()
    for z in range(2, 7):
        rows, columns = np.nonzero(found[z])
        assert np.sqrt(found[z].sum() / np.pi) == pytest.approx(z + 3, abs=0.35)
        assert (rows.mean(), columns.mean()) == pytest.approx((z + 14, z + 15), abs=0.2)
    assert (np.moveaxis(correction.provenance, axis, 0)[4][found[4]] == Provenance.DRAWN).all()
    assert step.box[axis] == slice(2, 7)


def test_without_a_gap_there_is_nothing_to_fill(correction_of: Callable, two_cubes) -> None:
    with pytest.raises(MedadError, match="no empty slice"):
        shapes.fill_between(correction_of(two_cubes), 1, 0)


def test_signed_distance_in_millimetres() -> None:
    plane = np.zeros((5, 7), bool)
    plane[1:4, 1:6] = True
    distance = shapes.signed_distance(plane, np.array([2.0, 1.0]))
    assert distance[2, 3] == 3  # three columns to the nearest edge, which beats two rows of 2 mm
    assert distance[1, 3] == 2
    assert distance[0, 3] == -2
    assert distance[0, 0] == pytest.approx(-np.hypot(2, 1))
