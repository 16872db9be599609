"""Series written here with known geometry: plain, tilted, unequal, repeated, incomplete."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from napari_medad.errors import MedadError
from napari_medad.volumes.itk import affine_of
from napari_medad.volumes.orientation import Grid
from napari_medad.volumes.reader import read_study, read_volume

ROW, COLUMN = np.array([0.96, 0.28, 0.0]), np.array([-0.28, 0.96, 0.0])


def write_series(
    folder: Path,
    positions: list[np.ndarray],
    *,
    series: str | None = None,
    slope: float = 1,
    intercept: float = 0,
    photometric: str = "MONOCHROME2",
) -> np.ndarray:
    """Slices at positions (LPS mm), in scrambled file order; returns [slice, row, column]."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    voxels = rng.integers(0, 1000, (len(positions), 6, 8)).astype(np.uint16)
    uid = series or generate_uid()
    for number, (pixels, position) in enumerate(zip(voxels, positions, strict=True)):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = MRImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        data.SeriesInstanceUID, data.Modality = uid, "MR"
        data.PatientName, data.SeriesNumber = "DOE^JANE", 4
        data.InstanceNumber = number + 1
        data.Rows, data.Columns = pixels.shape
        data.PixelSpacing, data.SliceThickness = [1.5, 0.5], 3
        data.ImageOrientationPatient = [*ROW, *COLUMN]
        data.ImagePositionPatient = list(position)
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, photometric
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        data.PixelRepresentation = 0
        data.RescaleSlope, data.RescaleIntercept = slope, intercept
        data.PixelData = pixels.tobytes()
        data.save_as(folder / f"{(number * 7) % 97:03d}.dcm", enforce_file_format=True)
    return voxels


def along(steps: list[float], tilt: float = 0.0) -> list[np.ndarray]:
    start = np.array([-20.0, 11.0, -33.0])
    return [start + s * np.array([0, tilt, 1.0]) for s in steps]


def test_geometry_is_that_of_simpleitk(tmp_path: Path) -> None:
    write_series(tmp_path / "s", along([0, 3, 6, 9, 12]))
    volume = read_volume(tmp_path / "s")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "s")))
    image = reader.Execute()
    ours = volume.source.grid
    theirs = Grid(image.GetSize(), affine_of(image))
    assert ours.same_as(theirs)
    np.testing.assert_array_equal(volume.on_source(volume.array), sitk.GetArrayFromImage(image).T)
    assert volume.source.notes == ()
    assert not volume.source.grid.sheared


def test_rescale_and_inverted_greys(tmp_path: Path) -> None:
    stored = write_series(tmp_path / "s", along([0, 3]), intercept=-1024)
    volume = read_volume(tmp_path / "s")
    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(
        volume.on_source(volume.array), stored.astype(int).transpose(2, 1, 0) - 1024
    )
    stored = write_series(tmp_path / "m", along([0, 3]), photometric="MONOCHROME1")
    inverted = read_volume(tmp_path / "m")
    expected = 65535 - stored  # about the range of 16 bits, the same for all slices
    np.testing.assert_array_equal(inverted.on_source(inverted.array), expected.transpose(2, 1, 0))


def test_a_tilted_gantry_is_a_sheared_grid(tmp_path: Path) -> None:
    write_series(tmp_path / "s", along([0, 3, 6, 9], tilt=0.35))
    volume = read_volume(tmp_path / "s")
    assert volume.source.grid.sheared
    np.testing.assert_allclose(volume.source.grid.affine[:3, 2], (0, -0.35 * 3, 3), atol=1e-9)
    assert "sheared" in volume.source.notes[0]
    assert volume.spacing[0] == pytest.approx(3)


def test_unequal_gaps_are_resampled_and_said(tmp_path: Path) -> None:
    stored = write_series(tmp_path / "s", along([0, 3, 6, 10, 13]))
    volume = read_volume(tmp_path / "s")
    assert volume.source.notes == ("Unequal slice gaps (3 to 4 mm) were resampled to 3 mm.",)
    back = volume.on_source(volume.array).transpose(2, 1, 0)
    assert len(back) == 5
    np.testing.assert_array_equal(back[2], stored[2])
    expected = np.rint(stored[2] * 0.25 + stored[3] * 0.75)
    np.testing.assert_array_equal(back[3], expected)


