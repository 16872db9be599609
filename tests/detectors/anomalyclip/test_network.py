from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from napari_medad.backbones.clip.load import Clip, load_clip
from napari_medad.backbones.clip.pictures import smoothed
from napari_medad.backbones.clip.untrained import fill, numbers
from napari_medad.detectors.anomalyclip.losses import image_loss, pixel_loss
from napari_medad.detectors.anomalyclip.network import AnomalyClip, enlarged, first_by_values

GOLDEN = np.load(Path(__file__).with_name("golden.npz"))
"""What the authors' code (July 2025) says with the same weights and images, at 70 pixels."""


@pytest.fixture(scope="module")
def clip() -> Clip:
    return load_clip("tiny", activation="quickgelu")


@pytest.fixture(scope="module")
def network(clip) -> AnomalyClip:
    network = AnomalyClip(clip.shape, depth=3)
    fill(network, "anomalyclip.")
    network.bind(clip)
    return network


def test_everything_is_as_in_the_authors_code(network, clip):
    images = 2 * numbers("golden", (2, 3, 70, 70))
    with torch.inference_mode():
        text = network.text(clip)
        output = network(clip, images, (1, 2, 3, 4), text)
        maps = torch.stack([enlarged(m, 70)[:, 1] for m in output.maps]).sum(0)
    assert np.abs(text.numpy() - GOLDEN["text"]).max() < 1e-4
    assert np.abs(smoothed(maps, 4.0).numpy()[:, ::7, ::7] - GOLDEN["maps"]).max() < 1e-4
    assert np.abs(output.logits.softmax(-1)[:, 1].numpy() - GOLDEN["scores"]).max() < 1e-4


def test_five_of_24_blocks_come_before_the_values(clip):
    assert first_by_values(clip.shape.model_copy(update={"depth": 24})) == 5


def test_only_the_prompts_learn(network, clip):
    network.requires_grad_(True)
    images = numbers("golden", (1, 3, 56, 56))
    output = network(clip, images, (4,))
    pixel_loss(enlarged(output.maps[0], 56), torch.zeros(1, 56, 56)).backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())
    assert all(p.grad is None for p in clip.vision.module.parameters())


def test_the_clip_it_was_learned_for_is_known_again(network, clip):
    assert network.fits(clip)
    assert not network.fits(load_clip("tiny-pmc"))


@pytest.mark.parametrize("name", ["tiny-pmc", "tiny-biomed"])
def test_other_clips_answer_too(name):
    clip = load_clip(name)
    network = AnomalyClip(clip.shape, depth=2)
    output = network(clip, numbers("golden", (2, 3, 64, 64)), clip.shape.quarters())
    assert output.logits.shape == (2, 2)
    assert all(m.shape[:2] == (2, 2) for m in output.maps)
    assert_close(output.maps[-1].sum(1), torch.ones_like(output.maps[-1][:, 0]))


def test_losses_by_hand():
    """One abnormal pixel of P = 0.8: focal 0.2^2 ln 1.25, Dice 1 - 2.6/2.8 and 1 - 1/1.2."""
    maps = torch.tensor([0.2, 0.8]).reshape(1, 2, 1, 1)
    loss = pixel_loss(maps, torch.ones(1, 1, 1))
    expected = 0.04 * np.log(1.25) + (1 - 2.6 / 2.8) + (1 - 1 / 1.2)
    assert_close(float(loss), expected, atol=1e-4, rtol=0)
    assert_close(
        float(image_loss(torch.zeros(1, 2), torch.ones(1).long())), np.log(2), atol=1e-6, rtol=0
    )
