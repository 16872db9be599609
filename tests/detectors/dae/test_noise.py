"""The coarse noise, and what is minimised."""

import pytest
import torch
from torch import nn

from napari_medad.detectors.dae.losses import coarse_noise, denoising_loss
from napari_medad.detectors.dae.network import unet
from napari_medad.detectors.dae.recipe import DaeOptions, DaeRecipe
from napari_medad.detectors.dae.settings import DaeShape


def test_noise_stays_in_the_foreground() -> None:
    torch.manual_seed(0)
    foreground = torch.zeros(3, 1, 32, 32)
    foreground[:, :, 8:20, 4:30] = 1
    noise = coarse_noise(foreground, 0.2, 4)
    assert not noise[foreground == 0].any()
    assert (noise[foreground == 1] != 0).all()


def test_noise_is_as_strong_as_asked_and_of_both_signs() -> None:
    torch.manual_seed(0)
    whole = torch.ones(200, 1, 16, 16)
    noise = coarse_noise(whole, 0.2, 16)  # a grid of the image's own size is not interpolated
    assert noise.std().item() == pytest.approx(0.2, rel=0.02)
    assert noise.mean().item() == pytest.approx(0, abs=0.005)


def test_noise_is_coarse() -> None:
    torch.manual_seed(0)
    noise = coarse_noise(torch.ones(40, 1, 128, 128), 0.2, 16)
    neighbours = torch.corrcoef(torch.stack([noise[..., 1:].flatten(), noise[..., :-1].flatten()]))
    far = torch.corrcoef(torch.stack([noise[..., 20:].flatten(), noise[..., :-20].flatten()]))
    assert neighbours[0, 1] > 0.95
    assert far[0, 1].abs() < 0.1


def test_noise_is_rolled_to_another_place_each_time() -> None:
    """A grid of two rows and columns has its steepest edge where the roll put it."""
    torch.manual_seed(0)
    edges = {
        int((noise[0, 0, 1:] - noise[0, 0, :-1]).abs().sum(1).argmax())
        for noise in (coarse_noise(torch.ones(1, 1, 64, 64), 1.0, 2) for _ in range(30))
    }
    assert len(edges) > 10


def test_loss_counts_the_foreground_alone() -> None:
    image, foreground = torch.zeros(1, 1, 2, 2), torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    made = torch.tensor([[[[0.5, 0.1], [9.0, 9.0]]]])
    assert denoising_loss(made, image, foreground).item() == pytest.approx((0.25 + 0.01) / 2)


def test_the_network_is_given_noise_but_must_answer_the_clean_image() -> None:
    seen = []

    class Same(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            seen.append(image)
            return image

    batch = {"image": torch.full((4, 1, 16, 16), 0.5), "foreground": torch.ones(4, 1, 16, 16)}
    loss = DaeRecipe(DaeOptions(noise=0.3, noise_grid=16), ()).losses(Same(), batch)["loss"]
    added = seen[0] - batch["image"]
    assert added.std().item() == pytest.approx(0.3, rel=0.1)
    assert loss.item() == pytest.approx(added.square().mean().item())


def test_unet_keeps_the_size_and_sees_further_than_its_neighbourhood() -> None:
    network = unet(DaeShape(width=4)).eval()
    image = torch.zeros(1, 1, 64, 64, requires_grad=True)
    made = network(image + 0.01 * torch.arange(64.0))
    assert made.shape == (1, 1, 64, 64)
    made[0, 0, 32, 32].backward()
    assert image.grad[0, 0, 32, 2] != 0
