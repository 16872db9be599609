"""The auto-encoder's shapes and numbers."""

import pytest
import torch

from napari_medad.detectors.ae.network import AutoEncoder
from napari_medad.detectors.ae.recipe import AeOptions, AeRecipe
from napari_medad.detectors.ae.settings import AeShape


def parameters(size: int) -> int:
    return sum(p.numel() for p in AutoEncoder(AeShape(size=size)).parameters())


def test_as_many_parameters_as_counted_by_hand() -> None:
    # convolutions 4 x 4 without bias, two numbers a channel for the norm, down and up
    down = 16 * (16 + 16 * 32 + 32 * 64 + 64 * 64) + 2 * (16 + 32 + 64 + 64)
    up = 16 * (64 * 64 + 64 * 32 + 32 * 16 + 16) + 2 * (64 + 32 + 16) + 1
    for size, flat in ((64, 64 * 4 * 4), (256, 64 * 16 * 16)):
        into = (flat + 1) * 2048 + 2 * 2048 + 2049 * 16
        out = 17 * 2048 + 2 * 2048 + 2049 * flat
        assert parameters(size) == down + up + into + out


def test_as_large_as_published() -> None:
    assert parameters(256) / 1e6 == pytest.approx(67.4, abs=0.05)
    assert parameters(64) / 1e6 == pytest.approx(4.5, abs=0.05)


def test_all_that_is_known_of_an_image_passes_the_code() -> None:
    network = AutoEncoder(AeShape(hidden=32, code=3)).eval()
    image = torch.rand(2, 1, 64, 64)
    code = network.encoder(image)
    assert code.shape == (2, 3)
    torch.testing.assert_close(network.decoder(code), network(image))
    assert network(image).shape == image.shape


def test_the_loss_is_the_mean_square_over_all_pixels() -> None:
    recipe = AeRecipe(AeOptions(), ())
    image = torch.zeros(2, 1, 64, 64)
    image[0, 0, :32] = 1

    class Nothing(torch.nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return torch.zeros_like(given)

    assert recipe.losses(Nothing(), {"image": image})["loss"].item() == 0.25
