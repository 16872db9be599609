"""The network against the sheet's counts and the paper's equations."""

import numpy as np
import pytest
import torch

from napari_medad.detectors.moe.network import (
    MixtureOfExperts,
    MoeOutput,
    router_table,
    trainable_parameters,
)
from napari_medad.detectors.moe.settings import MoeArchitecture


def small(**changes: object) -> MoeArchitecture:
    return MoeArchitecture(**{"size": 64, "hidden": 16, **changes})


@pytest.mark.parametrize(
    ("decoder_fc", "count"),
    [("per_expert", 202_293_637), ("shared", 67_854_725), ("direct", 35_637_637)],
)
def test_parameters_at_256_pixels_and_five_experts(decoder_fc: str, count: int) -> None:
    with torch.device("meta"):
        network = MixtureOfExperts(MoeArchitecture(size=256, decoder_fc=decoder_fc), 5)
    assert trainable_parameters(network) == count


def test_encoder_and_expert_have_the_sheets_parameters() -> None:
    with torch.device("meta"):
        network = MixtureOfExperts(MoeArchitecture(size=256), 5)
    assert trainable_parameters(network.encoder) == 33_700_464
    assert trainable_parameters(network.experts[0]) == 33_716_960
    assert trainable_parameters(network.router) == 165
    assert trainable_parameters(network.prompt) == 8_208


@pytest.mark.parametrize("decoder_fc", ["per_expert", "shared", "direct"])
def test_mixture_is_the_weighted_sum_of_its_experts(decoder_fc: str) -> None:
    torch.manual_seed(0)
    network = MixtureOfExperts(small(decoder_fc=decoder_fc), 3).eval()
    image, text = torch.rand(2, 1, 64, 64), torch.randn(2, 512)
    with torch.inference_mode():
        output = network(image, text)
        features = network.shared(network.encoder(image))
        mu, u = torch.zeros(2, 1, 64, 64), torch.zeros(2, 1, 64, 64)
        for k, expert in enumerate(network.experts):
            decoded = expert(features)
            weight = output.router[:, k].view(2, 1, 1, 1)
            mu, u = mu + weight * decoded[:, :1], u + weight * decoded[:, 1:]
    torch.testing.assert_close(output.reconstruction, mu)
    torch.testing.assert_close(output.hallucination, u)
    torch.testing.assert_close(output.router.sum(1), torch.ones(2))


def test_top_k_keeps_the_largest_weights_and_does_not_renormalise() -> None:
    network = MixtureOfExperts(small(top_k=2), 4)
    kept = network.top_k(torch.tensor([[0.1, 0.4, 0.3, 0.2]]))
    torch.testing.assert_close(kept, torch.tensor([[0.0, 0.4, 0.3, 0.0]]))


def test_experts_that_are_not_selected_are_not_run() -> None:
    network = MixtureOfExperts(small(top_k=1), 3).eval()
    with torch.no_grad():
        network.router.bias.copy_(torch.tensor([0.0, 50.0, 0.0]))
    ran = []
    for k, expert in enumerate(network.experts):
        expert.register_forward_hook(lambda *_, k=k: ran.append(k))
    with torch.inference_mode():
        network(torch.rand(2, 1, 64, 64))
    assert ran == [1]


def test_without_prompt_tau_is_zero() -> None:
    network = MixtureOfExperts(small(), 3).eval()
    ablated = MixtureOfExperts(small(prompted=False), 3).eval()
    ablated.load_state_dict(network.state_dict())
    image, text = torch.rand(2, 1, 64, 64), torch.randn(2, 512)
    with torch.inference_mode():
        silent = network(image, torch.zeros(2, 512)).router
        torch.testing.assert_close(network(image).router, silent)
        torch.testing.assert_close(ablated(image, text).router, silent)
        assert not torch.allclose(network(image, text).router, silent)


def test_anomaly_is_the_damped_squared_error_with_its_sign() -> None:
    network = MixtureOfExperts(small(), 2)
    network.error_scale.fill_(2.0)
    image = torch.full((1, 1, 64, 64), 0.5)
    output = MoeOutput(torch.full_like(image, 0.8), torch.full_like(image, 1.5), torch.ones(1, 2))
    expected = -((2 * 0.3) ** 2) * np.exp(-(1.5**2))
    torch.testing.assert_close(network.anomaly(image, output), torch.full_like(image, expected))
    plain = MixtureOfExperts(small(hallucination=False), 2)
    torch.testing.assert_close(plain.anomaly(image, output), torch.full_like(image, -0.09))


def test_router_table_averages_by_task() -> None:
    probability = torch.tensor([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9]])
    table = router_table(probability, torch.tensor([0, 0, 1]), 2)
    torch.testing.assert_close(table, torch.tensor([[0.7, 0.3], [0.1, 0.9]]))