def test_missing_slices_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "s", along([0, 3, 6, 21, 24]))
    with pytest.raises(MedadError, match="lacks slices: its usual gap is 3 mm but one is 15 mm"):
        read_volume(tmp_path / "s")


def test_repeated_positions_are_frames_and_uneven_ones_are_refused(tmp_path: Path) -> None:
    stored = write_series(tmp_path / "s", along([0, 3, 0, 3]))
    with pytest.raises(MedadError, match="2 frames; pick one with --frame 0 to 1"):
        read_volume(tmp_path / "s")
    second = read_volume(tmp_path / "s", frame=1)
    np.testing.assert_array_equal(second.on_source(second.array).transpose(2, 1, 0), stored[2:])
    write_series(tmp_path / "u", along([0, 3, 3]))
    with pytest.raises(MedadError, match="1 to 2 images at the same place"):
        read_volume(tmp_path / "u")


def test_slices_of_another_size_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "s", along([0, 3]))
    file = next((tmp_path / "s").iterdir())
    data = pydicom.dcmread(file)
    data.Rows, data.PixelData = 3, data.PixelData[: 3 * 8 * 2]
    data.save_as(file)
    with pytest.raises(MedadError, match="differ in size"):
        read_volume(tmp_path / "s")


def test_several_series_are_several_volumes_and_stray_files_do_not_matter(tmp_path: Path) -> None:
    write_series(tmp_path / "a", along([0, 3]))
    write_series(tmp_path / "b", along([0, 3]))
    both = tmp_path / "case"
    both.mkdir()
    for part in ("a", "b"):
        shutil.copytree(tmp_path / part, both / part)
    (both / "notes.txt").write_text("not DICOM")
    study = read_study(both)
    assert len(study.volumes) == 2
    assert study.name == "case"
    assert "DOE" not in " ".join([*study.volumes, *study.notes])
    with pytest.raises(MedadError, match=r"2 DICOM series \(number 4: 2 files, number 4: 2 files"):
        read_volume(both)
    write_series(both / "c", along([0, 3, 30]))
    with pytest.raises(
        MedadError, match="3 DICOM series .* series 4 cannot be read.* lacks slices"
    ):
        read_study(both)


def test_images_of_two_patients_make_no_study(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_series(tmp_path / name, along([0, 3]))
    for file in (tmp_path / "b").iterdir():
        data = pydicom.dcmread(file)
        data.PatientID = "SECRET-7"
        data.save_as(file)
    with pytest.raises(MedadError, match="images of 2 patients; give the folder of one") as error:
        read_study(tmp_path)
    assert "SECRET" not in str(error.value)


def test_two_stacks_of_one_series_keep_the_finer_slices(tmp_path: Path) -> None:
    stored = write_series(tmp_path / "s", along([0, 2, 4, 6, 11, 16, 21, 26, 31]))
    volume = read_volume(tmp_path / "s")
    assert volume.spacing[0] == pytest.approx(2)
    assert "Unequal slice gaps (2 to 5 mm)" in volume.source.notes[0]
    back = volume.on_source(volume.array).transpose(2, 1, 0)
    np.testing.assert_array_equal(back[:4], stored[:4])
    np.testing.assert_array_equal(back[8], stored[5])  # 16 mm


def test_an_image_without_spacing_is_read_with_a_note(tmp_path: Path) -> None:
    write_series(tmp_path / "s", along([0]))
    file = next((tmp_path / "s").iterdir())
    data = pydicom.dcmread(file)
    del data.PixelSpacing, data.ImagePositionPatient, data.ImageOrientationPatient
    data.Modality = "DX"
    data.save_as(file)
    volume = read_volume(file)
    assert volume.modality == "xr"
    assert volume.source.notes == ("The image states no pixel size; 1 mm was assumed.",)


def test_a_folder_without_images_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(MedadError, match="holds no image that can be read; give NIfTI"):
        read_study(tmp_path)
    with pytest.raises(MedadError, match="There is no file or folder"):
        read_study(tmp_path / "absent")
