"""A coarse mask becomes a prompt, and MedSAM's answer a map on the volume."""

import sys

import numpy as np
import pytest

from napari_medad.backbones.medsam.prompts import Box
from napari_medad.detectors import medsam
from napari_medad.detectors.detector import Prediction, SliceDetector
from napari_medad.detectors.device import Device
from napari_medad.detectors.medsam import detector as module
from napari_medad.detectors.medsam.detector import MedsamDetector
from napari_medad.detectors.medsam.settings import MedsamSettings
from napari_medad.detectors.settings import Settings
from napari_medad.errors import Cancelled, MedadError
from napari_medad.inference.run import detect
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

pytest.importorskip("transformers")


class Bright(SliceDetector):
    """Marks what is above 400."""

    card = medsam.CARD

    def predict(self, batch, state) -> Prediction:
        return Prediction({"anomaly": (batch.pixels() > 400).astype(np.float32)})


class Asked:
    """Stands where MedSAM would; answers with the box it was asked about."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []
        self.points: list[np.ndarray] = []

    def look(self, grey) -> None:
        self.grey = grey

    def ask(self, box=None, points=None) -> np.ndarray:
        answer = np.zeros(self.grey.shape, np.float32)
        if points is not None:
            self.points.append(points.xy)
            return answer
        self.boxes.append(box)
        answer[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] = 0.9
        return answer


@pytest.fixture
def study() -> Study:
    array = np.zeros((6, 90, 70), np.float32)
    array[:, 5:85, 5:65] = 300
    array[2:4, 30:40, 20:26] = 500
    return Study.from_volumes("case", {"t2w": Volume(array, np.diag([-1.0, -1, 3, 1]), "t2w")})


@pytest.fixture
def load(monkeypatch):
    def bright(name, **how):
        return Bright(Settings(), Device(), "none")

    monkeypatch.setattr(module, "load_detector", bright)

    def made(**settings) -> MedsamDetector:
        detector = MedsamDetector(MedsamSettings(**settings), Device(), "untrained")
        detector.sam = Asked()
        return detector

    return made


def test_the_box_lies_around_the_mask_on_the_volumes_own_voxels(load, study) -> None:
    detector = load(margin=3)
    anomaly = detect(study, detector).maps["anomaly"]
    expected = np.zeros(anomaly.shape, bool)
    expected[2:4, 27:43, 17:29] = True
    assert np.array_equal(anomaly > 0.5, expected)
    assert len(detector.sam.boxes) == 2


def test_along_another_axis_it_is_the_same_lesion(load, study) -> None:
    anomaly = detect(study, load(margin=0), axis="coronal").maps["anomaly"]
    z, y, x = np.nonzero(anomaly > 0.5)
    assert (z.min(), z.max(), y.min(), y.max(), x.min(), x.max()) == (2, 3, 30, 39, 20, 25)


def test_points_are_drawn_alike_each_time_and_warned_of(load, study) -> None:
    first, second = load(prompt="points", points=4), load(prompt="points", points=4)
    notes = detect(study, first).record.notes
    detect(study, second)
    assert np.array_equal(first.sam.points, second.sam.points)
    assert len(first.sam.points[0]) == 4
    assert any("off its label" in note for note in notes)


def test_a_real_small_sam_fills_the_map(load, study) -> None:
    detector = load()
    detector.sam = module.Sam(detector.network)
    detection = detect(study, detector)
    assert detection.record.weights.state == "untrained"
    marked = detection.maps["anomaly"].any(axis=(1, 2))
    assert marked.tolist() == [False, False, True, True, False, False]
    assert not detection.maps["anomaly"][~detection.foreground].any()


def test_it_stops_when_asked(load, study) -> None:
    with pytest.raises(Cancelled):
        detect(study, load(), progress=lambda p: "stop")


def test_without_its_package_medsam2_says_what_to_install(load, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sam2", None)
    monkeypatch.setitem(sys.modules, "sam2.build_sam", None)
    with pytest.raises(MedadError, match=r"napari-medad\[medsam2\]"):
        load(generation="medsam2")
