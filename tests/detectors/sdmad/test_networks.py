"""The adapters: where they act, and MVFA against its authors' code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from napari_medad.backbones.clip.catalogue import backbone
from napari_medad.backbones.clip.load import Clip, load_clip
from napari_medad.backbones.clip.text_cache import text_features
from napari_medad.backbones.clip.untrained import fill, numbers
from napari_medad.detectors.clip_memory import Memory
from napari_medad.detectors.sdmad.mvfa import Mvfa, abnormal_maps, category_maps, image_chance
from napari_medad.detectors.sdmad.network import POSITIONS, Sentences, ShiftAdapters
from napari_medad.detectors.sdmad.text import prompt_features
from napari_medad.errors import MedadError

GOLDEN = np.load(Path(__file__).with_name("golden.npz"))
TEXTS = ["a bright lesion", "a normal brain"]


@pytest.fixture(scope="module")
def clip() -> Clip:
    return load_clip("tiny", activation="gelu", untrained=True)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return (numbers("golden", (2, 3, 56, 56)) + 1) / 2


def shifted(clip: Clip, images: torch.Tensor, **options) -> tuple[torch.Tensor, torch.Tensor]:
    network = ShiftAdapters(clip.shape, (), 16, **options)
    fill(network, "sdmad.")
    with torch.no_grad():
        feature = network.feature(clip, network.begin(clip, images))
        return feature, network.sentences(clip, Sentences.read(clip, TEXTS))


def test_with_lambda_one_both_encoders_are_clips_own(clip, images) -> None:
    feature, text = shifted(clip, images, keep=1.0)
    with torch.no_grad():
        plain = clip.vision.look(images, (), POSITIONS).feature
    assert_close(feature, F.normalize(plain, dim=-1))
    assert_close(text, F.normalize(text_features(clip, TEXTS), dim=-1))


def test_lambda_moves_both_encoders(clip, images) -> None:
    own, text = shifted(clip, images, keep=1.0)
    angles = []
    for keep in (0.9, 0.5):
        feature, moved = shifted(clip, images, keep=keep)
        angles.append([float((own * feature).sum(1).mean()), float((text * moved).sum(1).mean())])
    assert np.all(np.array(angles[0]) < 1 - 1e-5)
    assert np.all(np.array(angles[1]) < np.array(angles[0]))


def test_the_shift_adapter_reads_the_layers_input(clip, images) -> None:
    network = ShiftAdapters(clip.shape, (2,), 16, keep=0.25)
    fill(network, "sdmad.")
    seen = []
    network.image[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        tokens = network.begin(clip, images)
        network.feature(clip, tokens)
        before, _ = clip.vision.begin(images, POSITIONS, 1)
    assert network.first == 1
    assert_close(tokens, before)
    assert_close(seen[0], before)


def test_text_before_the_last_block_goes_on_to_the_same_features(clip) -> None:
    read = Sentences.read(clip, TEXTS)
    with torch.no_grad():
        features = clip.text.last(*read, lambda block, before, after: after)
    assert_close(features, clip.text.features(TEXTS))


def test_a_bert_goes_on_to_the_same_features() -> None:
    pytest.importorskip("transformers")
    biomed = load_clip("tiny-biomed", untrained=True)
    read = Sentences.read(biomed, TEXTS)
    with torch.no_grad():
        features = biomed.text.last(*read, lambda block, before, after: after)
    assert_close(features, biomed.text.features(TEXTS))


def test_mvfa_equals_its_authors_code(clip, images) -> None:
    """Maps and scores of their modules with the same random weights, every fifth pixel."""
    network = Mvfa(clip.shape, ()).eval()
    fill(network, "sdmad.")
    normal = (numbers("reference", (2, 3, 56, 56)) + 1) / 2
    with torch.no_grad():
        said = network(clip, *network.begin(clip, images))
        text = prompt_features(clip, "brain")
        seg, det = said.patches(said.seg), said.patches(said.det)
        maps = abnormal_maps(seg, text, 56)[:, :, 1].sum(0)
        bank = Memory.of([network(clip, *network.begin(clip, normal)).whole()]).banks
        near = Memory(bank[:4], 2).distance(seg, 56)
        far = Memory(bank[4:], 2).distance(det, 56).mean((1, 2))
    assert_close(text.numpy(), GOLDEN["text"], atol=1e-5, rtol=0)
    assert_close(said.feature.numpy(), GOLDEN["feature"], atol=1e-5, rtol=0)
    assert_close(maps[:, ::5, ::5].numpy(), GOLDEN["map"], atol=1e-4, rtol=0)
    assert_close(near[:, ::5, ::5].numpy(), GOLDEN["few"], atol=1e-5, rtol=0)
    assert_close(image_chance(det, text).sum(0).numpy(), GOLDEN["det"], atol=1e-5, rtol=0)
    assert_close(far.numpy(), GOLDEN["fewdet"], atol=1e-5, rtol=0)


def test_the_bank_holds_unit_tokens_of_normal_images_spread_evenly(clip, images) -> None:
    network = Mvfa(clip.shape, (), bank_patches=6).eval()
    fill(network, "sdmad.")
    with torch.no_grad():
        said = network(clip, *network.begin(clip, images))
        network.remember([said])
    tokens = F.normalize(said.seg[0].flatten(0, 1), dim=-1)  # 2 x (1 + 16) tokens
    assert network.bank.shape == (8, 6, clip.shape.joint)
    chosen = torch.linspace(0, len(tokens) - 1, 6).round().long()
    assert_close(network.bank[0].float(), tokens[chosen], atol=1e-3, rtol=0)


def test_few_normal_tokens_fill_the_bank_again_and_again(clip, images) -> None:
    network = Mvfa(clip.shape, (), bank_patches=40).eval()
    with torch.no_grad():
        network.remember([network(clip, *network.begin(clip, images))])
    assert_close(network.bank[:, :6], network.bank[:, 34:])


def test_category_maps_tell_which_sign_a_patch_is_like() -> None:
    from napari_medad.backbones.clip.vision import Stage

    axes = torch.eye(4)
    tokens = torch.stack([axes[0], axes[1], axes[2], axes[3]])[None]  # 2 x 2 patches
    maps = category_maps(
        [Stage(tokens, (2, 2))],
        axes[[0, 1]],
        axes[3],
        torch.tensor([0, 1]),
        torch.ones(2, dtype=torch.bool),
        2,
        2,
    )[0]
    assert_close(maps[0], torch.tensor([[1.0, 0.0], [1 / 3, 0.0]]), atol=1e-6, rtol=0)
    assert_close(maps[1], torch.tensor([[0.0, 1.0], [1 / 3, 0.0]]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("layers", [(0,), (1, 9)])
def test_layers_that_are_not_there_are_refused(clip, layers) -> None:
    with pytest.raises(MedadError, match=f"no layer {layers[-1]} to adapt; .* 1 to 4"):
        ShiftAdapters(clip.shape, layers)


def test_a_resnet_is_refused() -> None:
    with pytest.raises(MedadError, match="this CLIP is a ResNet"):
        ShiftAdapters(backbone("tiny-pmc").shape, ())
