"""The networks of the heads: shapes worked out by hand, and what they take over from brat."""

from __future__ import annotations

import pytest
import torch

from napari_medad.detectors.brat.heads import Classifier, Outliner, stage_widths
from napari_medad.detectors.brat.network import Brat
from napari_medad.detectors.brat.settings import BratShape
from napari_medad.errors import MedadError

TINY = BratShape(
    backbone="small", depth=32, side=64, queries=4, width=16, layers=2, heads=2, feed_forward=16,
    embedding=8, vocabulary=20, positions=32, classes=("a", "b", "c"),
)  # fmt: skip


def shaped(**changes: object) -> BratShape:
    return TINY.model_copy(update=changes)


def test_the_stages_have_the_published_widths() -> None:
    assert stage_widths(BratShape(backbone="densenet121")) == (64, 256, 512, 1024, 1024)
    assert stage_widths(BratShape(backbone="densenet169")) == (64, 256, 512, 1280, 1664)
    network = Outliner(TINY).eval()
    with torch.inference_mode():
        stages = network.visual_encoder.stages(torch.rand(1, 1, 32, 64, 64))
    assert tuple(stage.shape[1] for stage in stages) == stage_widths(TINY)
    assert [tuple(s.shape[2:]) for s in stages] == [
        (16, 32, 32), (8, 16, 16), (4, 8, 8), (2, 4, 4), (1, 2, 2)
    ]  # fmt: skip


def test_the_outline_has_the_images_voxels() -> None:
    network = Outliner(shaped(modalities=("t1c", "t2f"))).eval()
    with torch.inference_mode():
        assert network(torch.rand(2, 2, 32, 64, 64)).shape == (2, 1, 32, 64, 64)


@pytest.mark.parametrize(("features", "width"), [("vision", 32), ("views", 16)])
def test_the_classifier_is_two_layers_over_the_mean(features: str, width: int) -> None:
    network = Classifier(shaped(features=features)).eval()
    assert [tuple(layer.weight.shape) for layer in (network.head[0], network.head[2])] == [
        (256, width), (3, 256)
    ]  # fmt: skip
    with torch.inference_mode():
        seen = network.see(torch.rand(2, 1, 32, 64, 64))
        logits = network.judge(seen.tokens)
    assert seen.tokens.shape == (2, 4, 32)
    assert logits.shape == (2, 3)
    if features == "vision":
        by_hand = network.head[2](network.head[0](seen.tokens.sum(1) / 4).clamp(min=0))
        torch.testing.assert_close(logits, by_hand)


def test_the_mean_of_the_views_is_that_of_brat() -> None:
    torch.manual_seed(0)
    brat, network = Brat(TINY).eval(), Classifier(shaped(features="views")).eval()
    network.take_over(brat)
    image = torch.rand(1, 1, 32, 64, 64)
    with torch.inference_mode():
        expected = network.head(brat.views(image).states.mean(dim=1))
        torch.testing.assert_close(network(image), expected)


@pytest.mark.parametrize("kind", [Classifier, Outliner])
def test_everything_but_the_head_is_taken_over_and_can_be_frozen(kind) -> None:
    brat, network = Brat(TINY), kind(TINY)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network.take_over(brat)
    given = brat.state_dict()
    for key, value in network.state_dict().items():
        expected = before[key] if key.split(".")[0] in kind.own else given[key]
        torch.testing.assert_close(value, expected, msg=key)
    network.freeze()
    assert {n.split(".")[0] for n, p in network.named_parameters() if p.requires_grad} == set(
        kind.own
    )
    network(torch.rand(2, 1, 32, 64, 64)).sum().backward()
    for key, value in network.visual_encoder.state_dict().items():
        torch.testing.assert_close(value, given[f"visual_encoder.{key}"], msg=key)


def test_a_segmentation_needs_a_densenet_and_whole_cells() -> None:
    with pytest.raises(MedadError, match="stands on a DenseNet, not on resnet50"):
        Outliner(shaped(backbone="resnet50"))
    with pytest.raises(MedadError, match="multiples of 32, not 32 and 80"):
        Outliner(shaped(side=80))
