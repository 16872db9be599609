"""Equations 4 and 5, and the trap that the sheet names: where the hallucination head may fire."""

import math

import pytest
import torch

from napari_medad.detectors.moe.losses import objective, reconstruction_loss, router_loss
from napari_medad.detectors.moe.network import MixtureOfExperts
from napari_medad.detectors.moe.settings import MoeArchitecture


def test_router_loss_is_cross_entropy() -> None:
    probability = torch.tensor([[0.5, 0.5], [0.25, 0.75]])
    expected = -(math.log(0.5) + math.log(0.75)) / 2
    assert router_loss(probability, torch.tensor([0, 1])).item() == pytest.approx(expected)


def test_reconstruction_loss_by_hand() -> None:
    error, u = torch.tensor([[0.5, 0.1]]), torch.tensor([[1.0, 0.0]])
    expected = ((2 * 0.5) ** 2 * math.exp(-1) + 1 + (2 * 0.1) ** 2) / 2
    assert reconstruction_loss(error, u, 2.0).item() == pytest.approx(expected)
    free = (0.25 * math.exp(-1) + 1 + 0.01) / 2
    assert reconstruction_loss(error, u, 1.0, "log variance").item() == pytest.approx(free)


def best_u(error: torch.Tensor, scale: float) -> torch.Tensor:
    """u that minimises Eq. 5 for fixed errors."""
    u = torch.full_like(error, 0.5, requires_grad=True)
    optimiser = torch.optim.Adam([u], lr=0.05)
    for _ in range(600):
        optimiser.zero_grad()
        reconstruction_loss(error, u, scale).backward()
        optimiser.step()
    return u.detach()


def test_in_unit_intensities_the_head_has_no_reason_to_fire() -> None:
    error = torch.linspace(0, 1, 101)
    assert best_u(error, 1.0).abs().max() < 0.1


def test_with_the_error_scale_the_optimum_is_log_of_the_scaled_error() -> None:
    error = torch.linspace(0.01, 1, 100)
    scale = 1 / error.median().item()
    expected = torch.log((scale * error).square()).clamp(min=0)
    torch.testing.assert_close(best_u(error, scale).square(), expected, atol=0.02, rtol=0)


def edges_and_noise(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Discs whose border jitters, and where the border may lie."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    radius = ((y - 31.5) ** 2 + (x - 31.5) ** 2).sqrt()
    jitter = 18 + 3 * torch.rand((count, 1, 1), generator=generator)
    wobble = 2 * torch.sin(8 * torch.atan2(y - 31.5, x - 31.5) + 6.28 * jitter)
    image = 0.7 * (radius < jitter + wobble) + 0.15
    image = image + 0.01 * torch.randn(image.shape, generator=generator)
    return image[:, None].float(), (radius > 15) & (radius < 24)


@pytest.mark.slow
def test_the_hallucination_head_fires_at_edges_and_not_elsewhere() -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    network = MixtureOfExperts(MoeArchitecture(size=64, hidden=64, decoder_fc="direct"), 1)
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    losses = {}
    for _ in range(350):
        image, ring = edges_and_noise(24, generator)
        optimiser.zero_grad()
        losses = objective(
            network,
            image,
            torch.ones_like(image),
            network(image),
            torch.zeros(24, dtype=torch.long),
            alpha=1,
            beta=1,
            warm_up=80,
        )
        losses["loss"].backward()
        optimiser.step()
    network.eval()
    with torch.inference_mode():
        u = network(edges_and_noise(24, generator)[0]).hallucination.abs().mean(0)[0]
    assert network.error_scale > 5
    assert losses["hallucinating"] > 0.05
    assert u[ring].mean() > 3 * u[~ring].mean()


def test_warm_up_sets_the_error_scale_to_the_inverse_median() -> None:
    network = MixtureOfExperts(MoeArchitecture(size=64, hidden=16, decoder_fc="direct"), 1)
    image = torch.full((4, 1, 64, 64), 0.25)
    output = network(image)._replace(reconstruction=torch.zeros_like(image))
    for _ in range(12):
        objective(
            network,
            image,
            torch.ones_like(image),
            output,
            torch.zeros(4, dtype=torch.long),
            alpha=1,
            beta=1,
            warm_up=10,
        )
    assert network.error_scale.item() == pytest.approx(4.0, rel=1e-4)
    assert network.steps.item() == 12
