"""The objective against numbers from the authors' functions, and by hand."""

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_medad.detectors.rasalore.losses import (
    alignment_loss,
    decoder_loss,
    dice,
    exact_loss,
    exponential_log,
    point_loss,
    points_of,
    proximity,
    structure_loss,
    tversky,
)


@pytest.fixture(scope="module")
def masks() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Prediction, weak mask, refined mask (the second is empty) and proximity weights."""
    y, x = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    waves = torch.sigmoid(4 * torch.sin(x / 40) * torch.cos(y / 50))
    prediction = torch.stack([waves, torch.sigmoid((x - y) / 30)])
    first = ((x - 90).abs() < 40) & ((y - 60).abs() < 30)
    second = ((x - 200).abs() < 20) & ((y - 90).abs() < 50)
    weak = torch.stack([first, second]).float()
    disc = ((x - 80) ** 2 + (y - 70) ** 2 < 900).float()
    refined = torch.stack([disc, torch.zeros(256, 256)])
    weights = torch.stack(
        [
            torch.from_numpy(np.stack([proximity(m, s) for m, s in terms]))
            for d, s_ in zip(weak.numpy(), refined.numpy())
            for terms in [((d, 10), (s_, 10), (1 - d, 15))]
        ]
    )
    return prediction, weak, refined, weights


@pytest.mark.parametrize(
    ("variant", "index", "expected"),
    [("code", 0, 3.01009), ("code", 1, 1.95827), ("paper", 0, 2.93579)],
)
def test_decoder_loss_equals_the_authors(masks, variant, index, expected) -> None:
    one = [part[index : index + 1] for part in masks]
    assert decoder_loss(*one, variant=variant).item() == pytest.approx(expected, abs=2e-4)


def test_point_and_structure_losses_equal_the_authors() -> None:
    activations = torch.sigmoid(torch.sin(torch.arange(2048.0).view(2, 1024) / 7))
    targets = (torch.arange(2048.0).view(2, 1024) % 5 == 0).float()
    embedding = torch.sin(torch.arange(8192.0).view(2, 1024, 4) / 3)
    assert point_loss(activations, targets).item() == pytest.approx(1.069545, abs=1e-5)
    assert structure_loss(embedding, targets).item() == pytest.approx(3.000589, abs=1e-5)


def test_overlaps_by_hand() -> None:
    a = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    b = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    assert dice(a, b).item() == pytest.approx(0.5)
    # one hit, one miss at 0.3, one false alarm at 0.7
    assert tversky(a, b).item() == pytest.approx(1 / (1 + 0.3 + 0.7), abs=1e-5)
    assert exponential_log(torch.tensor(np.exp(-1.0))).item() == pytest.approx(1.0, abs=1e-5)


def test_no_overlap_still_has_a_finite_loss_and_gradient() -> None:
    activations = torch.zeros(1, 16, requires_grad=True)
    loss = point_loss(activations, torch.ones(1, 16))
    loss.backward()
    assert loss.item() == pytest.approx(2.0)
    assert torch.isfinite(activations.grad).all()


def test_a_healthy_slice_asks_for_an_empty_mask() -> None:
    empty = torch.zeros(1, 32, 32)
    weights = torch.stack([empty, empty, torch.ones(1, 32, 32)], 1)
    quiet, loud = torch.full((1, 32, 32), 0.01), torch.full((1, 32, 32), 0.9)
    assert decoder_loss(quiet, empty, empty, weights) < decoder_loss(loud, empty, empty, weights)
    low, high = torch.full((1, 32, 32), -4.0), torch.full((1, 32, 32), 4.0)
    assert exact_loss(low, empty) < exact_loss(high, empty)


def test_points_sample_the_mask_row_first() -> None:
    mask = torch.zeros(1, 128, 128)
    mask[0, 4, 8] = 1
    points = points_of(mask, 32)
    assert points.nonzero().tolist() == [[0, 1 * 32 + 2]]


def test_alignment_leaves_the_bridge_alone() -> None:
    bridge = torch.ones(1, 4, 2, requires_grad=True)
    mine = torch.zeros(1, 4, 2, requires_grad=True)
    loss = alignment_loss(mine, bridge)
    loss.backward()
    assert loss.item() == 1
    assert bridge.grad is None
    assert mine.grad is not None
