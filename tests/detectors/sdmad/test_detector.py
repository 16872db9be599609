"""SD-MAD over studies: categories, maps, MVFA's released weights, and input that is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toy_slices import OPTIONS, SIGNS, shots, volume

import napari_medad as medad
from napari_medad.cli import run
from napari_medad.detectors.add_weights import add_weights
from napari_medad.detectors.recipe import Example
from napari_medad.detectors.registry import load_detector
from napari_medad.detectors.sdmad.checkpoint import convert
from napari_medad.detectors.sdmad.shots import SHIFTS, NamedSlice, named_slices
from napari_medad.detectors.sdmad.signs import Category, Sign, SignList
from napari_medad.errors import MedadError
from napari_medad.results.run_record import RunRecord
from napari_medad.training.support import Shot, save_support
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.reader import read_volume
from napari_medad.volumes.study import Study
from napari_medad.weights.model_folder import ModelFolder

KINDS_OF_COLUMNS = ("category", "chance", "present")


def study(seed: int = 7) -> Study:
    return Study.from_volumes("case", {"t2f": shots(seed)[0].image})


@pytest.fixture(scope="module")
def pixel_model(tmp_path_factory, signs_file) -> Path:
    """Trained for an epoch at the pixel level."""
    out = tmp_path_factory.mktemp("pixel") / "model"
    options = {**OPTIONS, "signs": str(signs_file), "level": "pixel", "epochs": 1}
    medad.train("sdmad", shots(1, outlined=True), out, options={**options, "bank_patches": 64})
    return out


def test_the_record_holds_the_signs_their_distances_and_what_was_kept(signs_file) -> None:
    detector = load_detector("sdmad", weights="untrained", signs=str(signs_file), image_size=56)
    record = medad.detect(study(), detector).record
    again = RunRecord.model_validate_json(record.model_dump_json())
    assert again.evidence["anchor"] == "a normal brain"
    assert [sign["text"] for sign in again.evidence["signs"]][:2] == list(SIGNS.texts("Left"))
    assert all(np.isfinite(sign["other"]) for sign in again.evidence["signs"])
    assert again.untrained


def test_scores_lie_in_the_slices_that_were_looked_at_along_any_axis(signs_file) -> None:
    detector = load_detector("sdmad", weights="untrained", signs=str(signs_file), image_size=56)
    for axis, depth in (("axial", 3), ("coronal", 56)):
        detection = medad.detect(study(), detector, axis=axis)
        assert set(detection.category_scores) == {"Left", "Right"}
        looked = np.isfinite(detection.slice_scores)
        for name in ("Left", "Right"):
            assert detection.category_scores[name].shape == (depth,)
            assert np.array_equal(np.isfinite(detection.category_scores[name]), looked)
            assert not detection.category_present[name][~looked].any()


def test_an_image_level_map_is_each_slices_score_and_says_so(signs_file) -> None:
    detector = load_detector("sdmad", weights="untrained", signs=str(signs_file), image_size=56)
    detection = medad.detect(study(), detector)
    for z, score in enumerate(detection.slice_scores):
        assert np.allclose(detection.maps["anomaly"][z][detection.foreground[z]], score)
    assert detection.threshold == 0.5
    assert any("judges whole slices" in note for note in detection.record.notes)


def test_other_signs_than_those_taught_can_be_asked_for(pixel_model, tmp_path) -> None:
    other = SignList("brain", "a normal brain", (Category("Cyst", (Sign("fluid"), Sign("ring"))),))
    other.save(tmp_path / "other.yaml")
    detector = load_detector("sdmad", weights=str(pixel_model), signs=str(tmp_path / "other.yaml"))
    detection = medad.detect(study(), detector)
    assert set(detection.maps) == {"anomaly", "category:Cyst"}
    assert "similarity" in detection.record.evidence


def test_a_pixel_model_remembers_its_normal_shots(pixel_model) -> None:
    bank = ModelFolder.read(pixel_model, "sdmad").tensors()["bank"]
    assert bank.shape[:2] == (8, 64)
    norms = bank.float().norm(dim=-1)
    assert torch.allclose(norms, torch.ones_like(norms), atol=1e-2)
    detector = load_detector("sdmad", weights=str(pixel_model), device="cpu", precision="fp32")
    with_bank = medad.detect(study(), detector)
    assert detector.remembered == 0  # they come with the weights
    assert not any("No normal scans" in note for note in with_bank.record.notes)


def test_scaling_over_the_case_spans_both_maps(pixel_model) -> None:
    options = {"weights": str(pixel_model), "device": "cpu", "precision": "fp32"}
    plain = medad.detect(study(), load_detector("sdmad", **options))
    scaled = medad.detect(study(), load_detector("sdmad", scaling="case", **options))
    inside = plain.foreground
    values = scaled.maps["anomaly"][inside]
    assert values.min() >= 0
    assert values.max() <= 1
    assert not np.allclose(values, plain.maps["anomaly"][inside])
    assert not scaled.maps["anomaly"][~inside].any()


def test_normal_scans_of_the_user_take_the_place_of_the_bank(pixel_model) -> None:
    detector = load_detector("sdmad", weights=str(pixel_model), device="cpu", precision="fp32")
    before = medad.detect(study(), detector).maps["anomaly"]
    detector.remember([study().volume()], slices=[[0, 1, 2]])
    detection = medad.detect(study(), detector)
    assert detection.record.remembered == 3
    assert (detection.maps["anomaly"] <= before + 1e-5).all()  # it is compared with itself


def released(seed: int = 0, joint: int = 768) -> dict[str, dict[str, torch.Tensor]]:
    """A checkpoint of MVFA's keys and shapes."""
    draw = torch.Generator().manual_seed(seed)
    return {
        f"{which}_adapters": {
            key: 0.02 * torch.randn(shape, generator=draw)
            for i in range(4)
            for key, shape in (
                (f"{i}.fc1.0.weight", (joint, 1024)),
                (f"{i}.fc2.0.weight", (1024, joint)),
            )
        }
        for which in ("seg", "det")
    }


