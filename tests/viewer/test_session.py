"""What the docks share, without a window."""

import numpy as np
import pytest

from napari_medad.inference.run import detect
from napari_medad.results.detection import Detection
from napari_medad.viewer.session import Session
from napari_medad.volumes.study import Study


@pytest.fixture(scope="module")
def detection(small_study: Study) -> Detection:
    return detect(small_study, "hyperintensity", threshold="quantile:0.9")


def test_stepping_goes_round_the_findings(detection: Detection) -> None:
    session, seen = Session(), []
    session.selected_changed.connect(lambda finding: seen.append(finding.id))
    session.step(1)
    assert seen == []
    session.add(detection)
    count = len(detection.findings)
    assert count > 2
    session.step(-1)
    session.step(1)
    session.step(1)
    assert seen == [count, 1, 2]


def test_cutting_makes_another_detection_of_the_same_maps(detection: Detection) -> None:
    session = Session()
    session.add(detection)
    session.cut(threshold=0.99, minimum_ml=0.2)
    assert session.current is not None
    assert session.current.maps is detection.maps
    assert session.current.threshold == 0.99
    assert all(f.volume_ml >= 0.2 for f in session.current.findings)
    assert session.detections[detection.study.name, "hyperintensity"] is session.current


def test_a_detector_is_loaded_once_until_its_weights_change() -> None:
    session = Session()
    first = session.load("hyperintensity", "auto", "cpu", {"median": 3})
    assert session.load("hyperintensity", "auto", "cpu", {"median": 3}) is first
    assert session.load("hyperintensity", "auto", "cpu", {"median": 5}) is not first
    again = session.load("hyperintensity", "auto", "cpu", {"median": 5})
    session.forget("hyperintensity")
    assert session.load("hyperintensity", "auto", "cpu", {"median": 5}) is not again


def test_run_numbers_rise() -> None:
    session = Session()
    assert np.all(np.diff([session.next_run() for _ in range(3)]) == 1)
