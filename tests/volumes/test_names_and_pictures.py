"""What names tell, pictures, and the errors of reading."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_medad.errors import MedadError
from napari_medad.volumes.modality import is_scan, modality_of
from napari_medad.volumes.reader import case_name, read_study, read_volume
from napari_medad.volumes.slices import SlicePlan


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("BraTS-GLI-00000-000-t1n", "t1n"),
        ("BraTS-GLI-00000-000-t1c", "t1c"),
        ("case_t1ce", "t1c"),
        ("sub-01_ses-02_T1w", "t1n"),
        ("sub-01_ce-gad_T1w", "t1c"),
        ("sub-01_FLAIR", "t2f"),
        ("Flair_subtrMeanDivStd", "t2f"),
        ("T1c_subtrMeanDivStd", "t1c"),
        ("TCGA-FG-6692_fla", "t2f"),
        ("head_CT", "ct"),
        ("patient19_FLAIR", "t2f"),
        ("UPENN-GBM-00001_T1GD", "t1c"),
        ("AX T1 MPRAGE POST", "t1c"),
        ("AX T1 PRE", "t1n"),
        ("t1_mprage_sag", "t1n"),
        ("T1w_acpc_dc_restore_brain", "t1n"),
        ("AX T2 FLAIR", "t2f"),
        ("ep2d_diff_trace", "dwi"),
        ("scan", None),
        ("flat1000", None),
    ],
)
def test_modality_from_a_name(name: str, modality: str | None) -> None:
    assert modality_of(name) == modality


@pytest.mark.parametrize(
    ("name", "scan"),
    [
        ("BraTS-GLI-00000-000-seg", False),
        ("patient19_lesionmask", False),
        ("OTMultiClass", False),
        ("brainmask", False),
        ("case_moe_anomaly", False),
        ("case_t1ce", True),
        ("segovia_t1", True),
    ],
)
def test_masks_and_maps_are_not_scans(name: str, scan: bool) -> None:
    assert is_scan(name) is scan


def test_case_names_lose_only_image_endings() -> None:
    assert case_name(Path("a/b.c_t1.nii.gz")) == "b.c_t1"
    assert case_name(Path("a/slice.001.png")) == "slice.001"
    assert case_name(Path("a/series.17")) == "series.17"


@pytest.mark.parametrize("ending", ["png", "tif", "jpg"])
def test_a_grey_picture_is_a_study_of_one_slice(tmp_path: Path, ending: str) -> None:
    pixels = np.tile(np.arange(0, 240, 2, dtype=np.uint8), (80, 1))
    Image.fromarray(pixels).save(tmp_path / f"p.{ending}")
    volume = read_study(tmp_path / f"p.{ending}").volume()
    assert volume.array.shape == (1, 80, 120)
    assert volume.rgb is None
    np.testing.assert_allclose(volume.array[0], pixels, atol=3)
    assert "1 mm was assumed" in volume.source.notes[0]


def test_colour_gives_luminance_and_rgb(tmp_path: Path) -> None:
    pixels = np.zeros((10, 12, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = 200, 100
    Image.fromarray(pixels).save(tmp_path / "c.png")
    volume = read_volume(tmp_path / "c.png")
    np.testing.assert_array_equal(volume.rgb[0], pixels)
    assert volume.array[0, 0, 0] == round(0.299 * 200 + 0.587 * 100)


def test_sixteen_bit_and_pages(tmp_path: Path) -> None:
    deep = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    Image.fromarray(deep).save(tmp_path / "d.png")
    np.testing.assert_array_equal(read_volume(tmp_path / "d.png").array[0], deep)
    pages = np.random.default_rng(0).integers(0, 255, (3, 8, 9)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "s.tif", pages, photometric="minisblack")
    with pytest.raises(MedadError, match="3 pages; pick one with --frame 0 to 2"):
        read_volume(tmp_path / "s.tif")
    np.testing.assert_array_equal(read_volume(tmp_path / "s.tif", frame=2).array[0], pages[2])


def test_tiff_that_stores_white_as_zero_planes_apart_or_deep_colour(tmp_path: Path) -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    tifffile.imwrite(tmp_path / "w.tif", grey, photometric="miniswhite")
    np.testing.assert_array_equal(read_volume(tmp_path / "w.tif").array[0], 255 - grey)
    colour = np.random.default_rng(0).integers(0, 255, (3, 8, 9)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "p.tif", colour, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_volume(tmp_path / "p.tif").rgb[0], np.moveaxis(colour, 0, 2))
    deep = np.moveaxis(colour, 0, 2).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "d.tif", deep, photometric="rgb")
    np.testing.assert_array_equal(read_volume(tmp_path / "d.tif").rgb[0], deep // 257)
    tifffile.imwrite(tmp_path / "f.tif", deep / 65535, photometric="rgb")
    assert read_volume(tmp_path / "f.tif").rgb[0].max() == 255


def test_a_folder_of_pictures_is_no_study(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / f"{name}.png")
    with pytest.raises(MedadError, match="2 pictures, which make no study together; give one"):
        read_study(tmp_path)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.nrrd", "a.mha", "a.png", "a.tif"])
@pytest.mark.parametrize("content", [b"", b"not an image at all" * 40])
def test_damaged_files_are_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MedadError) as error:
        read_study(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_frames_singletons_and_singular_affines(tmp_path: Path) -> None:
    four = np.arange(24 * 2, dtype=np.int16).reshape(2, 3, 4, 2)
    nib.save(nib.Nifti1Image(four, np.eye(4)), tmp_path / "f.nii")
    with pytest.raises(MedadError, match="no frame 5; its 2 frames are 0 to 1"):
        read_volume(tmp_path / "f.nii", frame=5)
    volume = read_volume(tmp_path / "f.nii", frame=1)
    np.testing.assert_array_equal(volume.on_source(volume.array), four[..., 1])
    nib.save(nib.Nifti1Image(four[..., :1], np.eye(4)), tmp_path / "one.nii")
    assert read_volume(tmp_path / "one.nii").array.shape == (4, 3, 2)


def test_a_mapping_names_the_volumes(tmp_path: Path) -> None:
    for name in ("x", "y"):
        nib.save(nib.Nifti1Image(np.ones((3, 4, 5), np.int16), np.eye(4)), tmp_path / f"{name}.nii")
    study = read_study({"t1n": tmp_path / "x.nii", "t2f": tmp_path / "y.nii"})
    assert study.reference == "t2f"
    assert study.volumes["t1n"].modality == "t1n"
    with pytest.raises(MedadError, match=r"no volume 'ct'; it has t1n, t2f"):
        study.volume("ct")


def test_two_scans_of_one_modality_in_a_folder_are_refused(tmp_path: Path) -> None:
    for name in ("a_t1", "b_t1"):
        image = nib.Nifti1Image(np.ones((3, 4, 5), np.int16), np.eye(4))
        nib.save(image, tmp_path / f"{name}.nii")
    with pytest.raises(MedadError, match="two images that look like t1n"):
        read_study(tmp_path)


def test_slice_plans_crop_and_order() -> None:
    foreground = np.zeros((10, 30, 40), bool)
    foreground[3:8, 12:20, 5:9] = True
    plan = SlicePlan.of(foreground, "axial", margin=2)
    assert plan.indices.tolist() == [3, 4, 5, 6, 7]
    assert plan.box == (slice(10, 22), slice(3, 11))
    assert [b.tolist() for b in plan.batches(2, start=5)] == [[5, 4], [6, 3], [7]]
    sagittal = SlicePlan.of(foreground, "sagittal", margin=0)
    assert sagittal.indices.tolist() == [5, 6, 7, 8]
    assert sagittal.view(foreground).shape == (40, 5, 8)
    empty = SlicePlan.of(np.zeros((3, 4, 5), bool), "coronal")
    assert empty.indices.tolist() == [0, 1, 2, 3]
