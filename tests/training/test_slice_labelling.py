"""Labels of open volumes: kept at each change, read again, images copied on their own voxels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_medad.errors import MedadError
from napari_medad.training.slice_labelling import SliceLabelling, image_name, labellings
from napari_medad.training.slice_labels_file import filled_between, read_slice_labels
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.orientation import Grid
from napari_medad.volumes.reader import read_volume
from napari_medad.volumes.volume import Source, Volume


def volume_of(size: int = 8, shift: float = 0.0) -> Volume:
    array = np.random.default_rng(size).random((5, size, size)).astype(np.float32)
    affine = np.diag([-2.0, -2.0, 5.0, 1.0])
    affine[0, 3] = shift
    return Volume(array, affine, "t2f", Source(None, Grid(array.shape[::-1], affine)))


def test_labels_are_kept_as_they_are_given(tmp_path: Path) -> None:
    labelling = SliceLabelling(tmp_path / "mine")
    labelling.label("p1_t2f", volume_of(), {3: 1, 1: 0})
    assert (tmp_path / "mine/slices.csv").read_text().splitlines() == [
        "image,slice,label",
        "p1_t2f.nii.gz,1,normal",
        "p1_t2f.nii.gz,3,abnormal",
    ]
    assert SliceLabelling(tmp_path / "mine").labels == {"p1_t2f": {1: 0, 3: 1}}
    assert labelling.counts() == (1, 1)
    assert labellings(tmp_path) == ["mine"]
    labelling.label("p1_t2f", volume_of(), {})
    assert not SliceLabelling(tmp_path / "mine").labels


def test_images_are_copied_voxel_for_voxel_and_become_examples(tmp_path: Path) -> None:
    labelling, volume = SliceLabelling(tmp_path), volume_of()
    labelling.label("p1_t2f", volume, {0: 0, 3: 1})
    labelling.save_images()
    (example,) = labelling.examples()
    again = example.study().volume()
    assert np.array_equal(again.array, volume.array)
    assert np.allclose(again.affine, volume.affine)
    assert example.slices == {0: 0, 3: 1}
    assert example.label == 1


def test_an_oblique_scan_keeps_its_slices_numbers(tmp_path: Path) -> None:
    """The labels count the slices as they are shown, and so must those who read the copy."""
    turn = np.array([[0.96, 0.0, -0.28], [0.0, 1.0, 0.0], [0.28, 0.0, 0.96]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([1.5, 2.0, -4.0])
    array = np.arange(6 * 7 * 5, dtype=np.float32).reshape(5, 7, 6)
    source = Volume(array, affine, None, Source(None, Grid(array.shape[::-1], affine)))
    write_nifti(array, source, tmp_path / "scan.nii.gz")
    shown = read_volume(tmp_path / "scan.nii.gz")
    labelling = SliceLabelling(tmp_path / "chain")
    labelling.label("scan", shown, {1: 1, 2: 0})
    labelling.save_images()
    copy = read_volume(tmp_path / "chain/images/scan.nii.gz")
    assert np.array_equal(copy.array, shown.array)
    assert copy.grid.same_as(shown.grid)


def test_another_image_under_a_kept_name_is_refused(tmp_path: Path) -> None:
    first = SliceLabelling(tmp_path)
    first.label("p1_t2f", volume_of(), {0: 0})
    first.save_images()
    later = SliceLabelling(tmp_path)
    with pytest.raises(MedadError, match="Another image called p1_t2f is labelled"):
        later.label("p1_t2f", volume_of(9), {0: 1})
    later.label("p1_t2f", volume_of(), {0: 1})
    assert later.labels == {"p1_t2f": {0: 1}}


def test_an_image_that_has_gone_is_named(tmp_path: Path) -> None:
    SliceLabelling(tmp_path).label("p1_t2f", volume_of(), {0: 0, 1: 1})
    with pytest.raises(MedadError, match="is gone; open the image and label it again"):
        SliceLabelling(tmp_path).save_images()
    with pytest.raises(MedadError, match="No slice is labelled yet"):
        SliceLabelling(tmp_path / "new").examples()


def test_between_two_labels_of_one_kind_all_are_of_it() -> None:
    assert filled_between({2: 0, 5: 0, 7: 1, 9: 1}) == {2: 0, 3: 0, 4: 0, 5: 0, 7: 1, 8: 1, 9: 1}
    assert filled_between({}) == {}


def test_names_of_files_are_plain() -> None:
    assert image_name("A/B: c", "t2f") == "A-B-c_t2f"
    assert image_name("//", "") == "_"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MedadError, match=r"labels\.csv cannot be read as CSV"):
        read_slice_labels(tmp_path / "labels.csv")
