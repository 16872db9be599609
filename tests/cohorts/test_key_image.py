import numpy as np
import pytest

import napari_medad as medad
from napari_medad.cohorts.key_image import PLANE, key_picture
from napari_medad.export.pictures import WARNING


@pytest.fixture
def detection(scan, tmp_path):
    return medad.detect(medad.read_study(scan(tmp_path / "t2f.nii.gz", size=24)), "hyperintensity")


def test_it_goes_through_the_highest_score_of_the_findings(detection):
    assert detection.findings
    peak = max(detection.findings, key=lambda found: found.max_score).peak_zyx
    before = np.asarray(key_picture(detection))
    assert before.shape == (PLANE, 3 * PLANE, 3)
    changed = detection.volume.array.copy()
    changed[peak[0]] = changed[peak[0]].max() - changed[peak[0]]
    object.__setattr__(detection.volume, "array", changed)
    after = np.asarray(key_picture(detection))
    assert (after[:, :PLANE] != before[:, :PLANE]).mean() > 0.2  # the axial plane is that slice


def test_without_findings_it_goes_through_the_highest_score(detection):
    nothing = detection.at(threshold=1e9)
    assert nothing.findings == []
    assert key_picture(nothing).size == (3 * PLANE, PLANE)


def test_random_weights_are_written_into_it(detection):
    def warned(picture):
        return (np.asarray(picture) == WARNING).all(axis=-1).any()

    assert not warned(key_picture(detection))
    detection.record.weights.state = "untrained"
    assert warned(key_picture(detection))
