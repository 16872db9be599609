import numpy as np
import pytest
import torch

import napari_medad as medad
from napari_medad.detectors.adaclip.checkpoint import convert
from napari_medad.detectors.add_weights import add_weights
from napari_medad.detectors.recipe import Example
from napari_medad.detectors.registry import load_detector
from napari_medad.errors import MedadError
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

HEADS = {
    "patch_token_layer": (4, 768, 1024),
    "cls_token_layer": (1, 768, 768),
    "dynamic_visual_prompt_generator": (5, 1024, 768),
    "dynamic_text_prompt_generator": (5, 768, 768),
}


def published():
    """Keys and shapes of the authors' files: 38 tensors."""
    held = {}
    for group, width in (("text_prompter", 768), ("visual_prompter", 1024)):
        for i in range(4):
            held[f"clip_model.{group}.static_prompts.{i}"] = torch.randn(5, width)
    for group, (count, rows, columns) in HEADS.items():
        for i in range(count):
            held[f"clip_model.{group}.head.{i}.weight"] = torch.randn(rows, columns)
            held[f"clip_model.{group}.head.{i}.bias"] = torch.randn(rows)
    return held


def test_the_authors_keys_become_ours():
    held = published()
    assert len(held) == 38
    settings, tensors = convert(held)
    assert settings == {"backbone": "vit-l-14-336", "length": 5, "depth": 4}
    assert sum(t.numel() for t in tensors.values()) == 10_665_472
    static = held["clip_model.visual_prompter.static_prompts.2"]
    assert torch.equal(tensors["visual_static"][2], static)
    assert torch.equal(tensors["image.bias"], held["clip_model.cls_token_layer.head.0.bias"])


def test_a_released_file_is_added_without_clip(tmp_path):
    torch.save(published(), tmp_path / "pretrained_mvtec_colondb.pth")
    added = add_weights("adaclip", tmp_path / "pretrained_mvtec_colondb.pth")
    detector = load_detector("adaclip", weights=added.name, device="cpu")
    assert sum(p.numel() for p in detector.network.parameters()) == 10_665_472


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("text_prompter.static_prompts.0", None, "'clip_model.text_prompter.static_prompts.0' is"),
        (
            "visual_prompter.static_prompts.1",
            torch.zeros(4, 1024),
            r"has shape \(4, 1024\), unlike",
        ),
        ("cls_token_layer.head.0.bias", None, "'image.bias' is missing"),
        ("patch_token_layer.head.2.weight", torch.zeros(640, 896), r"'patch.2.weight' has shape"),
    ],
)
def test_a_wrong_file_is_refused_by_key(tmp_path, key, value, sentence):
    held = published() | {f"clip_model.{key}": value}
    torch.save({k: v for k, v in held.items() if v is not None}, tmp_path / "wrong.pth")
    with pytest.raises(MedadError, match=sentence):
        add_weights("adaclip", tmp_path / "wrong.pth")


def test_prompts_are_trained_on_masks_and_load_again(tmp_path):
    array = np.zeros((3, 56, 56), np.float32)
    array[:, 4:52, 4:52] = 1 + np.random.default_rng(0).random((3, 48, 48))
    mask = np.zeros(array.shape, np.uint8)
    array[1, 28:42, 28:42], mask[1, 28:42, 28:42] = 2, 1
    volume = Volume(array, np.diag([-1.0, -1.0, 3.0, 1.0]), "t2f")
    examples = [
        Example(volume, label=1, mask=mask, held_out=held, patient=patient)
        for held, patient in ((False, "a"), (True, "b"))
    ]
    options = {"backbone": "tiny", "image_size": 56, "epochs": 1, "length": 3, "depth": 3}
    model = medad.train("adaclip", examples, tmp_path / "run", options=options, device="cpu")
    detector = load_detector("adaclip", weights=str(model.path), device="cpu")
    assert detector.network.visual_static.shape == (3, 3, 128)
    detection = medad.detect(Study.from_volumes("case", {"t2f": volume}), detector)
    assert 0 <= detection.maps["anomaly"].min() <= detection.maps["anomaly"].max() <= 1
    assert ((detection.slice_scores >= 0) & (detection.slice_scores <= 1)).all()
