"""The rank baseline: by hand on small scans, and against expert masks on real ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import napari_medad as medad
from napari_medad.volumes.reader import read_study, read_volume
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

CASES = {
    "tumour/BraTS-GLI-00000-000": (
        "BraTS-GLI-00000-000-t2f.nii.gz",
        "BraTS-GLI-00000-000-seg.nii.gz",
        0.65,
    ),
    "tumour/brats_2013_pat0005_1": (
        "Flair_subtrMeanDivStd.nii.gz",
        "OTMultiClass.nii.gz",
        0.47,
    ),
    "ms/ljubljana_patient19": ("patient19_FLAIR.nii.gz", "patient19_lesionmask.nii.gz", 0.81),
}


def study_of(array: np.ndarray) -> Study:
    volume = Volume(array, np.diag([-1.0, -1.0, 1.0, 1.0]), "t2f")
    return Study.from_volumes("case", {"t2f": volume})


@pytest.fixture
def ramp() -> Study:
    """Intensities 1..1000 in random places, with background around them."""
    array = np.zeros((14, 14, 14), np.int16)
    values = np.random.default_rng(0).permutation(1000) + 1
    array[2:12, 2:12, 2:12] = values.reshape(10, 10, 10)
    return study_of(array)


@pytest.mark.parametrize(
    ("polarity", "expected"),
    [("bright", lambda r: r), ("dark", lambda r: 1 - r), ("both", lambda r: abs(2 * r - 1))],
)
def test_anomaly_is_the_rank_inside_the_foreground(ramp, polarity, expected):
    detector = medad.load_detector("hyperintensity", polarity=polarity, median=1)
    detection = medad.detect(ramp, detector)
    inside = detection.foreground
    rank = (ramp.volume().array - 1) / 999
    assert inside.sum() == 1000
    assert detection.maps["anomaly"][inside] == pytest.approx(expected(rank[inside]), abs=2e-3)
    assert not detection.maps["anomaly"][~inside].any()


@pytest.mark.parametrize("axis", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("median", [2, 3, 5])
@pytest.mark.parametrize("start", [None, 6])
def test_slices_in_any_order_are_filtered_as_the_whole_volume_is(ramp, axis, median, start):
    plain = medad.detect(ramp, medad.load_detector("hyperintensity", median=1)).maps["anomaly"]
    whole = ndimage.median_filter(plain, median, mode="nearest") * (ramp.volume().array > 0)
    detector = medad.load_detector("hyperintensity", median=median)
    detector.batch_size = 3
    detection = medad.detect(ramp, detector, axis=axis, start=start)
    assert np.allclose(detection.maps["anomaly"], whole)


def test_monotone_changes_of_intensity_change_nothing(ramp):
    detector = medad.load_detector("hyperintensity")
    before = medad.detect(ramp, detector).maps["anomaly"]
    curved = np.sqrt(ramp.volume().array.astype(np.float32)) * 7
    assert np.allclose(medad.detect(study_of(curved), detector).maps["anomaly"], before, atol=5e-3)


@pytest.mark.parametrize("polarity", ["bright", "dark", "both"])
def test_a_brain_of_one_intensity_has_nothing_conspicuous(polarity):
    array = np.zeros((6, 12, 12), np.float32)
    array[1:5, 3:9, 3:9] = 4
    detector = medad.load_detector("hyperintensity", polarity=polarity)
    assert not medad.detect(study_of(array), detector).maps["anomaly"].any()


@pytest.mark.parametrize("case", CASES)
def test_average_precision_on_real_flair(real_data, case):
    scan, mask, reached = CASES[case]
    study = read_study({"t2f": real_data / case / scan})
    detection = medad.detect(study, "hyperintensity")
    truth = read_volume(real_data / case / mask).array
    metrics = medad.evaluate(detection.maps["anomaly"], truth, mask=detection.foreground)
    assert metrics.average_precision >= reached - 0.01
