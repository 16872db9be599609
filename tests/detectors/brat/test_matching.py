"""Greedy matching against the sorted list of Alg. 1, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_medad.detectors.brat.matching import match


def sorted_list(table: np.ndarray) -> dict[int, int]:
    """View of each sentence: Alg. 1 word for word, slowly."""
    pairs = [(-table[i, j], i, j) for i, j in np.ndindex(*table.shape)]
    views: set[int] = set()
    taken: dict[int, int] = {}
    for _, i, j in sorted(pairs):
        if i not in views and j not in taken:
            views.add(i)
            taken[j] = i
    return taken


def test_greedy_is_not_the_best_assignment() -> None:
    # 0.9 is taken first, which leaves 0.1; the best assignment would be 0.8 and 0.7
    found = match(torch.tensor([[0.9, 0.8], [0.7, 0.1]]))
    assert found.view.tolist() == [0, 1]
    assert float(found.similarity) == pytest.approx(0.5)


@pytest.mark.parametrize(("views", "sentences"), [(6, 4), (4, 6), (5, 5), (1, 3), (3, 1)])
@pytest.mark.parametrize("ties", [False, True])
def test_a_batch_is_matched_like_the_sorted_list(views: int, sentences: int, ties: bool) -> None:
    rng = np.random.default_rng(views * 10 + sentences)
    table = rng.uniform(-1, 1, (4, 5, views, sentences)).astype(np.float32)
    if ties:
        table = table.round(0)
    present = rng.random((5, sentences)) < 0.7
    present[:, 0] = True
    found = match(torch.from_numpy(table), torch.from_numpy(present))
    for image, report in np.ndindex(4, 5):
        there = np.flatnonzero(present[report])
        own = table[image, report][:, there]
        expected = {int(there[j]): i for j, i in sorted_list(own).items()}
        row = found.view[image, report].tolist()
        assert {j: i for j, i in enumerate(row) if i >= 0} == expected
        mean = np.mean([table[image, report, i, j] for j, i in expected.items()])
        assert float(found.similarity[image, report]) == pytest.approx(mean, abs=1e-6)


def test_gradients_flow_through_the_matched_pairs_alone() -> None:
    table = torch.tensor([[0.9, 0.8, 0.0], [0.7, 0.1, 0.2]], requires_grad=True)
    match(table, torch.tensor([True, True, False])).similarity.backward()
    assert table.grad.tolist() == [[0.5, 0, 0], [0, 0.5, 0]]
