from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from napari_medad.backbones.clip.load import Clip, load_clip
from napari_medad.backbones.clip.prompts import Ensemble
from napari_medad.backbones.clip.untrained import fill, numbers
from napari_medad.detectors.adaclip import CARD
from napari_medad.detectors.adaclip.fusion import fused
from napari_medad.detectors.adaclip.losses import image_loss, pixel_loss
from napari_medad.detectors.adaclip.network import (
    AdaClip,
    Output,
    Sentences,
    image_chances,
    map_of,
)

GOLDEN = np.load(Path(__file__).with_name("golden.npz"))
"""What the authors' code says with the same weights and images, at 70 pixels, object 'brain'."""


def sentences(clip: Clip) -> Sentences:
    sides = Ensemble.read(CARD.package).sentences("brain")
    return Sentences(*(clip.text.tokens(side) for side in sides))


@pytest.fixture(scope="module")
def output() -> Output:
    clip = load_clip("tiny", activation="gelu")
    network = AdaClip(clip.shape)
    fill(network, "adaclip.")
    with torch.inference_mode():
        return network(clip, 2 * numbers("golden", (2, 3, 70, 70)), sentences(clip))


def largest(ours, theirs):
    return np.abs(ours.numpy() - theirs).max()


def test_everything_is_as_in_the_authors_code(output):
    """Theirs sees one image at a time, ours both at once."""
    assert largest(output.text, GOLDEN["text"]) < 1e-4
    assert largest(map_of(output.maps, 70)[:, ::7, ::7], GOLDEN["maps"]) < 1e-4
    plain = image_chances(output.feature, output.text)[:, 1]
    assert largest(plain, GOLDEN["scores"]) < 1e-4
    clustered = image_chances(fused(output, 20, "code"), output.text)[:, 1]
    assert largest(clustered, GOLDEN["fused"]) < 1e-4


def test_there_are_28_normal_and_20_abnormal_prompts():
    normal, abnormal = Ensemble.read(CARD.package).sentences("brain")
    assert (len(normal), len(abnormal)) == (28, 20)


def test_fusion_is_the_same_every_time(output):
    for variant in ("code", "paper"):
        assert torch.equal(fused(output, 5, variant), fused(output, 5, variant))
    assert not torch.allclose(fused(output, 5, "code"), fused(output, 5, "paper"))
    assert torch.equal(fused(output, 5, "none"), output.feature)


def by_hand(tokens, logits) -> Output:
    """One stage of four patches with two channels; the class token points along the first."""
    stage = torch.tensor([tokens])
    maps = torch.tensor([[[0.0] * 4, logits]]).reshape(1, 2, 2, 2)
    return Output(torch.eye(2)[None], torch.tensor([[1.0, 0.0]]), [stage], [maps])


def test_the_worst_cluster_by_hand():
    """Two patches along the second channel are the anomalous ones."""
    tokens = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    feature = fused(by_hand(tokens, [-1.0, -1.0, 1.0, 1.0]), 2, "paper")
    assert_close(feature, torch.tensor([[0.8, 0.2]]) / 0.68**0.5)


def test_the_mean_of_clusters_by_hand():
    """Of three patches and one, the cluster's means count alike: half and half."""
    tokens = [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    feature = fused(by_hand(tokens, [1.0] * 4), 2, "code")
    half = 0.2 * 0.5**0.5
    expected = torch.tensor([[0.8 + half, half]])
    assert_close(feature, expected / expected.norm())


def test_equal_patches_make_fewer_clusters():
    output = by_hand([[1.0, 0.0]] * 4, [1.0] * 4)
    assert_close(fused(output, 20, "code"), torch.tensor([[1.0, 0.0]]))


@pytest.mark.parametrize("name", ["tiny-pmc", "tiny-biomed"])
def test_other_clips_answer_too(name):
    clip = load_clip(name)
    network = AdaClip(clip.shape, depth=2)
    output = network(clip, numbers("golden", (2, 3, 64, 64)), sentences(clip))
    assert [m.shape[:2] for m in output.maps] == [(2, 2)] * 4
    assert fused(output, 3, "code").shape == (2, clip.shape.joint)


def test_everything_learned_gets_a_gradient_but_the_first_static_words():
    clip = load_clip("tiny")
    network = AdaClip(clip.shape)
    output = network(clip, numbers("golden", (1, 3, 56, 56)), sentences(clip))
    chances = image_chances(output.feature, output.text)
    loss = image_loss(chances, torch.ones(1).long()) + sum(m.square().mean() for m in output.maps)
    loss.backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())
    assert not network.text_static.grad[0].any()
    assert network.text_static.grad[1].any()


def test_losses_by_hand():
    """One abnormal pixel of P = 0.8: focal 0.2^2 ln 1.25, Dice 1 - 2.6/2.8 and 1 - 1/1.2."""
    maps = torch.tensor([0.2, 0.8]).reshape(1, 2, 1, 1)
    focal = 0.04 * np.log(1.25)
    expected = focal + (1 - 2.6 / 2.8) + (1 - 1 / 1.2)
    assert_close(float(pixel_loss(maps, torch.ones(1, 1, 1))), expected, atol=1e-4, rtol=0)
    image = image_loss(torch.tensor([[0.2, 0.8]]), torch.tensor([1]))
    assert_close(float(image), focal, atol=1e-4, rtol=0)
