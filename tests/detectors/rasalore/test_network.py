"""Sizes as published, and the same numbers as the authors' modules with the same weights."""

import pytest
import torch
from torch import Tensor

from napari_medad.detectors.rasalore.network import Rasalore, random_embedding


def test_parameter_counts_are_the_published_ones() -> None:
    def count(network: Rasalore) -> int:
        return sum(p.numel() for p in network.parameters())

    assert count(Rasalore()) == 7_254_370
    assert count(Rasalore(modalities=("t1n", "t1c", "t2w", "t2f"))) == 13_680_613


def test_reference_embedding_repeats_itself_and_ours_does_not() -> None:
    for kind, distinct in (("reference", 256), ("fixed", 1024)):
        draw = random_embedding(32, 256, kind, torch.Generator().manual_seed(1)).double()
        near = torch.cdist(draw, draw) < 0.1
        assert len(torch.unique(near, dim=0)) == distinct
    reference = random_embedding(32, 256, "reference", torch.Generator().manual_seed(1))
    grid = reference.view(32, 32, 256)
    assert torch.allclose(grid[3, 5], grid[19, 21], atol=1e-3)


def test_maps_equal_those_of_the_authors_modules(published: Rasalore) -> None:
    """The expected numbers come from the authors' modules, run once with `fill`'s weights."""
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    waves = (127 + 100 * torch.sin(x / 9) * torch.cos(y / 13)).floor()
    with torch.inference_mode():
        output = published(torch.stack([waves, (2 * y).clamp(max=255)])[:, None])
    assert output.logits.shape == (2, 1, 256, 256)
    close(output.logits[0, 0, ::85, ::85], LOGITS)
    close(output.activations[:, ::341], ACTIVATIONS)
    close(output.embedding[0, ::341, ::85], EMBEDDING)


def close(found: Tensor, expected: list[float]) -> None:
    assert found.flatten().tolist() == pytest.approx(expected, abs=1e-4)


LOGITS = [
    *(-0.14038, -0.05616, -0.19455, 0.05875, -0.17591, 0.63944, -0.38831, 0.01716),
    *(0.23491, 0.00866, 0.0311, -0.00713, -0.01427, 0.08644, 0.14982, -0.09461),
]
ACTIVATIONS = [0.144947, 0.265284, 0.158279, 0.546683, 0.144061, 0.250247, 0.1558, 0.544418]
EMBEDDING = [
    *(1.76551, 1.4282, 0.68814, 0.71262, 1.06868, 2.34236, -1.2393, 0.08971),
    *(2.69587, 0.49729, 0.67297, 0.06872, 2.17092, 0.71585, -1.23993, 0.70628),
]


def test_only_the_unet_sees_far() -> None:
    def reaches(kind: str) -> bool:
        torch.manual_seed(0)
        network = Rasalore(width=4, side=8, encoder_kind=kind, scaled=True).eval()
        image = torch.full((1, 1, 128, 128), 90.0)
        changed = image.clone()
        changed[..., 60:68] = 255
        (_, before), (_, after) = network.encoder(image), network.encoder(changed)
        assert before.shape == (1, 32, 64, 64)
        return bool((before - after)[..., :8].any())

    assert reaches("unet")
    assert not reaches("code")


def test_branches_share_encoder_and_decoder_but_not_points() -> None:
    network = Rasalore(width=2, side=8, modalities=("t1n", "t2f")).eval()
    image = torch.rand(1, 1, 128, 128) * 255
    first, second = network(image, 0), network(image, 1)
    assert not torch.allclose(first.embedding, second.embedding)
    assert first.logits.shape == second.logits.shape == (1, 1, 256, 256)
