"""What recipes on a CLIP share, looked at through AnomalyCLIP."""

import numpy as np
import pytest
import torch

import napari_medad as medad
from napari_medad.detectors.clip_recipe import MaskedSlices, best_f1, slices_of
from napari_medad.detectors.recipe import Example
from napari_medad.detectors.registry import card, load_detector
from napari_medad.errors import MedadError
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

OPTIONS = {"backbone": "tiny", "image_size": 56, "epochs": 1, "batch_size": 4}


def scan(lesion: bool, seed: int = 0) -> tuple[Volume, np.ndarray]:
    """Six slices of noise in a square, one of them with a bright spot."""
    array = np.zeros((6, 32, 32), np.float32)
    array[:, 4:28, 4:28] = 1 + np.random.default_rng(seed).random((6, 24, 24))
    mask = np.zeros(array.shape, np.uint8)
    if lesion:
        mask[2, 10:18, 10:18] = 1
        array[2, 10:18, 10:18] = 5
    return Volume(array, np.diag([-1.0, -1.0, 1.0, 1.0]), "t2f"), mask


def example(lesion=True, **changes) -> Example:
    volume, mask = scan(lesion)
    given = {"label": int(lesion), "mask": mask if lesion else None, "patient": "a", **changes}
    return Example(volume, **given)


def test_slices_of_an_abnormal_scan():
    slices = slices_of(example(), normal_share=2)
    assert [s.label for s in slices] == [0, 1, 0]
    assert slices[1].mask.sum() == 64
    assert slices[0].mask.sum() == 0


def test_slices_of_a_normal_scan_have_empty_masks():
    slices = slices_of(example(lesion=False), normal_share=1)
    assert [s.label for s in slices] == [0] * 6
    assert all(s.mask is not None and not s.mask.any() for s in slices)


def test_labels_without_masks():
    slices = slices_of(example(mask=None, slices={2: 1, 3: 0}), normal_share=1)
    assert [(s.label, s.mask is None) for s in slices] == [(1, True), (0, False)]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"mask": None}, "nothing says where; give a mask, or label its slices"),
        ({"mask": np.ones((2, 2, 2))}, "is not on the image's grid"),
        ({"slices": {9: 1}}, "a label for slice 9, but only slices 0 to 5"),
    ],
)
def test_what_cannot_be_learned_from(changes, sentence):
    with pytest.raises(MedadError, match=sentence):
        slices_of(example(**changes), 1)


def test_items_are_pictures_with_masks_of_their_size():
    item = MaskedSlices([example()], 64, 1.0)[1]
    assert item["image"].shape == (3, 64, 64)
    assert item["mask"].sum() == 16 * 16
    assert item["mask"][20:36, 20:36].all()
    assert int(item["label"]) == 1


def test_best_f1_by_hand():
    """Scores 0.9 (true), 0.8 (false), 0.7 (true), 0.1 (false): at 0.7, F1 is 2 * 2 / (3 + 2)."""
    scores = np.array([0.1, 0.9, 0.7, 0.8])
    assert best_f1(scores, np.array([False, True, True, False])) == (0.7, 0.8)


def test_best_f1_does_not_split_ties():
    assert best_f1(np.full(4, 0.5), np.array([True, False, False, False])) == (0.5, 0.4)


def test_trained_prompts_load_and_keep_their_threshold(tmp_path):
    examples = [example(), example(held_out=True, patient="b")]
    model = medad.train("anomalyclip", examples, tmp_path / "run", options=OPTIONS, device="cpu")
    assert model.settings["backbone"] == "tiny"
    assert 0 < model.facts["held_out_f1"] <= 1
    detector = load_detector("anomalyclip", weights=str(model.path), device="cpu")
    assert detector.size == 56
    volume, _ = scan(lesion=True)
    study = Study.from_volumes("case", {"t2f": volume})
    record = medad.detect(study, detector).record
    assert record.threshold_value == model.facts["threshold"]
    assert record.threshold_source == "best F1 on the held-out slices of the training"


def test_the_map_adds_the_layers_that_were_learned_and_no_others_have_its_threshold(tmp_path):
    examples = [example(), example(held_out=True, patient="b")]
    options = {**OPTIONS, "variant": "paper"}
    model = medad.train("anomalyclip", examples, tmp_path / "run", options=options, device="cpu")
    study = Study.from_volumes("case", {"t2f": scan(lesion=True)[0]})

    def run(**settings):
        asked = {"weights": str(model.path), "device": "cpu", **settings}
        return medad.detect(study, load_detector("anomalyclip", **asked))

    learned, four, last = run(), run(variant="paper"), run(variant="last")
    assert np.array_equal(learned.maps["anomaly"], four.maps["anomaly"])
    assert learned.maps["anomaly"].max() > 1 > last.maps["anomaly"].max()
    assert learned.threshold == model.facts["threshold"]
    assert "training" not in last.record.threshold_source


@pytest.mark.parametrize("name", ["anomalyclip", "vand", "adaclip"])
def test_adapters_of_pmc_clip_are_trained_and_refused_by_another(tmp_path, name):
    options = {**OPTIONS, "backbone": "tiny-pmc", "image_size": 64}
    model = medad.train(name, [example()], tmp_path / "run", options=options, device="cpu")
    assert model.settings["backbone"] == "tiny-pmc"
    detector = load_detector(name, weights=str(model.path), device="cpu")
    study = Study.from_volumes("case", {"t2f": scan(lesion=True)[0]})
    detection = medad.detect(study, detector)
    assert detector.clip.backbone.name == "tiny-pmc"
    assert detection.record.weights.state == "untrained"  # its CLIP is random
    assert detection.maps["anomaly"].std() > 0
    with pytest.raises(MedadError, match="learned for .*CLIP"):
        other = load_detector(name, weights=str(model.path), device="cpu", backbone="tiny")
        medad.detect(study, other)


def test_learning_lowers_the_loss():
    recipe = card("anomalyclip").recipe_type()
    options = recipe.Options.parse(OPTIONS, "test")
    torch.manual_seed(0)
    taught = recipe(options, [example()])
    network = taught.network()
    dataset = taught.dataset(held_out=False)
    batch = {k: torch.stack([item[k] for item in dataset]) for k in dataset[0]}
    optimiser = taught.optimiser(network)
    losses = []
    for _ in range(12):
        loss = taught.losses(network, batch)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


def test_the_preview_lies_on_the_slice():
    recipe = card("anomalyclip").recipe_type()
    taught = recipe(recipe.Options.parse(OPTIONS, "test"), [])
    shown = taught.preview(taught.network(), np.random.default_rng(0).random((20, 31)))
    assert shown.shape == (20, 31)
    assert np.isfinite(shown).all()
