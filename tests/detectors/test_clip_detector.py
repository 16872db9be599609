"""What detectors on a CLIP share, looked at through AnomalyCLIP."""

from dataclasses import replace

import numpy as np
import pytest
import yaml
from scipy.ndimage import gaussian_filter

import napari_medad as medad
from napari_medad.detectors.clip_detector import ClipDetector
from napari_medad.detectors.registry import load_detector
from napari_medad.errors import MedadError
from napari_medad.volumes.phantom import make_brain
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume


def load(**settings) -> ClipDetector:
    return load_detector("anomalyclip", weights="untrained", device="cpu", **settings)


@pytest.fixture(scope="module")
def study() -> Study:
    brain = make_brain(2, contrasts=("t2f",), spacing=4.0).study.volume()
    middle = brain.array.shape[0] // 2
    slices = np.pad(brain.array[middle : middle + 2].astype(np.float32), ((0, 0), (30, 30), (0, 0)))
    return Study.from_volumes("brain", {"t2f": Volume(slices, brain.affine, "t2f")})


def test_untrained_runs_on_a_small_clip_and_says_so(study):
    detector = load()
    assert detector.backbone_name == "tiny"
    notes = medad.detect(study, detector).record.notes
    assert "CLIP: tiny, gelu, random weights." in notes


@pytest.mark.parametrize("name", ["tiny-pmc", "tiny-biomed"])
def test_any_clip_can_be_asked(study, name):
    anomaly = medad.detect(study, load(backbone=name, image_size=64)).maps["anomaly"]
    assert np.isfinite(anomaly).all()
    assert anomaly.std() > 0


def test_a_size_between_patches_is_told(study):
    notes = medad.detect(study, load(image_size=60)).record.notes
    assert any("last 4 rows and columns of each picture are not seen" in note for note in notes)


def test_a_size_without_patches_is_refused(study):
    with pytest.raises(MedadError, match="'image_size' is 20, but tiny needs at least 28 pixels"):
        medad.detect(study, load(image_size=20))


def test_the_map_moves_with_the_slice():
    """The same picture in a frame of other pixels: the map lies on the same place."""
    noise = np.random.default_rng(0).random((56, 56)).astype(np.float32)
    plane = gaussian_filter(noise, 4) + 0.1
    large = np.kron(plane, np.ones((2, 2), np.float32))
    maps = []
    for array in (plane, large):
        volume = Volume(array[None], np.eye(4), "t2f")
        one = Study.from_volumes("one", {"t2f": volume})
        maps.append(medad.detect(one, load(image_size=56)).maps["anomaly"][0])
    shrunk = maps[1].reshape(56, 2, 56, 2).mean((1, 3))
    assert np.corrcoef(shrunk.ravel(), maps[0].ravel())[0, 1] > 0.98


def test_colour_is_seen():
    grey = np.full((1, 56, 56), 100, np.uint8)
    grey[:, 20:30, 20:30] = 160
    red, green = (np.stack([grey * (i == c) for i in range(3)], -1) for c in (0, 1))
    maps = []
    for rgb in (red, green):
        volume = Volume(grey, np.eye(4), source=None, rgb=rgb)
        one = Study.from_volumes("colour", {"image": volume})
        maps.append(medad.detect(one, load(image_size=56)).maps["anomaly"])
    assert not np.allclose(maps[0], maps[1])


def test_grey_levels_of_a_slice_or_the_volume(study):
    brighter = study.volume().array.copy()
    brighter[1] = brighter[1] * 0.5
    dim = Study.from_volumes("dim", {"t2f": study.volume().with_array(brighter)})
    by_slice = [medad.detect(s, load(intensity="slice", image_size=56)) for s in (study, dim)]
    assert np.allclose(by_slice[0].maps["anomaly"][1], by_slice[1].maps["anomaly"][1], atol=1e-4)
    by_volume = [medad.detect(s, load(image_size=56)) for s in (study, dim)]
    assert not np.allclose(by_volume[0].maps["anomaly"][1], by_volume[1].maps["anomaly"][1])


def test_the_whole_slice_or_the_brain_alone(study):
    whole, brain = (
        medad.detect(study, load(frame=frame, image_size=56)).maps["anomaly"]
        for frame in ("slice", "foreground")
    )
    assert not np.allclose(whole, brain)


def test_variants_of_the_layers(study):
    last, before, paper = (
        medad.detect(study, load(variant=v, image_size=56)).maps["anomaly"]
        for v in ("last", "before-2025-04", "paper")
    )
    assert np.allclose(before, 4 * last, atol=1e-5)
    assert not np.allclose(paper, before, atol=1e-3)


@pytest.mark.parametrize("name", ["anomalyclip", "vand", "anovl", "adaclip"])
@pytest.mark.parametrize("backbone", ["tiny-pmc", "tiny-biomed"])
def test_every_method_stands_on_every_clip(study, name, backbone):
    few = {} if name == "anomalyclip" else {"templates": ("a photo of the {}",)}
    settings = {"backbone": backbone, "image_size": 64, "device": "cpu", **few}
    detector = load_detector(name, weights="untrained", **settings)
    detection = medad.detect(study, detector)
    assert any(f"CLIP: {backbone}" in note for note in detection.record.notes)
    assert np.isfinite(detection.maps["anomaly"]).all()
    assert detection.maps["anomaly"].std() > 0


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"backbone": "vit-xxl"}, "There is no CLIP backbone 'vit-xxl'; use vit-l-14-336"),
        ({"templates": ("a {} " + "very " * 80,)}, "tokens, but this CLIP reads 77; shorten it"),
        ({"object": " "}, "The setting 'object' is empty; name what the images show"),
        ({"normal": ("",)}, "'normal' must have {} once, where the object stands"),
        ({"abnormal": ("damaged",)}, "The entry 'damaged' of the setting 'abnormal' must have {}"),
        ({"templates": ("a {} of a {}",)}, "of the setting 'templates' must have {} once"),
    ],
)
@pytest.mark.parametrize("name", ["vand", "anovl", "adaclip"])
def test_wrong_prompts_and_backbones_are_one_sentence(study, name, settings, sentence):
    with pytest.raises(MedadError) as told:
        medad.detect(study, load_detector(name, weights="untrained", device="cpu", **settings))
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)


def test_a_cache_that_cannot_be_written_is_noted(study, monkeypatch):
    detector = load()
    monkeypatch.setitem(detector.__dict__, "clip", replace(detector.clip, remarks={"Not kept."}))
    assert "Not kept." in medad.detect(study, detector).record.notes


@pytest.mark.parametrize("name", ["vand", "anovl", "adaclip"])
def test_prompts_come_from_a_file_or_from_settings(study, tmp_path, name):
    lists = {"normal": ["sound {}"], "abnormal": ["ill {}"], "templates": ["a scan of the {}"]}
    path = tmp_path / "prompts.yaml"
    path.write_text(yaml.safe_dump(lists))
    maps = [
        medad.detect(
            study,
            load_detector(name, weights="untrained", device="cpu", image_size=56, **given),
        ).maps["anomaly"]
        for given in ({"prompts": str(path)}, {k: tuple(v) for k, v in lists.items()})
    ]
    assert np.array_equal(*maps)
