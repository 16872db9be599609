"""Counts, their figures and the rules for empty masks, worked by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from skimage.color import rgb2lab

from napari_medad.evaluation.overlap import (
    CLASSICAL,
    COLOUR_BLIND_SAFE,
    MEANINGS,
    SCHEMES,
    Confusion,
    overlap_labels,
)
from napari_medad.evaluation.slices import (
    centre_distance,
    distance_curve,
    size_correlation,
    slice_dice,
    slice_figures,
)

FOUND = np.array([[[1, 1, 0, 0]], [[0, 0, 0, 0]], [[0, 0, 1, 0]]], bool)
TRUTH = np.array([[[1, 0, 1, 0]], [[0, 1, 0, 0]], [[0, 0, 0, 0]]], bool)


def test_labels_tell_right_false_and_missed() -> None:
    expected = [[[1, 2, 3, 0]], [[0, 3, 0, 0]], [[0, 0, 2, 0]]]
    assert overlap_labels(FOUND, TRUTH).tolist() == expected


SEEN = {
    "all colours": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "no green": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "no blue": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
}
"""Linear RGB as the colour-blind see it: Machado et al. 2009, severity 1."""


def _nearest(colours: list[str], seen: tuple[tuple[float, ...], ...]) -> float:
    """The smallest CIELAB distance of two of the colours."""
    values = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colours])
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    turned = (linear @ np.array(seen).T).clip(0, 1)
    back = np.where(turned <= 0.0031308, turned * 12.92, 1.055 * turned ** (1 / 2.4) - 0.055)
    lab = rgb2lab(back[None])[0]
    return min(float(np.linalg.norm(a - b)) for a, b in combinations(lab, 2))


def test_the_colour_blind_tell_the_colours_of_the_safe_scheme_apart() -> None:
    assert all(set(scheme) == set(MEANINGS) for scheme in SCHEMES.values())
    safe = [_nearest(list(SCHEMES[COLOUR_BLIND_SAFE].values()), seen) for seen in SEEN.values()]
    usual = [_nearest(list(SCHEMES[CLASSICAL].values()), seen) for seen in SEEN.values()]
    assert min(safe) > 30
    assert min(usual) < 15


def test_figures_of_known_counts() -> None:
    counts = Confusion.of(FOUND, TRUTH)
    assert counts == Confusion(1, 2, 2, 7)
    assert counts.dice == pytest.approx(2 / 6)
    assert counts.sensitivity == pytest.approx(1 / 3)
    assert counts.specificity == pytest.approx(7 / 9)
    assert counts.ppv == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("found", "true", "dice", "sensitivity", "ppv"),
    [(0, 0, 1, None, None), (1, 0, 0, None, 0), (0, 1, 0, 0, 0)],
)
def test_empty_masks(
    found: int, true: int, dice: float, sensitivity: float | None, ppv: float | None
) -> None:
    masks = [np.full((1, 2, 2), False) for _ in range(2)]
    masks[0][0, 0, 0], masks[1][0, 0, 0] = found, true
    counts = Confusion.of(*masks)
    assert (counts.dice, counts.sensitivity, counts.ppv) == (dice, sensitivity, ppv)
    assert Confusion.of(masks[0], np.ones((1, 2, 2), bool)).specificity is None


def test_slice_dice_is_undefined_without_lesion() -> None:
    np.testing.assert_allclose(slice_dice(FOUND, TRUTH), [0.5, 0, np.nan])
    one = FOUND[:1], TRUTH[:1]
    assert slice_dice(*one)[0] == pytest.approx(Confusion.of(*one).dice)


def test_distance_runs_from_the_inferior_to_the_superior_end() -> None:
    brain = np.zeros((9, 2, 2), bool)
    brain[2:7] = True
    np.testing.assert_allclose(centre_distance(brain), (np.arange(9) - 4) / 2)
    np.testing.assert_allclose(centre_distance(np.zeros((5, 1, 1), bool)), [-1, -0.5, 0, 0.5, 1])


def test_slices_with_lesion_have_area_and_place() -> None:
    figures = slice_figures(FOUND, TRUTH, np.ones_like(TRUTH), (3.0, 2.0, 0.5))
    assert [(s.z, s.distance, s.lesion_mm2, s.dice) for s in figures] == [
        (0, -1, 2.0, 0.5),
        (1, 0, 1.0, 0),
    ]
    centres, dice, counts = distance_curve(figures)
    assert centres[0] == pytest.approx(-0.95)
    assert counts.tolist() == [1, *[0] * 9, 1, *[0] * 9]
    assert dice[0] == 0.5
    assert dice[10] == 0
    assert np.isnan(dice[1])


def test_a_centred_brain_has_mirrored_bins() -> None:
    truth = np.ones((21, 1, 1), bool)
    _, _, counts = distance_curve(slice_figures(truth, truth, truth, (1, 1, 1)))
    assert counts.sum() == 21
    assert abs(counts[:10].sum() - counts[10:].sum()) <= 1


def test_correlation_of_size_and_dice() -> None:
    sizes = np.array([1.0, 5, 20, np.nan])
    assert size_correlation(sizes, np.array([0.1, 0.5, 0.6, 1])) == pytest.approx(1)
    assert size_correlation(sizes, np.array([0.6, 0.5, 0.1, 1])) == pytest.approx(-1)
    assert size_correlation(sizes, np.full(4, 0.5)) is None
