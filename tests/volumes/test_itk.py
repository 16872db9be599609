"""NRRD and MetaImage: kinds of voxel, shear, frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from napari_medad.errors import MedadError
from napari_medad.volumes.itk import read_itk, write_nrrd
from napari_medad.volumes.volume import Volume


def test_four_dimensions_and_vectors_need_a_frame(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((2, 3, 4, 5)).astype(np.float32)
    series = sitk.JoinSeries([sitk.GetImageFromArray(v) for v in values])
    vector = sitk.GetImageFromArray(np.moveaxis(values, 0, -1), isVector=True)
    for name, image in (("series.mha", series), ("vector.nrrd", vector)):
        sitk.WriteImage(image, str(tmp_path / name))
        with pytest.raises(MedadError, match="pick one with --frame 0 to 1"):
            read_itk(tmp_path / name)
        volume = read_itk(tmp_path / name, frame=1)
        np.testing.assert_array_equal(volume.on_source(volume.array), values[1].T)


def test_three_bytes_are_colour_and_three_floats_are_not(tmp_path: Path) -> None:
    colour = np.zeros((3, 4, 5, 3), np.uint8)
    colour[..., 0] = 100
    sitk.WriteImage(sitk.GetImageFromArray(colour, isVector=True), str(tmp_path / "c.mha"))
    volume = read_itk(tmp_path / "c.mha")
    assert volume.rgb.shape == (3, 4, 5, 3)
    assert volume.array[0, 0, 0] == 30
    field = sitk.GetImageFromArray(colour.astype(np.float32), isVector=True)
    sitk.WriteImage(field, str(tmp_path / "f.mha"))
    with pytest.raises(MedadError, match="3 values a voxel; pick one with --frame 0 to 2"):
        read_itk(tmp_path / "f.mha")


def test_doubles_become_floats_and_a_flat_image_one_slice(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.arange(12, dtype=float).reshape(3, 4))
    image.SetSpacing((0.5, 0.25))
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
    volume = read_itk(tmp_path / "a.nrrd")
    assert volume.array.shape == (1, 3, 4)
    assert volume.array.dtype == np.float32
    assert volume.spacing[1:] == (0.25, 0.5)


def test_a_sheared_nrrd_is_resampled_and_not_written(tmp_path: Path) -> None:
    header = (
        "NRRD0004\ntype: float\ndimension: 3\nspace: right-anterior-superior\nsizes: 8 9 6\n"
        "space directions: (1,0,0) (0,1,0) (0,0.7,2)\nspace origin: (1,2,3)\n"
        "endian: little\nencoding: raw\n\n"
    )
    voxels = np.random.default_rng(0).random((8, 9, 6)).astype("<f4")
    (tmp_path / "s.nrrd").write_bytes(header.encode() + voxels.tobytes(order="F"))
    volume = read_itk(tmp_path / "s.nrrd")
    assert volume.source.grid.sheared
    np.testing.assert_allclose(volume.source.grid.affine[:3, 2], (0, 0.7, 2), atol=1e-6)
    np.testing.assert_allclose(volume.source.grid.affine[:3, 3], (1, 2, 3))
    assert "sheared" in volume.source.notes[0]
    with pytest.raises(MedadError, match="cannot hold the sheared grid"):
        write_nrrd(volume.array, volume, tmp_path / "out.nrrd")


def test_masks_are_written_as_bytes(tmp_path: Path) -> None:
    volume = Volume(np.zeros((2, 3, 4), np.float32), np.diag([-1.0, -1, 1, 1]))
    write_nrrd(np.ones((2, 3, 4), bool), volume, tmp_path / "m.nrrd")
    assert read_itk(tmp_path / "m.nrrd").array.dtype == np.uint8
