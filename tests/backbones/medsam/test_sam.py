"""Prompts in the slice's pixels, and tensors under both libraries' names."""

import numpy as np
import pytest
import torch

from napari_medad.backbones.medsam.convert import from_segment_anything
from napari_medad.backbones.medsam.prompts import Box, Points, box_of, points_in
from napari_medad.backbones.medsam.sam import Sam, load_sam, small_config
from napari_medad.detectors.add_weights import add_weights
from napari_medad.detectors.registry import card, load_detector
from napari_medad.errors import MedadError

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def sam() -> Sam:
    torch.manual_seed(0)
    return Sam(load_sam(None))


def test_box_is_tight_before_its_margin_and_stays_in_the_slice() -> None:
    mask = np.zeros((240, 200), bool)
    mask[50:60, 5:30] = True
    assert box_of(mask, 0) == Box(5, 50, 30, 60)
    assert box_of(mask, 10) == Box(0, 40, 40, 70)
    assert box_of(np.zeros((5, 5), bool)) is None


def test_box_is_scaled_by_each_side_of_an_oblong_slice() -> None:
    assert Box(50, 24, 100, 120).scaled((240, 200), 1024) == pytest.approx([256, 102.4, 512, 512])
    points = Points(np.array([[100.0, 60.0]]), np.array([True]))
    assert points.scaled((240, 200), 1024).tolist() == [[512, 256]]


def test_points_lie_in_their_box_and_are_the_same_again() -> None:
    box = Box(10, 20, 30, 25)
    points = points_in(box, 50, np.random.default_rng(1))
    assert points.inside.all()
    assert (points.xy >= (10, 20)).all()
    assert (points.xy <= (30, 25)).all()
    assert np.array_equal(points.xy, points_in(box, 50, np.random.default_rng(1)).xy)


def test_answers_are_probabilities_on_the_slice(sam) -> None:
    grey = np.random.default_rng(0).integers(0, 255, (50, 70)).astype(np.uint8)
    sam.look(grey)
    box = sam.ask(box=Box(10, 10, 40, 30))
    points = sam.ask(points=Points(np.array([[20.0, 20.0], [60, 5]]), np.array([True, False])))
    assert box.shape == points.shape == (50, 70)
    assert 0 <= box.min() < box.max() <= 1
    assert not np.array_equal(box, points)


def test_the_models_picture_is_its_minimum_to_maximum(sam, monkeypatch) -> None:
    seen = {}
    encode = sam.model.get_image_embeddings
    monkeypatch.setattr(sam.model, "get_image_embeddings", lambda p: seen.update(p=p) or encode(p))
    ramp = np.tile(np.linspace(50, 200, 64).astype(np.uint8), (64, 1))
    sam.look(ramp)
    picture = seen["p"]
    assert picture.shape == (1, 3, 64, 64)
    assert picture.min() == 0
    assert picture.max() == 1
    assert torch.equal(picture[:, 0], picture[:, 2])


def test_without_a_slice_or_a_prompt_it_asks_for_one() -> None:
    with pytest.raises(MedadError, match="draw one"):
        Sam(load_sam(None)).ask(box=Box(0, 0, 1, 1))


def original_name(key: str) -> str:
    """What segment-anything calls a tensor, written the other way round."""
    for ours, theirs in (
        ("vision_encoder.layers", "image_encoder.blocks"),
        ("vision_encoder.", "image_encoder."),
        ("patch_embed.projection", "patch_embed.proj"),
        ("neck.conv1", "neck.0"),
        ("neck.layer_norm1", "neck.1"),
        ("neck.conv2", "neck.2"),
        ("neck.layer_norm2", "neck.3"),
        ("mask_embed.conv1", "mask_downscaling.0"),
        ("mask_embed.layer_norm1", "mask_downscaling.1"),
        ("mask_embed.conv2", "mask_downscaling.3"),
        ("mask_embed.layer_norm2", "mask_downscaling.4"),
        ("mask_embed.conv3", "mask_downscaling.6"),
        (".point_embed.", ".point_embeddings."),
        ("layer_norm_final_attn", "norm_final_attn"),
        ("upscale_conv1", "output_upscaling.0"),
        ("upscale_layer_norm", "output_upscaling.1"),
        ("upscale_conv2", "output_upscaling.3"),
        ("layer_norm", "norm"),
    ):
        key = key.replace(ours, theirs)
    if "hypernetworks" in key or "prediction_head" in key:
        key = key.replace("layers.0", "layers.1")
        key = key.replace("proj_in", "layers.0").replace("proj_out", "layers.2")
    return key


def test_medsams_own_file_loads(tmp_path, monkeypatch) -> None:
    import transformers

    torch.manual_seed(3)
    config = small_config()
    monkeypatch.setattr(transformers, "SamConfig", lambda: config)
    source = transformers.SamModel(config)
    tensors = {
        "module." + original_name(k): v
        for k, v in source.state_dict().items()
        if not k.endswith("positional_embedding")
    }
    position = source.shared_image_embedding.positional_embedding
    tensors["module.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"] = position
    torch.save({"model": tensors, "epoch": 3}, tmp_path / "medsam_vit_b.pth")
    loaded = load_sam(tmp_path / "medsam_vit_b.pth").state_dict()
    assert all(torch.equal(loaded[k], v) for k, v in source.state_dict().items())
    add_weights("medsam+ddpt", tmp_path / "medsam_vit_b.pth")
    detector = load_detector("medsam+ddpt", device="cpu")
    assert detector.weights.name == "medsam_vit_b"
    again = detector.network.state_dict()
    assert all(torch.equal(again[k], v) for k, v in source.state_dict().items())


def test_the_other_generations_file_is_not_added() -> None:
    with pytest.raises(MedadError, match="generation=medsam2"):
        card("medsam+ddpt").convert({"memory_attention.norm.weight": torch.zeros(1)})


def test_transformers_names_stay() -> None:
    keys = {k: torch.zeros(1) for k in load_sam(None).state_dict()}
    assert set(from_segment_anything(keys)) == set(keys)


def test_weights_that_are_nowhere_are_told() -> None:
    with pytest.raises(MedadError, match="could not be loaded"):
        load_sam("nobody/no-such-medsam")
