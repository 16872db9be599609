import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import napari_medad as medad
from napari_medad.detectors.add_weights import add_weights
from napari_medad.detectors.registry import load_detector
from napari_medad.errors import MedadError
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

SMALL = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 28, "layers": 2, "width": 64, "patch_size": 14},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1},
}
FEW = {"templates": ("a photo of the {}",), "image_size": 28}


@pytest.fixture
def study() -> Study:
    array = 1 + np.random.default_rng(0).random((2, 28, 28)).astype(np.float32)
    return Study.from_volumes("case", {"t2f": Volume(array, np.eye(4), "t2f")})


@pytest.fixture
def folder(tmp_path):
    """A CLIP as open_clip saves it."""
    import open_clip

    torch.manual_seed(0)
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": SMALL}))
    save_file(open_clip.CLIP(**SMALL).state_dict(), tmp_path / "open_clip_model.safetensors")
    return tmp_path


def test_without_clip_the_sentence_says_what_to_do():
    with pytest.raises(MedadError, match="833 MB, licence MIT.*run `medad weights fetch vit-"):
        load_detector("anovl", device="cpu")


def test_clips_weights_are_the_weights(study, folder):
    detector = load_detector("anovl", device="cpu", backbone=str(folder), **FEW)
    record = medad.detect(study, detector).record
    assert record.weights.state == "released"
    assert record.weights.sha256 == detector.clip.sha256
    assert record.weights.path.endswith("open_clip_model.safetensors")


def test_weights_of_another_clip_are_refused_on_adding(folder):
    with pytest.raises(MedadError, match=r"'positional_embedding' has shape \(77, 64\), not"):
        add_weights("anovl", folder / "open_clip_model.safetensors")


@pytest.mark.parametrize("change", [{"steps": 0}, {"adapter": "linear"}, {"domain": "medical"}])
def test_settings_change_the_map(study, change):
    def anomaly(**settings):
        given = {"image_size": 56, **settings}
        detector = load_detector("anovl", weights="untrained", device="cpu", **given)
        return medad.detect(study, detector).maps["anomaly"]

    few = {} if "domain" in change else FEW
    assert not np.array_equal(anomaly(**few), anomaly(**few, **change))


def test_views_change_the_scores_alone(study):
    one, many = (
        load_detector("anovl", weights="untrained", device="cpu", views=views, **FEW)
        for views in (False, True)
    )
    one, many = medad.detect(study, one), medad.detect(study, many)
    assert np.array_equal(one.maps["anomaly"], many.maps["anomaly"])
    assert not np.array_equal(one.slice_scores, many.slice_scores)