def test_mvfas_released_weights_are_added_and_known_as_the_pixel_level(tmp_path) -> None:
    torch.save(released(), tmp_path / "Brain.pth")
    model = ModelFolder.read(add_weights("sdmad", tmp_path / "Brain.pth"), "sdmad")
    assert model.path.name == "Brain"
    assert model.settings["level"] == "pixel"
    assert model.settings["normalised"] is False
    tensors = model.tensors()
    assert torch.equal(tensors["seg.3.fc1.weight"], released()["seg_adapters"]["3.fc1.0.weight"])
    assert tensors["bank"].shape == (8, 0, 768)
    detector = load_detector("sdmad", weights="Brain")
    assert detector.categories == ()
    assert detector.outputs == ("anomaly",)


def test_a_foreign_or_misshapen_checkpoint_is_refused_by_its_first_key(tmp_path) -> None:
    with pytest.raises(MedadError, match="it has the key 'head.weight'"):
        convert({"head.weight": torch.zeros(2)})
    held = released()
    held["det_adapters"]["2.fc1.0.weight"] = torch.zeros(768, 512)
    torch.save(held, tmp_path / "bad.pth")
    with pytest.raises(MedadError, match=r"'det.2.fc1.weight' has shape \(768, 512\)"):
        add_weights("sdmad", tmp_path / "bad.pth")
    del held["det_adapters"]["2.fc1.0.weight"]
    torch.save(held, tmp_path / "short.pth")
    with pytest.raises(MedadError, match=r"'det.2.fc1.weight' is missing"):
        add_weights("sdmad", tmp_path / "short.pth")


def test_the_eleven_versions_are_turned_shifted_and_flipped() -> None:
    (first, *_) = named_slices(shots(1, outlined=True)[:1], SIGNS.names, 56, normalised=False)[1:]
    versions = first.versions()
    assert len(versions) == 11
    assert torch.allclose(versions[0].picture, first.picture, atol=1e-5)
    across, down = versions[9], versions[10]
    assert torch.allclose(across.picture, first.picture.flip(2), atol=1e-4)
    assert torch.allclose(down.picture, first.picture.flip(1), atol=1e-4)
    assert torch.equal(across.mask, first.mask.flip(1))
    for version in versions:
        assert version.mask.sum() > 0.6 * first.mask.sum()


def test_shifts_are_a_tenth_of_the_side() -> None:
    picture = torch.zeros(3, 60, 60)
    picture[:, 25:35, 25:35] = 1
    versions = NamedSlice(picture, torch.zeros(1), None).versions()
    places = torch.arange(60.0)
    for version, (x, y) in zip(versions[5:9], SHIFTS, strict=True):
        seen = version.picture[0]
        down = float((seen.sum(1) * places).sum() / seen.sum())
        across = float((seen.sum(0) * places).sum() / seen.sum())
        assert (across, down) == pytest.approx((29.5 - 60 * x, 29.5 - 60 * y), abs=0.1)


def train(examples: list[Example], signs: Path, out: Path, **options) -> None:
    medad.train("sdmad", examples, out, options={**OPTIONS, "signs": str(signs), **options})


