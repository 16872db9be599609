"""Slices in, gated attention out."""

import numpy as np
import pytest
import torch

from napari_medad.detectors.ddpt import detector as module
from napari_medad.detectors.ddpt.detector import DdptDetector
from napari_medad.detectors.ddpt.pictures import grey_levels, maps_of, pictures_of, squared
from napari_medad.detectors.ddpt.settings import DdptSettings
from napari_medad.detectors.device import Device
from napari_medad.inference.run import detect
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume


@pytest.fixture
def study() -> Study:
    array = np.zeros((5, 80, 60), np.float32)
    array[1:, 10:70, 10:50] = np.random.default_rng(0).normal(300, 30, (4, 60, 40))
    return Study.from_volumes("case", {"t2w": Volume(array, np.diag([-1.0, -1, 3, 1]), "t2w")})


@pytest.fixture
def load(monkeypatch, small_clip):
    monkeypatch.setattr(module, "load_clip", lambda weights: small_clip)
    return lambda **settings: DdptDetector(DdptSettings(**settings), Device(), "untrained")


def test_without_a_gate_every_slice_peaks_at_one(load, study) -> None:
    detection = detect(study, load(gate_at=0))
    peaks = detection.maps["attention"][1:].max(axis=(1, 2))
    assert (peaks > 0.8).all()
    assert np.array_equal(detection.maps["anomaly"], detection.maps["attention"])
    assert detection.threshold == 0.5
    assert "mask_at" in detection.record.threshold_source


def test_the_gate_empties_slices_that_are_found_healthy(load, study) -> None:
    scores = detect(study, load(gate_at=0)).slice_scores
    between = float(np.sort(scores[1:])[2])
    gated = detect(study, load(gate_at=between))
    found = gated.maps["anomaly"].any(axis=(1, 2))
    assert found[1:].tolist() == (scores[1:] >= between).tolist()
    assert gated.maps["attention"][1:].any(axis=(1, 2)).all()


@pytest.mark.parametrize("frame", ["slice", "foreground"])
@pytest.mark.parametrize("axis", ["axial", "sagittal"])
def test_maps_lie_on_the_volume(load, study, frame, axis) -> None:
    detection = detect(study, load(frame=frame, gate_at=0), axis=axis)
    assert detection.maps["anomaly"].shape == study.volume().array.shape
    assert detection.maps["anomaly"].any()


def test_attention_of_a_patch_lands_on_its_place_in_the_slice() -> None:
    attention = torch.full((1, 7, 7), 0.01)
    attention[0, 2, 5] = 0.5
    map_ = maps_of(attention, (140, 100), quantised=False)[0]
    # the 140 x 100 slice is padded to 140 x 140, so columns shift by 20
    peak = np.unravel_index(map_.argmax(), map_.shape)
    assert peak[0] == pytest.approx(2.5 * 20, abs=3)
    assert peak[1] == pytest.approx(5.5 * 20 - 20, abs=3)
    assert map_.max() == pytest.approx(1)


def test_quantised_attention_has_few_levels() -> None:
    attention = torch.rand(1, 7, 7) / 52
    few = maps_of(attention, (7, 7), quantised=True)
    many = maps_of(attention, (7, 7), quantised=False)
    assert len(np.unique(few.round(5))) < 8 < len(np.unique(many.round(5)))


def test_pictures_are_squares_with_clips_statistics() -> None:
    slices = np.zeros((2, 30, 50), np.uint8)
    slices[:, 15, 25] = 255
    assert squared(slices).shape == (2, 50, 50)
    assert squared(slices)[0, 25, 25] == 255
    black = pictures_of(np.zeros((1, 30, 50), np.uint8))
    assert black.shape == (1, 3, 224, 224)
    assert black[0, :, 0, 0].tolist() == pytest.approx(
        [-0.48145466 / 0.26862954, -0.4578275 / 0.26130258, -0.40821073 / 0.27577711], abs=1e-5
    )


def test_grey_levels_by_hand() -> None:
    slices = np.array([[[-1.0, 0.0, 3.0]]])
    assert grey_levels(slices).tolist() == [[[0, 63, 254]]]
