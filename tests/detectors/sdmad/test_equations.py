"""The paper's equations against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from napari_medad.detectors.sdmad.losses import sign_loss
from napari_medad.detectors.sdmad.scores import (
    category_chances,
    category_scores,
    decisions,
    slice_score,
)
from napari_medad.detectors.sdmad.selection import Pairs, select


def at(*degrees: float) -> torch.Tensor:
    """Unit vectors of the plane."""
    radians = torch.tensor(degrees) * math.pi / 180
    return torch.stack([radians.cos(), radians.sin()], 1)


def d(a: float, b: float) -> float:
    """1 - cosine of two directions in degrees."""
    return 1 - math.cos(math.radians(a - b))


OWNER = torch.tensor([0, 0, 1])
SIGNS, ANCHOR = at(0, 30, 90), at(60)[0]
DIFFERENT = torch.eye(3, dtype=torch.bool)


def loss(image: float, *labels: float, same: torch.Tensor = DIFFERENT) -> list[float]:
    terms = sign_loss(at(image), SIGNS, ANCHOR, OWNER, same, torch.tensor([labels]))
    return [float(term) for term in terms]


def test_loss_of_an_image_with_one_category() -> None:
    text = d(20, 0) + d(20, 30)
    assert loss(20, 1, 0) == pytest.approx([text, 0], abs=1e-6)  # both nearer than the anchor


def test_signs_of_its_own_beyond_the_anchor_and_others_within_it_cost() -> None:
    text = d(80, 0) + d(80, 30)
    beyond = (d(80, 0) - d(80, 60)) + (d(80, 30) - d(80, 60))
    within = d(80, 60) - d(80, 90)
    assert loss(80, 1, 0) == pytest.approx([text, beyond + within], abs=1e-6)


def test_with_several_categories_each_is_its_own_and_none_a_negative() -> None:
    text = d(80, 0) + d(80, 30) + d(80, 90)
    beyond = (d(80, 0) - d(80, 60)) + (d(80, 30) - d(80, 60))
    assert loss(80, 1, 1) == pytest.approx([text, beyond], abs=1e-6)


def test_two_categories_count_the_negatives_twice() -> None:
    owner, signs = torch.tensor([0, 1, 2]), at(0, 30, 90)
    terms = sign_loss(at(80), signs, ANCHOR, owner, DIFFERENT, torch.tensor([[1.0, 1.0, 0.0]]))
    beyond = (d(80, 0) - d(80, 60)) + (d(80, 30) - d(80, 60))
    assert float(terms.anchor) == pytest.approx(beyond + 2 * (d(80, 60) - d(80, 90)), abs=1e-6)


def test_a_normal_image_is_drawn_to_the_anchor_and_has_all_signs_as_negatives() -> None:
    assert loss(80, 0, 0) == pytest.approx([d(80, 60), d(80, 60) - d(80, 90)], abs=1e-6)


def test_a_sign_shared_with_a_category_of_the_image_is_no_negative() -> None:
    shared = DIFFERENT.clone()
    shared[0, 2] = shared[2, 0] = True
    beyond = (d(80, 0) - d(80, 60)) + (d(80, 30) - d(80, 60))
    assert loss(80, 1, 0, same=shared)[1] == pytest.approx(beyond, abs=1e-6)


def test_images_are_averaged() -> None:
    labels = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    both = sign_loss(at(80, 20), SIGNS, ANCHOR, OWNER, DIFFERENT, labels)
    one, other = loss(80, 1, 0), loss(20, 0, 0)
    assert [float(t) for t in both] == pytest.approx(
        [(a + b) / 2 for a, b in zip(one, other, strict=True)], abs=1e-6
    )


def pairs(**signs: list[str]) -> Pairs:
    return Pairs.of(list(signs.items()))


def test_a_planted_outlier_is_left_out() -> None:
    """Signs of a lie near 0, of b near 90; 'stray' of a lies close to those of b."""
    held = pairs(a=["1", "2", "stray"], b=["3", "4"])
    selection = select(held, at(0, 10, 84, 90, 93))
    assert selection.kept.tolist() == [True, True, False, True, True]
    own = torch.tensor([d(0, 10), d(0, 10), d(84, 10), d(90, 93), d(90, 93)])
    other = torch.tensor([d(0, 90), d(10, 90), d(84, 90), d(90, 84), d(93, 84)])
    assert_close(selection.own, own)
    assert_close(selection.other, other)
    assert selection.restored == ()


def test_nothing_is_dropped_without_selection_but_all_is_measured() -> None:
    held = pairs(a=["1", "2", "stray"], b=["3", "4"])
    selection = select(held, at(0, 10, 86, 90, 100), all_kept=True)
    assert selection.kept.all()
    assert selection.facts(held)[2] == {
        "category": "a",
        "text": "stray",
        "kept": True,
        "own": pytest.approx(d(86, 10), abs=1e-5),
        "other": pytest.approx(d(86, 90), abs=1e-5),
    }


def test_a_category_with_one_sign_keeps_it_and_is_named() -> None:
    held = pairs(a=["1"], b=["2", "3"])
    selection = select(held, at(0, 90, 100))
    assert selection.kept.tolist() == [True, True, True]
    assert selection.restored == ("a",)
    assert selection.facts(held)[0]["own"] is None


def test_a_category_that_would_end_empty_keeps_all_its_signs() -> None:
    held = pairs(a=["1", "2"], b=["3", "4", "5", "6"])
    selection = select(held, at(0, 90, 1, 1.5, 87, 86.5))
    assert selection.kept.tolist() == [True] * 6
    assert selection.restored == ("a",)


def test_a_shared_sign_is_not_measured_against_those_that_share_it() -> None:
    held = pairs(a=["1", "both"], b=["2", "both"], c=["3", "4"])
    features = at(0, 45, 90, 45, 200, 210)
    selection = select(held, features)
    assert selection.kept.all()
    assert float(selection.other[1]) == pytest.approx(d(45, 200), abs=1e-5)


def test_scores_are_maxima_and_decisions_minima_over_kept_signs() -> None:
    cosines = torch.tensor([[0.9, 0.1, 0.4, 0.6], [0.3, 0.35, 0.1, 0.2]])
    owner, kept = torch.tensor([0, 0, 1, 1]), torch.ones(4, dtype=torch.bool)
    assert_close(category_scores(cosines, owner, kept, 2), torch.tensor([[0.9, 0.6], [0.35, 0.2]]))
    anchor = torch.tensor([0.3, 0.25])
    assert decisions(cosines, anchor, owner, kept, 2).tolist() == [[False, True], [True, False]]
    kept[1] = False
    assert decisions(cosines, anchor, owner, kept, 2).tolist() == [[True, True], [True, False]]


def test_a_slice_scores_a_half_where_a_sign_is_as_near_as_the_anchor() -> None:
    scores = torch.tensor([[0.2, 0.5], [0.2, 0.3]])
    assert_close(slice_score(scores, torch.tensor([0.5, 0.5])), torch.tensor([0.5, 0.4]))


def test_a_category_as_near_as_the_anchor_has_a_chance_of_a_half() -> None:
    chances = category_chances(torch.tensor([[0.3, 0.31]]), torch.tensor([0.3]))
    assert_close(chances, torch.tensor([[0.5, 1 / (1 + math.exp(-1))]]), atol=1e-5, rtol=0)
