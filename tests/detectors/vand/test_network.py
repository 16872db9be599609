from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from napari_medad.backbones.clip.load import Clip, load_clip
from napari_medad.backbones.clip.prompts import Ensemble
from napari_medad.backbones.clip.untrained import fill, numbers
from napari_medad.backbones.clip.vision import Stage
from napari_medad.detectors.clip_memory import Memory
from napari_medad.detectors.vand import CARD
from napari_medad.detectors.vand.losses import pixel_loss
from napari_medad.detectors.vand.network import POSITIONS, Vand, probabilities, prompt_features

GOLDEN = np.load(Path(__file__).with_name("golden.npz"))
"""What the authors' code says with the same weights and images, at 70 pixels, object 'brain'."""


@pytest.fixture(scope="module")
def clip() -> Clip:
    return load_clip("tiny", activation="gelu")


def test_everything_is_as_in_the_authors_code(clip):
    network = Vand(clip.shape)
    fill(network, "vand.")
    images, normal = (2 * numbers(name, (2, 3, 70, 70)) for name in ("golden", "reference"))
    with torch.inference_mode():
        text = prompt_features(clip, Ensemble.read(CARD.package), "brain")
        output = network(clip, images, text)
        maps = torch.stack([probabilities(m, 70)[:, 1] for m in output.maps]).sum(0)
        memory = Memory.of([clip.vision.look(normal, (1, 2, 3, 4), POSITIONS).stages])
        distance = memory.distance(output.stages, 70)
    assert np.abs(text.numpy() - GOLDEN["text"]).max() < 1e-4
    assert np.abs(maps.numpy()[:, ::7, ::7] - GOLDEN["maps"]).max() < 1e-4
    assert np.abs(distance.numpy()[:, ::7, ::7] - GOLDEN["few"]).max() < 1e-4
    assert np.abs(output.logits.softmax(-1)[:, 1].numpy() - GOLDEN["scores"]).max() < 1e-4


def test_there_are_245_normal_and_175_abnormal_prompts():
    normal, abnormal = Ensemble.read(CARD.package).sentences("brain")
    assert (len(normal), len(abnormal)) == (245, 175)
    assert normal[35] == "a bad photo of a flawless brain."


@pytest.mark.parametrize("name", ["tiny-pmc", "tiny-biomed"])
def test_other_clips_answer_too(name):
    clip = load_clip(name)
    network = Vand(clip.shape)
    text = torch.nn.functional.normalize(torch.randn(2, clip.shape.joint), dim=-1)
    output = network(clip, numbers("golden", (2, 3, 64, 64)), text)
    assert [m.shape[:2] for m in output.maps] == [(2, 2)] * 4


def test_a_remembered_patch_is_at_no_distance_and_an_opposite_one_at_two():
    one = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [0.0, 1.0], [3.0, 0.0]]])
    memory = Memory.of([[Stage(one, (2, 2))]])
    seen = torch.tensor([[[5.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, -1.0]]])
    distance = memory.distance([Stage(seen, (2, 2))], 2)
    half = 0.5**0.5
    assert_close(distance, torch.tensor([[[0.0, 0.0], [1 - half, 1 + half]]]))


def test_the_loss_by_hand():
    """One abnormal pixel of P = 0.8: focal 0.2^2 ln 1.25, Dice 1 - 2.6/2.8; no normal channel."""
    maps = torch.tensor([0.2, 0.8]).reshape(1, 2, 1, 1)
    expected = 0.04 * np.log(1.25) + (1 - 2.6 / 2.8)
    assert_close(float(pixel_loss(maps, torch.ones(1, 1, 1))), expected, atol=1e-4, rtol=0)
