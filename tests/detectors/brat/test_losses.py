"""The objective by hand, and what each part of it wants."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_medad.detectors.brat.losses import (
    contrastive,
    dpp,
    entropy,
    mean_cosine,
    pairwise_repulsion,
    report_writing,
    repulsion,
    similarities,
)


def test_similarity_by_hand() -> None:
    views = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    sentences = torch.tensor([[[1.0, 0.0], [0.8, 0.6], [0.0, 0.0]]])
    present = torch.tensor([[True, True, False]])
    # one to one: 1 and 0.6; with views used twice: 1 and 0.8
    assert float(similarities(views, sentences, present)) == pytest.approx(0.8)
    assert float(similarities(views, sentences, present, "colbert")) == pytest.approx(0.9)


def test_contrastive_by_hand_in_both_directions() -> None:
    table = torch.tensor([[0.2, 0.0], [0.1, 0.3]])
    to_report = [math.log(1 + math.exp(-2)), math.log(1 + math.exp(-2))]
    to_image = [math.log(1 + math.exp(-1)), math.log(1 + math.exp(-3))]
    expected = (sum(to_report) / 2 + sum(to_image) / 2) / 2
    assert float(contrastive(table, 0.1)) == pytest.approx(expected, rel=1e-5)


def test_entropy_by_hand() -> None:
    maps = torch.tensor([[0.25] * 4, [1.0, 0, 0, 0], [0.5, 0.5, 0, 0]])
    assert entropy(maps).tolist() == pytest.approx([math.log(4), 0, math.log(2)])


@pytest.mark.parametrize("normalised", [True, False])
def test_dpp_is_the_determinant(normalised: bool) -> None:
    maps = np.random.default_rng(0).dirichlet(np.ones(6), (2, 3))
    expected = []
    for c in maps:
        h = -(c * np.log(c)).sum(1)
        d = c / np.linalg.norm(c, axis=1, keepdims=True) if normalised else c
        kernel = h[:, None] * (d @ d.T) * h + 0.01 * np.eye(3)
        expected.append(-np.log(np.linalg.det(kernel)))
    found = dpp(torch.from_numpy(maps).float(), epsilon=0.01, normalised=normalised)
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-4)


def test_dpp_wants_views_that_look_elsewhere_and_not_at_one_point() -> None:
    apart = torch.tensor([[[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]])
    same = apart[:, :1].expand(-1, 2, -1)
    points = torch.eye(4)[None, :2] * 0.97 + 0.01
    assert dpp(apart) < dpp(points) < dpp(same)
    assert dpp(same).isfinite()
    assert float(pairwise_repulsion(apart)) == pytest.approx(0, abs=1e-6)
    assert float(pairwise_repulsion(same)) == pytest.approx(1)


def test_dpp_moves_collapsed_views_apart() -> None:
    logits = (0.01 * torch.randn(1, 4, 8, generator=torch.manual_seed(0))).requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.05)
    before = F.normalize(logits.detach().softmax(-1), dim=-1)
    assert float(mean_cosine(before)) > 0.99
    for _ in range(100):
        optimiser.zero_grad()
        dpp(logits.softmax(-1)).backward()
        optimiser.step()
    directions = F.normalize(logits.detach().softmax(-1), dim=-1)
    assert float(mean_cosine(directions)) < 0.6


def test_dpp_is_in_full_precision_under_autocast() -> None:
    maps = torch.rand(1, 8, 16, generator=torch.manual_seed(0)).softmax(-1)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(dpp(maps), dpp(maps))
        assert dpp(maps).dtype == torch.float32
    assert float(dpp(maps)) == pytest.approx(float(dpp(maps.double())), rel=1e-4)


def test_repulsion_is_the_mean_over_layers() -> None:
    layers = [torch.rand(1, 3, 9).softmax(-1) for _ in range(2)]
    parts = [float(dpp(maps, epsilon=1e-3)) for maps in layers]
    found = repulsion(layers, "dpp", epsilon=1e-3, normalised=True)
    assert float(found) == pytest.approx(np.mean(parts), rel=1e-5)


def test_writing_by_hand() -> None:
    logits = torch.zeros(1, 3, 4)
    logits[0, 0, 2] = 5.0
    ids, there = torch.tensor([[1, 2, 0]]), torch.tensor([[True, True, False]])
    # only the word after the first is there; a tenth of the target is spread evenly
    log_p = logits[0, 0].log_softmax(-1)
    expected = -0.9 * log_p[2] - 0.1 * log_p.mean()
    assert float(report_writing(logits, ids, there)) == pytest.approx(float(expected), rel=1e-5)
