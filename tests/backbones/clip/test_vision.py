import pytest
import torch
from open_clip.model import resize_pos_embed
from torch.testing import assert_close

from napari_medad.backbones.clip.positions import resized_positions
from napari_medad.backbones.clip.untrained import numbers
from napari_medad.backbones.clip.vision import whole

LAYERS = (1, 2, 3, 4)


def images(size):
    return numbers("images", (2, 3, size, size))


def test_tokens_are_what_open_clip_says_itself(tiny):
    seen = tiny.vision.look(images(56), LAYERS, "bicubic")
    theirs = tiny.vision.module.forward_intermediates(
        images(56), indices=[0, 1, 2, 3], output_fmt="NLC"
    )
    for stage, expected in zip(seen.stages, theirs["image_intermediates"]):
        assert stage.grid == (4, 4)
        assert_close(stage.tokens, expected)
    assert_close(seen.feature, tiny.vision.module(images(56)))


def test_tokens_of_a_timm_tower_are_what_it_says_itself(tiny_biomed):
    seen = tiny_biomed.vision.look(images(64), (2, 4), "bicubic")
    trunk = tiny_biomed.vision.module.trunk
    theirs = trunk.forward_intermediates(images(64), indices=[1, 3], output_fmt="NLC", norm=False)
    for stage, expected in zip(seen.stages, theirs[1]):
        assert_close(stage.tokens, expected)
    assert_close(seen.feature, tiny_biomed.vision.module.head(trunk(images(64))))


def test_stages_of_a_resnet_are_what_it_says_itself(tiny_pmc):
    seen = tiny_pmc.vision.look(images(64), LAYERS, "bicubic")
    theirs = tiny_pmc.vision.module.forward_intermediates(images(64), indices=[1, 2, 3, 4])
    for stage, expected in zip(seen.stages, theirs["image_intermediates"]):
        assert_close(stage.tokens, expected.flatten(2).transpose(1, 2))
        assert stage.tokens.shape[-1] == expected.shape[1]
    assert_close(seen.feature, theirs["image_features"])


def test_a_resnet_reads_other_sizes_than_its_own(tiny_pmc):
    seen = tiny_pmc.vision.look(images(96), LAYERS, "bicubic")
    assert [stage.grid for stage in seen.stages] == [(24, 24), (12, 12), (6, 6), (3, 3)]


@pytest.mark.parametrize("first", [0, 2])
@pytest.mark.parametrize("name", ["tiny", "tiny_biomed"])
def test_values_attend_to_values(name, first, request):
    """Against attention written out head by head."""
    vision = request.getfixturevalue(name).vision
    size = 56 if name == "tiny" else 64
    seen = vision.look_by_values(images(size), LAYERS, "bicubic", first=first, norm_feature=True)
    h, _ = vision.embed(images(size), "bicubic")
    p = h
    for number, block in enumerate(vision.blocks):
        if number >= first:
            values = block.qkv(h).chunk(3, -1)[2].chunk(block.heads, -1)
            heads = [
                torch.softmax(v @ v.transpose(1, 2) / v.shape[-1] ** 0.5, -1) @ v for v in values
            ]
            p = p + block.out(torch.cat(heads, -1))
        h = whole(block, h)
        p = h if number < first else p
        local = seen.stages[number].tokens
        assert_close(local, vision.project(p[:, 1:]), atol=1e-4, rtol=1e-4)
    assert_close(seen.feature, vision.project(h[:, 0]), atol=1e-4, rtol=1e-4)


def test_the_feature_can_skip_the_last_norm(tiny):
    plain = tiny.vision.look_by_values(images(56), (4,), "bicubic", first=1, norm_feature=False)
    normed = tiny.vision.look_by_values(images(56), (4,), "bicubic", first=1, norm_feature=True)
    assert not torch.allclose(plain.feature, normed.feature)
    assert_close(plain.stages[0].tokens, normed.stages[0].tokens)


def test_prompts_reach_every_block_and_are_not_among_the_patches(tiny):
    def prompting(block, x):
        extra = torch.full((len(x), 3, x.shape[2]), float(block + 1))
        return torch.cat([x if block == 0 else x[:, :-3], extra], 1)

    seen = tiny.vision.look(images(56), (1, 4), "bicubic", prompting)
    plain = tiny.vision.look(images(56), (1, 4), "bicubic")
    assert [s.tokens.shape[1] for s in seen.stages] == [16, 16]
    assert not torch.allclose(seen.feature, plain.feature)


def test_positions_enlarge_as_open_clip_does(tiny):
    held = {"visual.positional_embedding": numbers("positions", (17, 8))}
    ours = resized_positions(held["visual.positional_embedding"], (7, 7), "bicubic-antialias")

    class Visual:
        grid_size = (7, 7)

    class Model:
        visual = Visual()

    resize_pos_embed(held, Model())
    assert_close(ours, held["visual.positional_embedding"])


def test_bilinear_positions_by_hand():
    table = torch.tensor([[9.0], [0.0], [1.0], [2.0], [3.0]])
    ours = resized_positions(table, (2, 4), "bilinear")[:, 0]
    # Half-pixel centres: 0, 0.25, 0.75, 1 of the way from left to right.
    assert_close(ours, torch.tensor([9.0, 0, 0.25, 0.75, 1, 2, 2.25, 2.75, 3]))


def test_positions_of_the_native_grid_are_untouched():
    table = numbers("positions", (17, 8))
    assert resized_positions(table, (4, 4), "bilinear") is table


def test_a_size_beyond_whole_patches_is_read_without_its_rest(tiny):
    """60 pixels hold four patches of 14; what lies beyond changes nothing."""
    inner = images(60).clone()
    inner[..., 56:, :] = 5
    inner[..., 56:] = 5
    a = tiny.vision.look(images(60), (4,), "bicubic").feature
    assert_close(a, tiny.vision.look(inner, (4,), "bicubic").feature)
