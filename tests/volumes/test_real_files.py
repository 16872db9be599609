"""Every awkward and real file opens right, or is refused in one sentence."""

from __future__ import annotations

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from napari_medad.errors import MedadError
from napari_medad.volumes.reader import read_study

OPENS = {
    "awkward/CT_pitch.nii.gz": ((58, 248, 175), "uint8", (2.397, 0.812, 0.812)),
    "awkward/big_endian_f4.nii.gz": ((21, 64, 64), "float32", (6, 4, 4)),
    "awkward/complex64.nii.gz": ((44, 64, 64), "float32", (3.3, 3.297, 3.297)),
    "awkward/freesurfer_wm.mgz": ((256, 256, 256), "uint8", (1, 1, 1)),
    "awkward/int16_sclslope_spmMotor.nii.gz": ((79, 95, 79), "float32", (2, 2, 2)),
    "awkward/nan_voxels_be.nii": ((3, 21, 17), "float32", (8, 4, 4)),
    "awkward/nifti2.nii.gz": ((91, 109, 91), "float32", (2, 2, 2)),
    "awkward/no_orientation.nii.gz": ((10, 64, 64), "uint8", (3, 3, 3)),
    "awkward/pair/ras.hdr": ((34, 41, 62), "uint8", (2.366, 2.39, 2.385)),
    "awkward/pair/ras.img": ((34, 41, 62), "uint8", (2.366, 2.39, 2.385)),
    "awkward/rgb_ct_perfusion.nii.gz": ((15, 286, 256), "uint8", (10, 0.781, 0.781)),
    "awkward/shear.nii.gz": ((54, 504, 306), "float32", (2.249, 0.482, 0.482)),
    "dicom/ct_head_gantry_tilt": ((37, 610, 512), "int16", (4, 0.488, 0.488)),
    "dicom/mr_t1_structural_12of384": ((12, 384, 274), "int16", (0.667, 0.667, 0.7)),
    "dicom/compressed_and_odd/CT_small.dcm": ((1, 128, 128), "int16", (5, 0.661, 0.661)),
    "dicom/compressed_and_odd/693_J2KI.dcm": ((1, 512, 512), "int16", (5, 0.479, 0.479)),
    "dicom/compressed_and_odd/J2K_pixelrep_mismatch.dcm": ((1, 512, 512), "int16", None),
    "dicom/compressed_and_odd/JPEG2000.dcm": ((1, 1024, 256), "int16", None),
    "dicom/compressed_and_odd/examples_rgb_color.dcm": ((1, 240, 320), "uint8", None),
    "tumour/pyradiomics_brain1": ((25, 256, 256), "int16", (6.5, 0.781, 0.781)),
    "stroke/niivue_FLAIR.nii.gz": ((140, 160, 124), "uint8", (1, 1, 1)),
    "stroke/isles_sub-strokecase0001_dwi.nii.gz": ((73, 112, 112), "float32", (2, 2, 2)),
}
REFUSED = {
    "awkward/4d_pcasl.nii.gz": "4D with 10 frames; pick one with --frame 0 to 9",
    "awkward/5D_small.nii": "pick one with --frame",
    "awkward/not-nifti.nii": "cannot be read as a volume",
    "awkward/truncated_chris_PD.nii.gz": "truncated",
    "dicom/mr_enhanced_multiframe_XA10": "4 frames; pick one with --frame 0 to 3",
    "dicom/mr_mosaic_12bit": "3 mosaics; pick one with --frame 0 to 2",
    "dicom/compressed_and_odd/MR_truncated.dcm": "cannot be decoded",
    "dicom/compressed_and_odd/SC_rgb_rle_2frame.dcm": "2 frames",
    "dicom/compressed_and_odd/badVR.dcm": "without a scan",
    "dicom/compressed_and_odd/liver_1frame.dcm": "without a scan",
    "dicom/compressed_and_odd/reportsi.dcm": "without a scan",
    "dicom/compressed_and_odd/waveform_ecg.dcm": "without a scan",
    "dicom/compressed_and_odd/no_meta.dcm": "no image that can be read",
    "dicom/compressed_and_odd/JPGExtended.dcm": "12-bit",
    "dicom/compressed_and_odd/JPEG-lossy.dcm": "12-bit",
    "dicom/compressed_and_odd": "",
    "dicom/compressed_and_odd/meta_missing_tsyntax.dcm": "without a scan",
}


@pytest.mark.parametrize("name", OPENS)
def test_opens_with_its_shape_type_and_spacing(real_data: Path, name: str) -> None:
    shape, dtype, spacing = OPENS[name]
    volume = read_study(real_data / name).volume()
    assert volume.array.shape == shape
    assert volume.array.dtype == dtype
    assert volume.array.dtype.isnative
    assert np.linalg.det(volume.affine[:3, :3]) > 0  # left, posterior, superior is right-handed
    if spacing:
        assert volume.spacing == pytest.approx(spacing, abs=2e-3)


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_in_one_sentence(real_data: Path, name: str) -> None:
    with pytest.raises(MedadError) as error:
        read_study(real_data / name)
    text = str(error.value)
    assert REFUSED[name] in text
    assert "\n" not in text
    assert text.endswith(".")


def test_no_file_of_the_folders_crashes(real_data: Path) -> None:
    """Whatever lies there: a study or a sentence."""
    opened = refused = 0
    for folder in ("awkward", "dicom/compressed_and_odd"):
        for path in sorted((real_data / folder).rglob("*")):
            if path.is_file():
                try:
                    read_study(path)
                    opened += 1
                except MedadError:
                    refused += 1
    assert opened > 25
    assert refused > 8


