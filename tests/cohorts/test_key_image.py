import numpy as np
import pytest

import napari_medad as medad
from napari_medad.cohorts.key_image import PLANE, key_picture
from napari_medad.export.pictures import WARNING
from napari_medad.results.findings import middle_of


@pytest.fixture
def detection(scan, tmp_path):
    return medad.detect(medad.read_study(scan(tmp_path / "t2f.nii.gz", size=24)), "hyperintensity")


def test_it_goes_through_the_finding_with_the_highest_score(detection):
    assert detection.findings
    finding = max(detection.findings, key=lambda found: found.max_score)
    z, _, _ = middle_of(finding, detection.mask, detection.volume)
    before = np.asarray(key_picture(detection))
    assert before.shape == (PLANE, 3 * PLANE, 3)
    changed = detection.volume.array.copy()
    changed[z] = changed[z].max() - changed[z]
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
