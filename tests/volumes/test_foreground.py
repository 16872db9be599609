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


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("tumour/BraTS-GLI-00000-000", 0.15, 0.18),
        ("tumour/brats_2013_pat0005_1", 0.15, 0.19),
        ("ms/ljubljana_patient19", 0.14, 0.27),
        ("tumour/TCGA-FG-6692_native", 0.3, 0.75),
        ("healthy/chris_t1.nii.gz", 0.25, 0.75),
        ("dicom/ct_head_gantry_tilt", 0.1, 0.6),
    ],
)
def test_real_scans_have_a_plausible_share_of_patient(
    real_data: Path, name: str, low: float, high: float
) -> None:
    assert low < foreground_of(read_study(real_data / name).volume()).mean() < high
