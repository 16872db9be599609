"""NIfTI in: what headers can state. NIfTI out: the source's geometry bit for bit, and no text."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_medad.errors import MedadError
from napari_medad.volumes.itk import read_itk
from napari_medad.volumes.nifti import GEOMETRY, read_nifti, write_nifti
from napari_medad.volumes.volume import Volume


def oblique() -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = nib.eulerangles.euler2mat(0.25, -0.15, 0.2) @ np.diag([-0.8, 1.2, 3.0])
    affine[:3, 3] = (-31, 47, 12.5)
    return affine


def save(path: Path, voxels: np.ndarray, qform: int = 1, sform: int = 1) -> nib.Nifti1Header:
    image = nib.Nifti1Image(voxels, None)
    image.header.set_zooms((0.8, 1.2, 3.0, 2.5)[: voxels.ndim])
    image.set_qform(oblique() if qform else None, qform)
    image.set_sform(oblique() if sform else None, sform)
    nib.save(image, path)
    return nib.load(path).header


@pytest.mark.parametrize(("qform", "sform"), [(1, 1), (1, 4), (1, 0), (0, 2), (0, 0)])
def test_written_geometry_is_the_sources_bit_for_bit(
    tmp_path: Path, qform: int, sform: int
) -> None:
    voxels = np.random.default_rng(0).random((4, 5, 6)).astype(np.float32)
    before = save(tmp_path / "a.nii.gz", voxels, qform, sform)
    volume = read_nifti(tmp_path / "a.nii.gz")
    write_nifti(volume.array, volume, tmp_path / "b.nii.gz")
    after = nib.load(tmp_path / "b.nii.gz")
    for field in (*GEOMETRY, "dim", "pixdim"):
        np.testing.assert_array_equal(after.header[field], before[field], field)
    np.testing.assert_array_equal(np.asarray(after.dataobj), voxels)
    unstated = ("The file states no orientation; the NIfTI default was assumed.",)
    assert volume.source.notes == (() if qform or sform else unstated)


def test_other_readers_find_the_map_on_the_scan(tmp_path: Path) -> None:
    save(tmp_path / "a.nii.gz", np.ones((4, 5, 6), np.int16))
    volume = read_nifti(tmp_path / "a.nii.gz")
    write_nifti(volume.array, volume, tmp_path / "b.nii.gz")
    scan, written = read_itk(tmp_path / "a.nii.gz"), read_itk(tmp_path / "b.nii.gz")
    np.testing.assert_array_equal(written.affine, scan.affine)


def test_text_display_range_and_intent_of_the_source_stay_behind(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.zeros((3, 3, 3), np.int16), oblique())
    image.header["descrip"], image.header["db_name"] = b"DOE^JANE", b"DOE^JANE"
    image.header["aux_file"], image.header["cal_max"] = b"DOE^JANE", 7
    image.header.set_intent("t test", (3,), name="DOE^JANE")
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"DOE^JANE"))
    nib.save(image, tmp_path / "a.nii")
    volume = read_nifti(tmp_path / "a.nii")
    write_nifti(volume.array, volume, tmp_path / "b.nii")
    assert b"DOE" not in (tmp_path / "b.nii").read_bytes()
    header = nib.load(tmp_path / "b.nii").header
    assert header["cal_max"] == 0
    assert header.get_intent()[0] == "none"
    assert header.get_xyzt_units() == ("mm", "unknown")


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [(bool, "uint8"), (np.float64, "float32"), (np.int64, "int32"), (np.uint16, "uint16")],
)
def test_maps_are_stored_in_types_every_reader_knows(
    tmp_path: Path, dtype: type, stored: str
) -> None:
    volume = Volume(np.zeros((2, 3, 4), np.float32), np.diag([-1.0, -1, 1, 1]))
    write_nifti(np.ones((2, 3, 4), dtype), volume, tmp_path / "m.nii.gz")
    image = nib.load(tmp_path / "m.nii.gz")
    assert image.header.get_data_dtype() == stored
    assert (np.asarray(image.dataobj) == 1).all()
    assert image.header["sform_code"] == image.header["qform_code"] == 1


def test_a_sheared_grid_in_memory_is_written_by_its_sform_alone(tmp_path: Path) -> None:
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[1, 2] = 0.7
    volume = Volume.from_grid(np.zeros((8, 9, 6), np.float32), affine)
    write_nifti(volume.array, volume, tmp_path / "m.nii.gz")
    image = nib.load(tmp_path / "m.nii.gz")
    np.testing.assert_allclose(image.affine, affine)
    assert (int(image.header["qform_code"]), int(image.header["sform_code"])) == (0, 1)


def test_nifti2_and_pairs_give_single_files_of_their_version(tmp_path: Path) -> None:
    voxels = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    nib.save(nib.Nifti2Image(voxels, oblique()), tmp_path / "two.nii")
    nib.save(nib.Nifti1Pair(voxels, oblique()), tmp_path / "pair.img")
    for name, kind in (("two.nii", nib.Nifti2Image), ("pair.hdr", nib.Nifti1Image)):
        volume = read_nifti(tmp_path / name)
        write_nifti(volume.array, volume, tmp_path / "out.nii.gz")
        image = nib.load(tmp_path / "out.nii.gz")
        assert type(image) is kind
        np.testing.assert_array_equal(np.asarray(image.dataobj), voxels)
        np.testing.assert_allclose(image.affine, oblique(), atol=1e-5)


@pytest.mark.parametrize("dtype", [">i2", ">f4", "f8", "i2"])
@pytest.mark.parametrize("frame", [None, 2])
def test_stored_types_become_native_and_small(
    tmp_path: Path, dtype: str, frame: int | None
) -> None:
    shape = (3, 4, 5) if frame is None else (3, 4, 5, 3)
    voxels = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    header = nib.Nifti1Header(endianness=">" if dtype.startswith(">") else "<")
    header.set_data_dtype(dtype)
    nib.save(nib.Nifti1Image(voxels, oblique(), header), tmp_path / "a.nii.gz")
    volume = read_nifti(tmp_path / "a.nii.gz", frame=frame)
    assert volume.array.dtype == (np.int16 if "i" in dtype else np.float32)
    assert volume.array.dtype.isnative
    assert volume.source.frame == frame
    expected = voxels if frame is None else voxels[..., frame]
    np.testing.assert_array_equal(volume.on_source(volume.array), expected)


def test_a_frame_of_a_volume_without_frames_is_not_recorded(tmp_path: Path) -> None:
    save(tmp_path / "a.nii.gz", np.zeros((3, 4, 5), np.int16))
    assert read_nifti(tmp_path / "a.nii.gz", frame=1).source.frame is None


def test_colour_and_complex(tmp_path: Path) -> None:
    colour = np.zeros((3, 4, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    colour["R"], colour["G"] = 200, 100
    nib.save(nib.Nifti1Image(colour, np.eye(4)), tmp_path / "c.nii")
    volume = read_nifti(tmp_path / "c.nii")
    assert volume.rgb[0, 0, 0].tolist() == [200, 100, 0]
    assert volume.array[0, 0, 0] == round(0.299 * 200 + 0.587 * 100)
    nib.save(nib.Nifti1Image(np.full((3, 4, 5), 3 + 4j, "c8"), np.eye(4)), tmp_path / "z.nii")
    volume = read_nifti(tmp_path / "z.nii")
    assert volume.array[0, 0, 0] == 5
    assert volume.source.notes == ("Complex voxels were read as their magnitude.",)


def test_analyze_states_no_orientation(tmp_path: Path) -> None:
    nib.save(nib.AnalyzeImage(np.zeros((3, 4, 5), np.int16), np.eye(4)), tmp_path / "a.img")
    assert "states no orientation" in read_nifti(tmp_path / "a.img").source.notes[0]


def test_damage_is_told_in_one_sentence(tmp_path: Path) -> None:
    save(tmp_path / "a.nii", np.zeros((30, 40, 50), np.int16))
    whole = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "cut.nii").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "head.nii").write_bytes(whole[:100])
    (tmp_path / "false.nii.gz").write_bytes(whole)
    nib.save(nib.Nifti1Pair(np.zeros((3, 4, 5), np.int16), np.eye(4)), tmp_path / "lone.img")
    (tmp_path / "lone.img").unlink()
    empty = bytearray(whole)
    empty[42:44] = (0).to_bytes(2, "little")  # dim[1]
    (tmp_path / "empty.nii").write_bytes(empty)
    flat = bytearray(whole)
    flat[280:328] = bytes(48)  # srow_x to srow_z
    (tmp_path / "flat.nii").write_bytes(flat)
    for name in ("cut.nii", "head.nii", "false.nii.gz", "lone.hdr", "empty.nii", "flat.nii"):
        with pytest.raises(MedadError) as error:
            read_nifti(tmp_path / name)
        assert str(tmp_path / name) in str(error.value)
        assert str(error.value).endswith(".")
        assert "\n" not in str(error.value)
