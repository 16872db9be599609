"""Codes, their distances, and what is minimised."""

import pytest
import torch

from napari_medad.detectors.vqvae.network import Vqvae
from napari_medad.detectors.vqvae.recipe import VqvaeOptions, VqvaeRecipe
from napari_medad.detectors.vqvae.settings import VqvaeShape

SHAPE = VqvaeShape(size=64, width=8, codes=5, code_width=3, commitment=0.25)


@pytest.fixture
def network() -> Vqvae:
    torch.manual_seed(0)
    return Vqvae(SHAPE)


def test_every_place_gets_its_nearest_code(network: Vqvae) -> None:
    network.eval()
    image = torch.rand(2, 1, 64, 64)
    codes = network.coder.quantizer.quantizer.embedding.weight
    with torch.inference_mode():
        encoded = network.coder.encode(image)
        assert encoded.shape == (2, 3, 16, 16)
        places = encoded.permute(0, 2, 3, 1).reshape(-1, 3)
        nearest = torch.cdist(places, codes).argmin(1).reshape(2, 16, 16)
        assert torch.equal(network.coder.index_quantize(image), nearest)
        expected = network.coder.decode(codes[nearest].permute(0, 3, 1, 2))
        torch.testing.assert_close(network(image), expected, atol=1e-5, rtol=1e-4)


def test_commitment_pulls_the_encoder_to_its_codes_only(network: Vqvae) -> None:
    network.eval()
    image = torch.rand(2, 1, 64, 64)
    encoded = network.coder.encode(image)
    codes = network.coder.quantizer.quantizer.embedding.weight
    nearest = codes[network.coder.index_quantize(image)].permute(0, 3, 1, 2)
    expected = 0.25 * (nearest - encoded).square().mean()
    _, commitment = network.with_commitment(image)
    torch.testing.assert_close(commitment, expected)
    commitment.backward()
    assert all(p.grad is None or not p.grad.any() for p in network.coder.decoder.parameters())
    assert any(p.grad is not None and p.grad.any() for p in network.coder.encoder.parameters())


def test_gradients_pass_the_codes_straight_through(network: Vqvae) -> None:
    network.eval()
    network(torch.rand(2, 1, 64, 64)).sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in network.coder.encoder.parameters())


def test_codes_follow_the_data_when_training_and_not_else(network: Vqvae) -> None:
    image = torch.rand(4, 1, 64, 64)
    codes = network.coder.quantizer.quantizer.embedding.weight
    before = codes.detach().clone()
    network.eval()(image)
    assert torch.equal(codes, before)
    network.train()(image)
    assert not torch.equal(codes, before)


def test_the_loss_is_the_sum_of_its_parts(network: Vqvae) -> None:
    network.eval()
    image = torch.rand(2, 1, 64, 64)
    found = VqvaeRecipe(VqvaeOptions(), ()).losses(network, {"image": image})
    error = (network(image) - image).square().mean()
    torch.testing.assert_close(found["error"], error)
    torch.testing.assert_close(found["loss"], error + found["commitment"])


def test_stages_set_the_grid() -> None:
    network = Vqvae(VqvaeShape(width=4, stages=3, code_width=2)).eval()
    assert network.coder.index_quantize(torch.rand(1, 1, 64, 64)).shape == (1, 8, 8)