def test_shots_that_cannot_be_are_refused(signs_file, tmp_path) -> None:
    image, mask = volume(((), ("Left",), ("Right",)), 1)
    every = {0: (), 1: ("Left",), 2: ("Right",)}

    def refused(said: str, *examples: Example) -> None:
        with pytest.raises(MedadError, match=said):
            train(list(examples), signs_file, tmp_path / "out")
        assert not (tmp_path / "out" / "model.json").exists()

    refused("'Right' has no shot", Example(image, categories={1: ("Left",)}))
    refused("shows 'Cyst', which has no signs", Example(image, categories={**every, 0: ("Cyst",)}))
    refused("no axial slice 3, only 0 to 2", Example(image, categories={**every, 3: ()}))
    refused(
        "axial and coronal slices",
        Example(image, categories=every),
        Example(image, categories={9: ()}, axis="coronal"),
    )
    refused("does not say what its slices show", Example(image, categories=every), Example(image))
    refused("not on the image's grid", Example(image, categories=every, mask=mask[:, :9]))


def test_signs_that_cannot_be_learned_from_are_refused(tmp_path) -> None:
    (tmp_path / "none.yaml").write_text("organ: brain\ncategories: [{name: Left, signs: []}]\n")
    with pytest.raises(MedadError, match="'Left' of the signs .*none.yaml has no signs"):
        train(shots(1), tmp_path / "none.yaml", tmp_path / "out")


def test_one_sign_alone_is_kept_and_the_run_says_so(tmp_path) -> None:
    single = SignList(
        "brain",
        "a normal brain",
        (Category("Left", (Sign("bright left"),)), Category("Right", (Sign("r"), Sign("right")))),
    )
    single.save(tmp_path / "single.yaml")
    detector = load_detector(
        "sdmad", weights="untrained", signs=str(tmp_path / "single.yaml"), image_size=56
    )
    detection = medad.detect(study(), detector)
    assert any("left no sign of" in note and "Left" in note for note in detection.record.notes)
    assert np.isfinite(detection.category_scores["Left"]).any()


def test_slices_of_another_direction_than_taught_are_told(pixel_model) -> None:
    detector = load_detector("sdmad", weights=str(pixel_model))
    notes = medad.detect(study(), detector, axis="coronal").record.notes
    assert "It was taught axial slices, but looked at coronal ones." in notes


def test_the_commands_train_and_detect_from_files(signs_file, tmp_path, capsys) -> None:
    image, _ = volume(((), ("Left",), ("Right",)), 1)
    path = tmp_path / "scan.nii.gz"
    write_nifti(image.array, image, path)
    scan = read_volume(path)
    named = [(), ("Left",), ("Right",)]
    save_support(
        [Shot(scan, "scan", z, shown) for z, shown in enumerate(named)], tmp_path / "support.csv"
    )
    sets = [f"--set={k}={v}" for k, v in {**OPTIONS, "epochs": 2}.items()]
    data, model = str(tmp_path / "support.csv"), str(tmp_path / "model")
    command = ["train", "sdmad", "--data", data, "--signs", str(signs_file), "--out", model]
    assert run([*command, *sets]) == 0
    out = tmp_path / "out"
    command = ["detect", str(path), "--detector", "sdmad", "--weights", model, "--out", str(out)]
    assert run(command) == 0
    record = json.loads((out / "scan_sdmad_record.json").read_text())
    assert {sign["category"] for sign in record["evidence"]["signs"]} == {"Left", "Right"}
    header = (out / "scan_sdmad_slices.csv").read_text().splitlines()[0]
    columns = [f"{kind}:{name}" for kind in KINDS_OF_COLUMNS for name in ("Left", "Right")]
    assert header.split(",") == ["slice", "score", *columns]
    command = ["train", "moe", "--data", data, "--signs", "brain-ms", "--out", str(out / "x")]
    assert run(command) == 1
    assert "signs" in capsys.readouterr().err


def test_coloured_pictures_of_any_size_are_shots(tmp_path) -> None:
    rows, draw = ["image,categories"], np.random.default_rng(0)
    for name, side, shown in (("a", 40, "CNV"), ("b", 64, "DME; Drusen"), ("c", 50, "normal")):
        pixels = draw.integers(0, 255, (side, side + 6, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        rows.append(f"{name}.png,{shown}")
    (tmp_path / "support.csv").write_text("\n".join(rows))
    options = {**OPTIONS, "signs": "retina-oct", "epochs": 2}
    medad.train("sdmad", tmp_path / "support.csv", tmp_path / "model", options=options)
    detector = load_detector("sdmad", weights=str(tmp_path / "model"))
    detection = medad.detect(medad.read_study(tmp_path / "b.png"), detector)
    assert set(detection.category_scores) == {"CNV", "DME", "Drusen"}
    assert detection.maps["anomaly"].shape == (1, 64, 70)
