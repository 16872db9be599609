"""What every registered detector must do, whoever wrote it: new ones are tested on arrival."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from importlib.resources import files

import numpy as np
import pytest

import napari_medad as medad
from napari_medad.detectors.card import Card
from napari_medad.detectors.detector import Detector, SliceDetector
from napari_medad.detectors.registry import cards, load_detector
from napari_medad.results.outputs import kind_of
from napari_medad.results.run_record import RunRecord
from napari_medad.volumes.phantom import make_brain
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import AXES, Volume
from napari_medad.weights.installed import installed_weights

NAMES = tuple(cards())
CONTRASTS = ("t2f", "t1n")


@pytest.fixture(params=NAMES)
def card(request: pytest.FixtureRequest) -> Card:
    return cards()[request.param]


@pytest.fixture
def detector(card: Card) -> Detector:
    return _loaded(card.name)


@cache
def _loaded(name: str) -> Detector:
    """With installed weights, else with random ones: these too must keep the contract."""
    weights = "auto" if not cards()[name].weights or installed_weights(name) else "untrained"
    return load_detector(name, weights=weights, device="cpu", precision="fp32")


@cache
def _study() -> Study:
    """Three slices of a synthetic brain with lesions, so that big networks are quick."""
    brain = make_brain(3, lesions=("patches",), contrasts=CONTRASTS, spacing=4.0)
    middle = brain.study.volume().array.shape[0] // 2
    volumes = {
        name: Volume(volume.array[middle - 1 : middle + 2].copy(), volume.affine, name)
        for name, volume in brain.study.volumes.items()
    }
    return Study.from_volumes("synthetic", volumes)


@cache
def _detection(name: str):  # type: ignore[no-untyped-def]
    kept = {name: volume.array.copy() for name, volume in _study().volumes.items()}
    detection = medad.detect(_study(), _loaded(name), seed=1)
    for name, volume in _study().volumes.items():
        assert np.array_equal(volume.array, kept[name]), "the scan was changed"
    return detection


def uniform(value: float) -> Study:
    volume = Volume(np.full((1, 24, 20), value, np.float32), np.diag([-1.0, -1.0, 5.0, 1.0]), "t2f")
    return Study.from_volumes("uniform", {"t2f": volume})


def test_what_corrections_can_teach_has_a_lesson(card) -> None:
    if not card.recipe_class:
        assert not card.teachable
    else:
        assert card.teachable == (card.recipe_type().lesson is not None)


def test_there_are_detectors():
    assert "hyperintensity" in NAMES


def test_the_maps_are_those_of_the_card_on_the_scans_grid(card):
    detection = _detection(card.name)
    assert set(detection.maps) == set(card.outputs)
    assert "anomaly" in card.outputs
    for values in detection.maps.values():
        assert values.shape == _study().volume().array.shape
        assert values.dtype == np.float32
        assert np.isfinite(values).all()


def test_something_is_said_inside_the_brain_and_nothing_outside(card):
    detection = _detection(card.name)
    # an untrained classifier may gate every slice of the anomaly map, but not all it says
    assert any(values[detection.foreground].std() > 0 for values in detection.maps.values())
    for values in detection.maps.values():
        assert not values[~detection.foreground].any()


def test_slice_scores_are_finite_where_there_is_brain(card):
    detection = _detection(card.name)
    has_brain = detection.foreground.any(axis=(1, 2))
    assert detection.slice_scores.shape == has_brain.shape
    assert np.isfinite(detection.slice_scores[has_brain]).all()


def test_the_same_seed_gives_the_same_maps(card, detector):
    again = medad.detect(_study(), detector, seed=1)
    for name, values in _detection(card.name).maps.items():
        assert np.array_equal(again.maps[name], values)


def test_weights_load_again_as_they_were(card):
    before = _loaded(card.name)
    after = load_detector(card.name, weights=before.weights.name or "auto", device="cpu")
    assert after.weights == before.weights
    assert after.settings == before.settings


@pytest.mark.parametrize("axis", AXES)
def test_every_axis_gives_maps_of_few_slices_on_the_same_grid(card, detector, axis):
    array = _study().volume().array
    part = {"axial": np.s_[1:2], "coronal": np.s_[:, 28:30], "sagittal": np.s_[:, :, 24:26]}[axis]
    volume = Volume(np.ascontiguousarray(array[part]), _study().volume().affine, "t2f")
    detection = medad.detect(Study.from_volumes("part", {"t2f": volume}), detector, axis=axis)
    assert detection.maps["anomaly"].shape == volume.array.shape
    assert detection.slice_scores.shape == (volume.array.shape[AXES[axis]],)
    assert np.isfinite(detection.maps["anomaly"]).all()


@pytest.mark.parametrize("value", [0.0, 7.0, -1000.0])
def test_a_scan_without_contrast_gives_an_empty_map_and_no_finding(card, detector, value):
    detection = medad.detect(uniform(value), detector)
    assert np.isfinite(detection.maps["anomaly"]).all()
    assert not detection.foreground.any()
    assert not detection.maps["anomaly"].any()
    assert detection.findings == []


def test_a_brain_of_one_intensity_gives_a_finite_map(card, detector):
    study = uniform(0.0)
    study.volume().array[:, 4:20, 4:16] = 5
    detection = medad.detect(study, detector)
    assert detection.foreground.sum() == 16 * 12
    assert all(np.isfinite(values).all() for values in detection.maps.values())


def test_cancelled_within_one_batch(card, detector, monkeypatch):
    monkeypatch.setattr(detector, "batch_size", 1, raising=False)
    reports = []

    def stop(progress):
        reports.append(progress)
        return "stop"

    with pytest.raises(medad.Cancelled):
        medad.detect(_study(), detector, progress=stop)
    assert len(reports) == 1


def test_the_visible_slice_comes_first_and_batches_change_nothing(card, detector, monkeypatch):
    if not isinstance(detector, SliceDetector):
        pytest.skip("looks at the volume as a whole")
    monkeypatch.setattr(detector, "batch_size", 1)
    seen: list[int] = []
    single = medad.detect(
        _study(), detector, seed=1, start=2, progress=lambda p: seen.extend(p.indices)
    )
    assert seen == [2, 1, 0]
    together = _detection(card.name).maps["anomaly"]
    assert np.allclose(single.maps["anomaly"], together, atol=1e-4 * np.abs(together).max())


def test_the_record_is_complete_and_says_which_weights(card, detector):
    record = _detection(card.name).record
    assert record.detector == card.name
    assert record.settings == detector.settings.model_dump(mode="json")
    assert record.weights == detector.weights
    assert record.weights.state in (
        {"none"} if not card.weights else {"starter", "released", "trained", "untrained"}
    )
    assert (record.weights.sha256 is None) == (record.weights.state in ("none", "untrained"))
    assert record.threshold_source
    assert np.isfinite(record.threshold_value)
    assert {"numpy", "torch"} <= set(record.versions)
    assert RunRecord.model_validate(json.loads(record.model_dump_json())) == record


def test_random_weights_are_marked(card):
    if not card.weights:
        pytest.skip("has no weights")
    detector = load_detector(card.name, weights="untrained", device="cpu")
    assert detector.weights.state == "untrained"
    assert RunRecord(detector=card.name, volume="t2f", weights=detector.weights).untrained


def test_settings_survive_the_record_and_the_command_line(card):
    kind = card.settings_type()
    defaults = kind()
    assert kind.parse(json.loads(defaults.model_dump_json()), card.name) == defaults
    text = {
        name: ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        for name, value in defaults
        if value is not None and value != ()
    }
    assert kind.parse(text, card.name) == defaults


def test_every_setting_has_a_title(card):
    for name, field in card.settings_type().model_fields.items():
        assert field.title, name


def test_an_unknown_setting_is_one_sentence(card):
    with pytest.raises(medad.MedadError, match=f"{re.escape(card.name)} has no setting 'colour'"):
        load_detector(card.name, colour="red")


def test_its_documentation_and_its_maps_are_known(card):
    assert files(card.package).joinpath("METHOD.md").is_file()
    assert all(kind_of(name).about for name in card.outputs)
    assert card.title
    assert card.about.endswith(".")


def test_cards_are_listed_without_torch():
    script = (
        "import sys; from napari_medad.detectors.registry import cards\n"
        "assert len(cards()) > 0\n"
        "[card.settings_type() for card in cards().values()]\n"
        "print(sorted({'torch', 'monai', 'open_clip', 'qtpy', 'napari'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
