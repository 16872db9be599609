"""Masks and boxes on the grid of their image."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from napari_medad.datasets import Box, DatasetCase
from napari_medad.errors import MedadError


def saved(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


@pytest.fixture
def image(tmp_path) -> Path:
    return saved(tmp_path / "image.png", np.arange(20).reshape(4, 5))


def truth(image: Path, **told) -> np.ndarray:
    return DatasetCase("case", "patient", {"image": image}, abnormal=True, **told).truth()


def test_a_box_that_sticks_out_is_cut_off(image):
    found = truth(image, boxes=(Box(-1, 3, 2, 9),))
    assert np.argwhere(found).tolist() == [[0, 0, 3], [0, 0, 4]]


def test_a_box_beyond_the_image_marks_nothing(image):
    assert not truth(image, boxes=(Box(9, 9, 2, 2), Box(0, 0, 1, 1, slice=3))).any()


def test_a_mask_goes_before_boxes(image, tmp_path):
    pixels = np.zeros((4, 5))
    pixels[2, 2] = 255
    found = truth(image, masks=(saved(tmp_path / "m.png", pixels),), boxes=(Box(0, 0, 4, 5),))
    assert np.argwhere(found).tolist() == [[0, 2, 2]]


def test_blurred_edges_of_a_mask_are_cut_at_half_grey(image, tmp_path):
    pixels = np.zeros((4, 5))
    pixels[1] = (0, 90, 128, 255, 127)
    found = truth(image, masks=(saved(tmp_path / "m.png", pixels),))
    assert np.argwhere(found).tolist() == [[0, 1, 2], [0, 1, 3]]


def test_small_labels_of_a_mask_all_count(image, tmp_path):
    pixels = np.zeros((4, 5))
    pixels[1, :3] = (1, 2, 3)
    assert truth(image, masks=(saved(tmp_path / "m.png", pixels),)).sum() == 3


def test_classes_of_a_mask_in_colours_all_count(image, tmp_path):
    pixels = np.zeros((4, 5, 3))
    pixels[1, :3] = ((255, 0, 0), (0, 0, 255), (255, 255, 0))
    assert truth(image, masks=(saved(tmp_path / "m.png", pixels),)).sum() == 3


def test_a_mask_of_another_size_is_refused(image, tmp_path):
    mask = saved(tmp_path / "m.png", np.full((5, 5), 255))
    with pytest.raises(MedadError, match=r"m\.png has 5 x 5 pixels but its image 4 x 5"):
        truth(image, masks=(mask,))


def test_a_mask_on_a_coarser_grid_comes_onto_the_scan(tmp_path):
    scan, mask = tmp_path / "scan.nii.gz", tmp_path / "mask.nii.gz"
    nib.Nifti1Image(np.ones((8, 8, 4), np.int16), np.diag([-1.0, -1, 1, 1])).to_filename(scan)
    coarse = np.zeros((4, 4, 4), np.int16)
    coarse[1, 2, 3] = 2
    affine = np.diag([-2.0, -2, 1, 1])
    affine[:2, 3] = -0.5  # corners of both grids meet
    nib.Nifti1Image(coarse, affine).to_filename(mask)
    found = DatasetCase("case", "patient", {"t2f": scan}, (mask,)).truth()
    expected = {(3, y, x) for y in (4, 5) for x in (2, 3)}
    assert {tuple(map(int, p)) for p in np.argwhere(found)} == expected
