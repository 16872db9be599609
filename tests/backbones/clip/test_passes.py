"""How often blocks run when several look at the same pictures, and that nothing else changes."""

import pytest
import torch
from torch.testing import assert_close

from napari_medad.backbones.clip import passes
from napari_medad.backbones.clip.load import load_clip, shared_clip
from napari_medad.backbones.clip.passes import shared_passes
from napari_medad.backbones.clip.untrained import numbers

LAYERS = (1, 2, 3, 4)
PICTURES = numbers("pictures", (2, 3, 56, 56))


def plain(clip, pictures=PICTURES, how="bicubic"):
    return clip.vision.look(pictures, LAYERS, how)


def by_values(clip):
    return clip.vision.look_by_values(PICTURES, LAYERS, "bilinear", first=1, norm_feature=True)


@pytest.fixture
def runs(tiny):
    """Which blocks ran over all tokens, told by their MLPs."""
    ran = []

    def tell(block):
        def hook(_, inputs, output):
            if output.shape[1] > 1:
                ran.append(block)

        return hook

    blocks = tiny.vision.module.transformer.resblocks
    hooks = [block.mlp.register_forward_hook(tell(i)) for i, block in enumerate(blocks)]
    yield ran
    for hook in hooks:
        hook.remove()


def same(one, other):
    assert_close(one.feature, other.feature)
    for a, b in zip(one.stages, other.stages, strict=True):
        assert_close(a.tokens, b.tokens)


@pytest.mark.parametrize("looks", [(plain, by_values), (by_values, plain), (by_values, by_values)])
def test_a_second_look_at_the_same_pictures_runs_no_block(tiny, runs, looks):
    alone = [look(tiny) for look in looks]
    needed = sorted(set(runs))
    assert len(runs) > len(needed)
    runs.clear()
    with shared_passes():
        together = [look(tiny) for look in looks]
    assert runs == needed
    for one, other in zip(alone, together, strict=True):
        same(one, other)


@pytest.mark.parametrize("prompting", [None, lambda block, x: x + block])
def test_a_feature_alone_spares_the_last_block(tiny, runs, prompting):
    """Nobody asks for the patches after it: it runs for the class token, with the same answer."""
    whole = tiny.vision.look(PICTURES, LAYERS, "bicubic", prompting).feature
    assert runs == [0, 1, 2, 3]
    runs.clear()
    alone = tiny.vision.look(PICTURES, (2,), "bicubic", prompting).feature
    assert runs == [0, 1, 2]
    assert_close(alone, whole)


def test_other_pictures_and_other_positions_are_other_passes(tiny, runs):
    large = numbers("large", (2, 3, 70, 70))
    with shared_passes():
        plain(tiny)
        plain(tiny, PICTURES + 1)
        plain(tiny, large)
        plain(tiny, large, "bilinear")
    assert runs == [0, 1, 2, 3] * 4


def test_a_look_with_prompts_is_its_own(tiny, runs):
    with shared_passes():
        plain(tiny)
        prompted = tiny.vision.look(PICTURES, LAYERS, "bicubic", lambda block, x: x + block)
        again = plain(tiny)
    assert runs == [0, 1, 2, 3] * 2
    same(again, plain(tiny))
    assert not torch.allclose(prompted.feature, again.feature)


def test_no_more_is_kept_than_allowed(tiny, runs, monkeypatch):
    """Room for the tokens of two blocks of four: the others run for each look."""
    tokens, _ = tiny.vision.embed(PICTURES, "bicubic")
    monkeypatch.setattr(passes, "KEPT", 2 * tokens.nbytes)
    with shared_passes():
        first, second = plain(tiny), plain(tiny)
    assert runs == [0, 1, 2, 3, 2, 3]
    same(first, second)


def test_nothing_is_kept_outside(tiny, runs):
    with shared_passes():
        plain(tiny)
    plain(tiny)
    assert runs == [0, 1, 2, 3] * 2


def test_stages_of_a_resnet_are_shared(tiny_pmc):
    ran = []
    hook = tiny_pmc.vision.module.layer3.register_forward_hook(lambda *_: ran.append(3))
    alone = plain(tiny_pmc)
    with shared_passes():
        together = [plain(tiny_pmc), plain(tiny_pmc)]
    hook.remove()
    assert ran == [3, 3]
    same(alone, together[1])


def test_detectors_hold_one_clip():
    def held(**changes):
        asked = {"activation": "gelu", "weights": "", "untrained": True, "device": "cpu"}
        return shared_clip("tiny", **{**asked, "bf16": False, **changes})

    one = held()
    assert held() is one
    assert held(activation="quickgelu") is not one
    assert held(bf16=True) is not one


@pytest.mark.parametrize(("activation", "tolerance"), [("gelu", 1e-6), ("quickgelu", 3e-2)])
def test_matrices_rounded_once_say_what_autocast_says(activation, tolerance):
    """QuickGELU's factor moves into the weights, which rounds elsewhere."""
    clip = load_clip("tiny", activation=activation)
    exact = plain(clip).feature
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        before = plain(clip).feature
        clip.vision.round_matrices()
        after = plain(clip).feature
    assert_close(after, before, atol=tolerance, rtol=0)
    assert (after - exact).abs().max() < 3e-2
