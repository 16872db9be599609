from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from napari_medad.backbones.clip.load import Clip, load_clip
from napari_medad.backbones.clip.prompts import Ensemble
from napari_medad.backbones.clip.untrained import numbers
from napari_medad.detectors.anovl import CARD
from napari_medad.detectors.anovl.adaptation import Start, adaptation_loss, adapted
from napari_medad.detectors.anovl.network import (
    Prompts,
    chances,
    look,
    map_of,
    read_prompts,
    views,
)

ensemble = Ensemble.read(CARD.package).in_domain
GOLDEN = np.load(Path(__file__).with_name("golden.npz"))
"""What the authors' code says with the same weights, images and noise, at 70 pixels."""


@pytest.fixture(scope="module")
def clip() -> Clip:
    return load_clip("tiny", activation="gelu")


@pytest.fixture(scope="module")
def prompts(clip) -> Prompts:
    return read_prompts(clip, ensemble("industrial"), "brain")


def largest(ours, theirs):
    return np.abs(ours.detach().numpy() - theirs).max()


def test_everything_is_as_in_the_authors_code(clip, prompts):
    with torch.no_grad():
        feature, local = look(clip, 2 * numbers("golden", (2, 3, 70, 70)))
        plain = map_of(local.tokens, local.grid, prompts.states, 70)
    (n, joint), m = local.tokens.shape[1:], len(prompts.sentences)
    start = Start(
        numbers("weight", (m, joint)) * joint**-0.5,
        numbers("bias", (m,)) * joint**-0.5,
        lambda step: 0.1 * numbers(f"noise{step}", (n, joint)),
    )
    tokens = adapted(local.tokens, prompts, start, "text", 5, 1e-3)
    maps = map_of(tokens, local.grid, prompts.states, 70)
    assert largest(prompts.states, GOLDEN["states"]) < 1e-4
    assert largest(prompts.sentences[::33], GOLDEN["sentences"]) < 1e-4
    assert largest(plain[:, ::7, ::7], GOLDEN["plain"]) < 1e-5
    assert largest(maps[:, ::7, ::7], GOLDEN["maps"]) < 1e-5
    assert largest(chances(feature, prompts.states)[:, 1], GOLDEN["scores"]) < 1e-5


def test_sentences_of_the_domains():
    normal, abnormal = ensemble("industrial").sentences("brain", "by template")
    assert (len(normal), len(abnormal)) == (462, 462)
    assert normal[0] == "a cropped industrial photo of the normal brain"
    assert "an industrial image of a small brain with damage" in abnormal
    assert "a manufacturing image of the blemished brain for anomaly detection" in abnormal
    medical, _ = ensemble("medical").sentences("brain")
    assert "a medical scan of the normal brain" in medical


@pytest.mark.parametrize("kind", ["text", "linear"])
def test_slices_adapt_alone(prompts, kind):
    """A batch gives what one slice after another does."""
    tokens = numbers("tokens", (3, 16, 64))

    def run(part):
        start = Start.drawn(prompts, 16, kind, seed=3)
        return adapted(part, prompts, start, kind, 3, 1e-2)

    assert_close(run(tokens), torch.cat([run(part) for part in tokens.split(1)]))
    assert not torch.allclose(run(tokens), run(tokens) * 0 + tokens)


def test_adaptation_makes_clean_tokens_more_normal():
    states = torch.eye(64)[:2]
    prompts = Prompts(states, states)
    tokens = numbers("tokens", (1, 16, 64))
    normal = []
    for steps in (0, 20):
        start = Start.drawn(prompts, 16, "linear")
        x = adapted(tokens, prompts, start, "linear", steps, 1e-2)
        normal.append(float(chances(x, states)[..., 0].detach().mean()))
    assert normal[1] > normal[0]


def test_the_adaptation_loss_by_hand():
    clean = torch.tensor([[[0.8, 0.2]]])
    noisy = torch.tensor([[[0.4, 0.6]]])
    entropy = -(0.8 * np.log(0.8) + 0.2 * np.log(0.2))
    pseudo = -np.log(0.6) - np.log(0.8)
    assert_close(float(adaptation_loss(clean, noisy)), entropy + 0.5 * pseudo)


def test_the_map_averages_neighbours_and_repeats_the_border():
    states = torch.eye(2)
    tokens = torch.zeros(1, 9, 2)
    tokens[..., 0] = 1
    tokens[0, 4] = torch.tensor([0.0, 1.0])
    low, high = torch.tensor([1.0, 0.0]).softmax(0)[1], torch.tensor([0.0, 1.0]).softmax(0)[1]
    anomaly = map_of(tokens, (3, 3), states, 3)[0]
    assert_close(anomaly, torch.full((3, 3), float((8 * low + high) / 9)))


def test_there_are_22_views():
    images = numbers("images", (2, 3, 32, 32))
    seen = views(images)
    assert seen.shape == (22, 2, 3, 32, 32)
    assert_close(seen[0], images)
    assert_close(seen[17], images.flip(-1))
    assert_close(seen[20], images.flip(-1).flip(-2))
    assert len({float(view.sum()) for view in seen[:17]}) == 17


def test_own_sentences_speak_of_the_domain_too_if_they_ask_to():
    words = Ensemble.read(CARD.package).changed(templates=("{a} {domain} {medium}, {}", "a {}"))
    assert words.in_domain("medical").templates == (
        "a medical image, {}",
        "a {}",
        "a radiological image, {}",
        "a medical scan, {}",
    )