def test_the_same_head_in_four_orders_is_the_same_array(real_data: Path) -> None:
    arrays = [
        read_study(real_data / "awkward" / "orient" / f"{order}.nii.gz").volume()
        for order in ("RAS", "AIL", "LSP", "PSR")
    ]
    for other in arrays[1:]:
        np.testing.assert_array_equal(other.array, arrays[0].array)
        np.testing.assert_allclose(other.affine, arrays[0].affine, atol=1e-3)


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE",
        "MR_small_jp2klossless",
        "MR_small_bigendian",
        "MR_small_jpeg_ls_lossless",
        "MR_small_implicit",
    ],
)
def test_lossless_transfer_syntaxes_agree(real_data: Path, name: str) -> None:
    folder = real_data / "dicom" / "compressed_and_odd"
    plain = read_study(folder / "MR_small.dcm").volume()
    np.testing.assert_array_equal(read_study(folder / f"{name}.dcm").volume().array, plain.array)


def test_enhanced_and_mosaic_frames(real_data: Path) -> None:
    enhanced = read_study(real_data / "dicom" / "mr_enhanced_multiframe_XA10", frame=1).volume()
    assert enhanced.array.shape == (6, 64, 64)
    assert enhanced.spacing == pytest.approx((2.4, 3.38, 3.38), abs=0.01)
    mosaic = read_study(real_data / "dicom" / "mr_mosaic_12bit", frame=2).volume()
    assert mosaic.array.shape == (35, 64, 64)
    assert mosaic.spacing == pytest.approx((3.2, 3.25, 3.25), abs=0.01)
    assert mosaic.array.std() > 50


def test_mosaic_tiles_and_their_place(real_data: Path) -> None:
    """Six by six tiles of 64; the header's position is that of the whole mosaic's corner."""
    path = real_data / "dicom" / "mr_mosaic_12bit" / "12bitUnsigned.dcm"
    dataset = pydicom.dcmread(path)
    volume = read_study(path).volume()
    tiles = dataset.pixel_array.reshape(6, 64, 6, 64).transpose(0, 2, 1, 3).reshape(36, 64, 64)
    np.testing.assert_array_equal(volume.on_source(volume.array), tiles[:35].transpose(2, 1, 0))
    row, column = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
    middle = np.array(dataset.ImagePositionPatient, float) + (384 - 64) / 2 * 3.25 * (row + column)
    lps = np.diag([-1, -1, 1]) @ volume.source.grid.affine[:3, 3]
    np.testing.assert_allclose(lps, middle, atol=1e-3)


def test_enhanced_frames_lie_where_their_functional_groups_say(real_data: Path) -> None:
    path = real_data / "dicom" / "mr_enhanced_multiframe_XA10" / "6_1.dcm"
    dataset = pydicom.dcmread(path)
    volume = read_study(path).volume()
    grid = volume.source.grid
    voxels = volume.on_source(volume.array)
    groups = dataset.PerFrameFunctionalGroupsSequence
    for pixels, group in zip(dataset.pixel_array, groups, strict=True):
        place = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float) * (-1, -1, 1)
        index = nib.affines.apply_affine(np.linalg.inv(grid.affine), place)
        np.testing.assert_allclose(index, (0, 0, round(index[2])), atol=1e-3)
        np.testing.assert_array_equal(voxels[:, :, round(index[2])], pixels.T)


def test_a_tilted_head_keeps_its_stored_slices(real_data: Path) -> None:
    """Slices that lie on the regular grid are the stored ones, in HU, air outside."""
    folder = real_data / "dicom" / "ct_head_gantry_tilt"
    volume = read_study(folder).volume()
    assert volume.source.grid.sheared
    assert "Unequal slice gaps (1.08 to 7 mm) were resampled to 4" in volume.source.notes[0]
    assert volume.array[0, 0, 0] < -900
    slices = [pydicom.dcmread(path) for path in folder.iterdir()]
    first = min(slices, key=lambda d: d.ImagePositionPatient[2])
    lps = volume.source.grid.affine[:3, 3] * (-1, -1, 1)
    np.testing.assert_allclose(lps, np.array(first.ImagePositionPatient, float), atol=1e-6)


def test_a_brats_folder_is_a_study_without_its_mask(real_data: Path) -> None:
    study = read_study(real_data / "tumour" / "BraTS-GLI-00000-000")
    assert sorted(study.volumes) == ["t1c", "t1n", "t2f", "t2w"]
    assert study.name == "BraTS-GLI-00000-000"
    assert study.reference == "t2f"
    other = read_study(real_data / "tumour" / "brats_2013_pat0005_1")
    assert sorted(other.volumes) == ["t1c", "t2f"]
    native = read_study(real_data / "tumour" / "TCGA-FG-6692_native")
    assert sorted(native.volumes) == ["t1c", "t1n", "t2f", "t2w"]
    assert len({v.array.shape for v in native.volumes.values()}) == 1
    assert sum("Resampled" in note for note in native.notes) >= 2


def test_values_are_those_that_nibabel_reads(real_data: Path) -> None:
    path = real_data / "awkward" / "int16_sclslope_spmMotor.nii.gz"
    volume = read_study(path).volume()
    expected = nib.load(path).get_fdata()
    np.testing.assert_allclose(volume.on_source(volume.array), expected, rtol=1e-5, atol=1e-5)


def test_no_patient_name_in_names_or_notes(real_data: Path) -> None:
    for name in ("dicom/mr_t1_structural_12of384", "dicom/ct_head_gantry_tilt"):
        study = read_study(real_data / name)
        said = " ".join([study.name, *study.volumes, *study.notes])
        assert not re.search("jane|doe|removed", said, re.IGNORECASE)
