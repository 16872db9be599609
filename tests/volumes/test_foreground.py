"""What counts as patient."""

from pathlib import Path

import numpy as np
import pytest

from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.reader import read_study
from napari_medad.volumes.volume import Volume


def of(array: np.ndarray) -> np.ndarray:
    return foreground_of(Volume(array, np.eye(4)))


@pytest.mark.parametrize("background", [0, -3.5, 7])
def test_a_masked_scan_gives_exactly_its_other_voxels_with_holes_filled(background: float) -> None:
    array = np.full((8, 20, 20), background, np.float32)
    array[2:6, 5:15, 5:15] = np.random.default_rng(0).uniform(10, 20, (4, 10, 10))
    array[3, 9:11, 9:11] = background
    expected = np.zeros(array.shape, bool)
    expected[2:6, 5:15, 5:15] = True
    np.testing.assert_array_equal(of(array), expected)


def test_air_that_is_not_constant_is_cut_away() -> None:
    rng = np.random.default_rng(0)
    array = rng.uniform(0, 20, (6, 40, 40)).astype(np.float32)
    array[:, 10:30, 10:30] = rng.uniform(300, 600, (6, 20, 20))
    mask = of(array)
    assert mask[:, 10:30, 10:30].all()
    assert mask.sum() == 6 * 20 * 20


def test_constant_scans_have_no_foreground_and_nan_is_background() -> None:
    assert not of(np.zeros((3, 4, 5))).any()
    assert not of(np.full((3, 4, 5), 9)).any()
    array = np.zeros((3, 10, 10), np.float32)
    array[1, 2:8, 2:8] = 5
    array[1, 2, 2] = np.nan
    mask = of(array)
    assert not mask[1, 2, 2]
    assert mask[1, 4, 4]


def test_noisy_air_with_a_constant_rim_is_air() -> None:
    """As scanners' distortion correction leaves it: zero at the edge, noise around the head."""
    rng = np.random.default_rng(0)
    array = np.zeros((6, 60, 60), np.int16)
    array[:, 6:54, 6:54] = rng.integers(0, 20, (6, 48, 48))
    array[:, 20:40, 20:40] = rng.integers(300, 600, (6, 20, 20))
    assert of(array).sum() == 6 * 20 * 20


def test_a_picture_that_tissue_fills_is_foreground_with_its_dark_parts() -> None:
    array = np.random.default_rng(0).integers(90, 200, (1, 60, 60)).astype(np.uint8)
    array[:, 35:, 20:45] = 3  # a shadow down to the lower edge
    assert of(array).all()


def test_ct_is_cut_at_air_even_where_padded_with_zero() -> None:
    array = np.full((6, 60, 60), -1000, np.int16)
    array[:, 20:40, 20:40] = 30
    array[:, 25:30, 25:30] = -1000  # a sinus
    array[:, 50:52, 10:50] = 100  # the table
    assert of(array).sum() == 6 * 20 * 20
    padded = np.zeros((6, 80, 80), np.int16)
    padded[:, 10:70, 10:70] = array
    assert foreground_of(Volume(padded, np.eye(4), "ct")).sum() == 6 * 20 * 20


def test_signed_noise_is_no_ct() -> None:
    array = np.random.default_rng(0).integers(-5, 5, (6, 40, 40)).astype(np.int16)
    array[:, 10:30, 10:30] = 500
    array[2, 3, 3] = -2048
    assert of(array).sum() == 6 * 20 * 20


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("tumour/BraTS-GLI-00000-000", 0.15, 0.18),
        ("tumour/brats_2013_pat0005_1", 0.15, 0.19),
        ("ms/ljubljana_patient19", 0.14, 0.27),
        ("tumour/TCGA-FG-6692_native", 0.3, 0.75),
        ("healthy/fernando_t2.nii.gz", 0.3, 0.5),
        ("tumour/pyradiomics_brain1", 0.5, 0.7),
        ("dicom/mr_mosaic_12bit/12bitUnsigned.dcm", 0.2, 0.4),
        ("2d/breast_ultrasound/malignant/malignant_59.png", 1, 1),
        ("2d/fundus_idrid/hard_exudates/IDRiD_01.jpg", 0.65, 0.75),
        ("healthy/chris_t1.nii.gz", 0.25, 0.75),
        ("dicom/ct_head_gantry_tilt", 0.1, 0.6),
    ],
)
def test_real_scans_have_a_plausible_share_of_patient(
    real_data: Path, name: str, low: float, high: float
) -> None:
    assert low <= foreground_of(read_study(real_data / name).volume()).mean() <= high
