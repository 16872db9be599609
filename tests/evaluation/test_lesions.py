"""Lesions, regions, surfaces and intervals of hand-worked masks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from napari_medad.evaluation.intervals import bootstrap_interval, spread
from napari_medad.evaluation.lesions import PRO_LIMIT, RegionOverlap, lesion_figures
from napari_medad.evaluation.pooled import StreamedRanking
from napari_medad.evaluation.surface import surface_figures


def _mask(*boxes: tuple[slice, ...]) -> np.ndarray:
    mask = np.zeros((12, 12, 12), bool)
    for box in boxes:
        mask[box] = True
    return mask


A, B = (slice(1, 3), slice(1, 3), slice(1, 3)), (slice(6, 8), slice(6, 8), slice(6, 8))
HALF_A = (slice(1, 3), slice(1, 3), slice(1, 2))
ELSEWHERE = (slice(10, 11), slice(10, 11), slice(0, 1))


def test_lesions_found_missed_and_invented() -> None:
    figures = lesion_figures(_mask(HALF_A, ELSEWHERE), _mask(A, B))
    assert (figures.lesions, figures.recall, figures.false_positives) == (2, 0.5, 1)
    assert figures.dice == pytest.approx((2 * 4 / (8 + 4) + 0) / 2)


def test_corners_that_touch_are_one_lesion() -> None:
    corner = (slice(3, 5), slice(3, 5), slice(3, 5))
    assert lesion_figures(_mask(), _mask(A, corner)).lesions == 1


def test_no_lesion_has_only_false_positives() -> None:
    figures = lesion_figures(_mask(A, B), _mask())
    assert (figures.lesions, figures.recall, figures.dice) == (0, None, None)
    assert figures.false_positives == 2


def _pro(scores: np.ndarray, truth: np.ndarray) -> float | None:
    ranking = StreamedRanking()
    ranking.add(scores.ravel(), truth.ravel())
    regions = RegionOverlap(ranking)
    regions.add(scores, truth)
    return regions.value()


def test_pro_of_perfect_constant_and_inverted_maps() -> None:
    truth = _mask(A, B)
    assert _pro(truth.astype(float), truth) == pytest.approx(1, abs=2e-3)
    assert _pro(np.zeros(truth.shape), truth) == pytest.approx(PRO_LIMIT / 2)
    assert _pro(1.0 - truth, truth) == pytest.approx(0, abs=1e-6)


def test_pro_weighs_a_small_lesion_like_a_large_one() -> None:
    large = (slice(0, 5), slice(0, 12), slice(0, 12))
    truth = _mask(large, ELSEWHERE)
    scores = _mask(large).astype(float)  # the single voxel of the other lesion is lost
    value = _pro(scores, truth)
    # half of the lesions from rate 0 on, the other rises from (0, 0) to (1, 1)
    assert value == pytest.approx(0.5 + 0.5 * PRO_LIMIT / 2, abs=5e-3)


def test_pro_against_every_threshold() -> None:
    rng = np.random.default_rng(3)
    truth = _mask(A, B)
    scores = rng.normal(0, 1, truth.shape) + truth
    lesions = [_mask(A), _mask(B)]
    rates, overlap = [0.0], [0.0]
    for cut in np.sort(scores.ravel())[::-1]:
        found = scores >= cut
        rates.append(found[~truth].mean())
        overlap.append(np.mean([found[lesion].mean() for lesion in lesions]))
    grid = np.linspace(0, PRO_LIMIT, 20_001)
    dense = np.interp(grid, rates, overlap)
    assert _pro(scores, truth) == pytest.approx(np.trapezoid(dense, grid) / PRO_LIMIT, abs=5e-3)


def test_distances_are_in_mm_along_each_axis() -> None:
    moved = (slice(3, 5), slice(1, 3), slice(1, 3))
    far, near = surface_figures(_mask(moved), _mask(A), (2.5, 1.0, 0.5))
    assert far == pytest.approx(5.0)  # two slices of 2.5 mm
    assert near == pytest.approx(0.0)
    far, near = surface_figures(_mask(moved), _mask(A), (0.5, 1.0, 0.5))
    assert (far, near) == (pytest.approx(1.0), pytest.approx(1.0))
    assert surface_figures(_mask(A), _mask(A), (1, 1, 1)) == (0.0, 1.0)


def test_empty_masks_have_no_distance() -> None:
    assert surface_figures(_mask(), _mask(A), (1, 1, 1)) == (None, 0.0)
    assert surface_figures(_mask(), _mask(), (1, 1, 1)) == (None, None)


def test_spread_leaves_out_what_is_not_defined() -> None:
    told = spread(np.array([0.2, np.nan, 0.4, 0.9]))
    assert told.mean == pytest.approx(0.5)
    assert told.sd == pytest.approx(np.std([0.2, 0.4, 0.9], ddof=1))
    assert (told.patients, told.undefined) == (3, 1)
    one = spread(np.array([0.3]))
    assert (one.mean, one.sd, one.low) == (0.3, None, None)
    assert spread(np.array([np.nan])).mean is None


def test_the_interval_is_that_of_scipy() -> None:
    values = np.random.default_rng(5).normal(0.6, 0.2, 40)
    ours = bootstrap_interval(values, draws=9999)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    np.testing.assert_allclose(ours, theirs, atol=5e-3)
