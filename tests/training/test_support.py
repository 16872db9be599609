"""Shots: slices that were named, kept in a file, drawn small."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_medad.errors import MedadError
from napari_medad.training.support import Shot, read_support, save_support
from napari_medad.volumes.reader import read_volume
from napari_medad.volumes.volume import Volume

OBLIQUE = np.array(
    [[0.1, 1.9, 0.3, -20], [-1.2, 0.15, 0.4, 30], [-0.15, -0.42, 2.9, 7], [0, 0, 0, 1]]
)
OBLIQUE[:3, :3] = np.linalg.qr(OBLIQUE[:3, :3])[0] * [1.2, 2.0, 3.0]


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    path = tmp_path / "scans" / "case.nii.gz"
    path.parent.mkdir()
    voxels = np.random.default_rng(0).random((9, 8, 7), dtype=np.float32)
    nib.Nifti1Image(voxels, OBLIQUE).to_filename(path)
    return read_volume(path)


def test_what_was_saved_is_read_again_on_the_same_slices(volume: Volume, tmp_path: Path) -> None:
    shots = [
        Shot(volume, "case · t2f", 2, ("Cyst", "Ödem"), "coronal"),
        Shot(volume, "case · t2f", 4),
    ]
    file = tmp_path / "lists" / "support.csv"
    file.parent.mkdir()
    save_support(shots, file)
    assert file.read_text().splitlines()[1] == "../scans/case.nii.gz,coronal,2,Cyst; Ödem"
    again = read_support(file)
    assert [(s.index, s.axis, s.categories) for s in again] == [
        (2, "coronal", ("Cyst", "Ödem")),
        (4, "axial", ()),
    ]
    for shot, held in zip(shots, again, strict=True):
        assert np.array_equal(shot.pixels(), held.pixels())
        assert shot.same_slice(held)
    assert again[0].volume is again[1].volume


def test_a_shot_is_an_example_with_its_categories(volume: Volume) -> None:
    example = Shot(volume, "case", 3, ("Cyst",), "sagittal").example()
    assert (example.label, example.categories, example.axis) == (1, {3: ("Cyst",)}, "sagittal")
    assert Shot(volume, "case", 3).example().label == 0


def test_a_thumbnail_keeps_the_slices_proportions() -> None:
    array = np.zeros((4, 10, 20), np.float32)
    array[:, 5:] = 1
    volume = Volume(array, np.diag([1.0, 4.0, 1.0, 1.0]))  # 40 mm high, 20 mm wide
    picture = Shot(volume, "box", 0).thumbnail(32)
    assert picture.shape == (32, 32, 3)
    assert not picture[:, :8].any()
    assert not picture[:, 24:].any()
    assert picture[2:12, 10:22].max() == 0
    assert picture[20:30, 10:22].min() == 255


def test_a_slice_that_is_not_there_is_refused(volume: Volume) -> None:
    depth = volume.array.shape[2]
    for index in (-1, depth):
        said = f"case has no sagittal slice {index}, only 0 to {depth - 1}"
        with pytest.raises(MedadError, match=said):
            Shot(volume, "case", index, axis="sagittal")


def test_slices_of_no_file_cannot_be_saved(tmp_path: Path) -> None:
    made = Volume(np.zeros((3, 4, 5), np.float32), np.eye(4))
    with pytest.raises(MedadError, match="made in memory"):
        save_support([Shot(made, "made", 1)], tmp_path / "support.csv")
    assert not list(tmp_path.iterdir())


def test_a_list_without_categories_is_refused(volume: Volume, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("image\nscans/case.nii.gz\n")
    with pytest.raises(MedadError, match="says nothing of the categories"):
        read_support(tmp_path / "list.csv")
