"""Segmentations, parametric maps and structure sets, opened again and compared voxel by voxel."""

from __future__ import annotations

import shutil
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest
from skimage.draw import polygon2mask

from napari_medad import export
from napari_medad.errors import MedadError
from napari_medad.export.source_series import source_series
from napari_medad.volumes.dicom import plane_affine
from napari_medad.volumes.itk import LPS_TO_RAS
from tests.export.conftest import SECRETS, SHAPE, write_series

GEOMETRIES = {
    "axial": {},
    "coronal": {"row": (1, 0, 0), "column": (0, 0, -1), "spacing": (0.9, 0.9)},
    "sagittal, anisotropic": {"row": (0, 1, 0), "column": (0, 0, -1), "spacing": (2.0, 0.7)},
    "oblique": {"row": (0.96, 0.28, 0), "column": (-0.25, 0.86, 0.44), "step": 2.0},
    "feet first, rows flipped": {"row": (-1, 0, 0), "column": (0, 1, 0)},
    "tilted gantry": {"tilt": 0.25},
}
DICOM = ("dicom-seg", "dicom-map", "rtstruct")


def written(folder: Path, ending: str) -> Path:
    (path,) = folder.glob(f"*{ending}.dcm")
    return path


def expected(detection, series: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each image's findings and scores [row, column], looked up in the patient's space.

    Independent of how the series is read: each pixel's place is worked out from the image's
    header alone, and the nearest voxel of the display volume taken.
    """
    found = {}
    for file in series.iterdir():
        header = pydicom.dcmread(file)
        columns, rows = np.meshgrid(np.arange(header.Columns), np.arange(header.Rows))
        index = np.stack([columns, rows, np.zeros_like(rows), np.ones_like(rows)], -1)
        place = index @ (LPS_TO_RAS @ plane_affine(header)).T
        voxel = (place @ np.linalg.inv(detection.volume.affine).T)[..., :3]
        x, y, z = np.moveaxis(np.rint(voxel).astype(int), -1, 0)
        inside = [(v >= 0) & (v < n) for v, n in zip((z, y, x), detection.mask.shape, strict=True)]
        assert np.all(inside)
        found[header.SOPInstanceUID] = (
            detection.mask[z, y, x],
            detection.maps["anomaly"][z, y, x],
        )
    return found


def segments(path: Path) -> dict[str, np.ndarray]:
    """Labels [row, column] by the image they lie on, as highdicom reads them."""
    segmentation = hd.seg.segread(path)
    uids = [uid for _, _, uid in segmentation.get_source_image_uids()]
    planes = segmentation.get_pixels_by_source_instance(
        uids,
        combine_segments=True,
        ignore_spatial_locations=True,
        assert_missing_frames_are_empty=True,
    )
    return dict(zip(uids, planes, strict=True))


def scores(path: Path) -> dict[str, np.ndarray]:
    """Float pixels [row, column] by the image they were derived from."""
    data = pydicom.dcmread(path)
    return {
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID: pixels
        for group, pixels in zip(
            data.PerFrameFunctionalGroupsSequence, data.pixel_array, strict=True
        )
    }


def structures(path: Path, series: Path) -> dict[str, np.ndarray]:
    """Labels [row, column] by image: pixels whose middle lies within an odd number of outlines."""
    data = pydicom.dcmread(path)
    headers = {h.SOPInstanceUID: h for h in map(pydicom.dcmread, series.iterdir())}
    labels = {uid: np.zeros((h.Rows, h.Columns), int) for uid, h in headers.items()}
    for roi in data.ROIContourSequence:
        for contour in roi.ContourSequence:
            uid = contour.ContourImageSequence[0].ReferencedSOPInstanceUID
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            places = nib.affines.apply_affine(np.linalg.inv(plane_affine(headers[uid])), points)
            assert np.abs(places[:, 2]).max() < 1e-3  # in the image's plane
            within = polygon2mask(labels[uid].shape, places[:, [1, 0]])
            labels[uid][within] = np.where(
                labels[uid][within] == 0, int(roi.ReferencedROINumber), 0
            )
    return labels


@pytest.mark.parametrize("name", GEOMETRIES)
def test_every_voxel_comes_back_on_its_image(detection_on, tmp_path, name):
    series = write_series(tmp_path / "series", **GEOMETRIES[name])
    detection = detection_on(series.folder)
    if name == "tilted gantry":  # resampled when read, so only the nearest voxel can be told
        assert detection.volume.source.grid.sheared
    export(detection, tmp_path / "out", DICOM)
    seg, maps = segments(written(tmp_path / "out", "seg")), scores(written(tmp_path / "out", "map"))
    outlines = structures(written(tmp_path / "out", "rtstruct"), series.folder)
    assert detection.findings[0].volume_ml > 0
    assert len(maps) == SHAPE[0]
    if name == "tilted gantry":
        source = source_series(detection.volume)
        planes = source.planes(detection.mask, detection.volume, labels=True)
        for image, labels in zip(source.images, planes, strict=True):
            np.testing.assert_array_equal(seg[image.SOPInstanceUID], labels)
            np.testing.assert_array_equal(outlines[image.SOPInstanceUID], labels)
        return
    for uid, (labels, values) in expected(detection, series.folder).items():
        np.testing.assert_array_equal(seg[uid], labels)
        np.testing.assert_array_equal(maps[uid], values)
        np.testing.assert_array_equal(outlines[uid], labels)


def test_a_real_series_with_its_own_headers(detection_on, tmp_path, real_data):
    folder = real_data / "dicom" / "mr_t1_structural_12of384"
    detection = detection_on(folder)
    export(detection, tmp_path / "out", DICOM)
    seg, maps = segments(written(tmp_path / "out", "seg")), scores(written(tmp_path / "out", "map"))
    outlines = structures(written(tmp_path / "out", "rtstruct"), folder)
    for uid, (labels, values) in expected(detection, folder).items():
        np.testing.assert_array_equal(seg[uid], labels)
        np.testing.assert_array_equal(maps[uid], values)
        np.testing.assert_array_equal(outlines[uid], labels)


def test_a_real_tilted_ct_of_unequal_gaps_is_sampled_image_by_image(
    detection_on, tmp_path, real_data
):
    folder = real_data / "dicom" / "ct_head_gantry_tilt"
    detection = detection_on(folder)
    export(detection, tmp_path / "out", ("dicom-seg", "dicom-map"))
    seg = segments(written(tmp_path / "out", "seg"))
    found = expected_inside(detection, folder)
    assert len(seg) == len(found)
    for uid, (labels, inside) in found.items():
        np.testing.assert_array_equal(seg[uid][inside], labels[inside])


def expected_inside(detection, series: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """As `expected`, and which pixels lie in the volume and clearly nearest to one voxel."""
    found = {}
    for file in series.iterdir():
        header = pydicom.dcmread(file, stop_before_pixels=True)
        columns, rows = np.meshgrid(np.arange(header.Columns), np.arange(header.Rows))
        index = np.stack([columns, rows, np.zeros_like(rows), np.ones_like(rows)], -1)
        place = index @ (LPS_TO_RAS @ plane_affine(header)).T
        voxel = (place @ np.linalg.inv(detection.volume.affine).T)[..., :3]
        nearest = np.rint(voxel).astype(int)
        clear = (np.abs(np.abs(voxel - nearest) - 0.5) > 1e-3).all(-1)
        x, y, z = np.moveaxis(nearest, -1, 0)
        inside = np.all(
            [(v >= 0) & (v <= n - 1) for v, n in zip(voxel.T, detection.mask.shape[::-1])], 0
        ).T
        z, y, x = (np.where(inside, v, 0) for v in (z, y, x))
        found[header.SOPInstanceUID] = detection.mask[z, y, x], inside & clear
    return found


def test_a_real_multiframe_image(detection_on, tmp_path, real_data):
    path = real_data / "dicom" / "mr_enhanced_multiframe_XA10" / "6_1.dcm"
    detection = detection_on(path)
    export(detection, tmp_path / "out", DICOM)
    segmentation = hd.seg.segread(written(tmp_path / "out", "seg"))
    source = source_series(detection.volume)
    planes = source.planes(detection.mask, detection.volume, labels=True)
    uid = pydicom.dcmread(path).SOPInstanceUID
    read = segmentation.get_pixels_by_source_frame(
        uid,
        range(1, len(planes) + 1),
        combine_segments=True,
        ignore_spatial_locations=True,
        assert_missing_frames_are_empty=True,
    )
    np.testing.assert_array_equal(read, planes)
    assert planes.any()
    contour = pydicom.dcmread(written(tmp_path / "out", "rtstruct")).ROIContourSequence[0]
    image = contour.ContourSequence[0].ContourImageSequence[0]
    assert (image.ReferencedSOPInstanceUID, image.ReferencedFrameNumber > 0) == (uid, True)


def test_a_nifti_is_attached_to_the_series_it_was_converted_from(detection_on, tmp_path):
    series = write_series(tmp_path / "series", **GEOMETRIES["oblique"])
    on_series = detection_on(series.folder)
    volume = on_series.volume
    flipped = volume.source.grid.affine @ np.diag([-1, 1, 1, 1])
    flipped[:3, 3] = nib.affines.apply_affine(
        volume.source.grid.affine, (volume.source.grid.shape[0] - 1, 0, 0)
    )
    stored = volume.on_source(volume.array)[::-1]
    nib.Nifti1Image(stored.astype(np.int16), flipped).to_filename(tmp_path / "case.nii.gz")
    detection = detection_on(tmp_path / "case.nii.gz")
    export(detection, tmp_path / "out", DICOM, series=series.folder)
    seg = segments(written(tmp_path / "out", "seg"))
    for uid, (labels, _) in expected(detection, series.folder).items():
        np.testing.assert_array_equal(seg[uid], labels)


@pytest.mark.parametrize("ending", ["seg", "map", "rtstruct"])
def test_patient_fields_stay_behind_unless_asked_for(detection_on, tmp_path, ending):
    series = write_series(tmp_path / "series")
    detection = detection_on(series.folder)
    export(detection, tmp_path / "without", DICOM)
    export(detection, tmp_path / "with", DICOM, keep_patient=True)
    source = pydicom.dcmread(next(series.folder.iterdir()))
    without = pydicom.dcmread(written(tmp_path / "without", ending))
    text = written(tmp_path / "without", ending).read_bytes()
    assert [secret for secret in SECRETS if secret.encode() in text] == []
    assert without.StudyInstanceUID == source.StudyInstanceUID
    kept = pydicom.dcmread(written(tmp_path / "with", ending))
    fields = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber")
    assert [kept[f].value for f in fields] == [source[f].value for f in fields]
    assert SECRETS[4].encode() not in written(tmp_path / "with", ending).read_bytes()


def test_untrained_weights_and_clinical_use_are_told(detection_on, tmp_path):
    series = write_series(tmp_path / "series")
    export(detection_on(series.folder, untrained=True), tmp_path / "out", DICOM)
    for path in (tmp_path / "out").iterdir():
        told = pydicom.dcmread(path).SeriesDescription
        assert told == "UNTRAINED MedAD moe: not for clinical use"


def test_a_series_that_has_gone_or_lacks_slices_is_one_sentence(detection_on, tmp_path):
    series = write_series(tmp_path / "series")
    detection = detection_on(series.folder)
    lost = sorted(series.folder.iterdir())[4]
    lost.rename(tmp_path / "lost.dcm")
    with pytest.raises(MedadError, match="an image for only 11 of the scan's 12 slices"):
        export(detection, tmp_path / "out", DICOM)
    shutil.rmtree(series.folder)
    with pytest.raises(MedadError, match="no longer at .*series; put it back"):
        export(detection, tmp_path / "out", DICOM)
    assert not (tmp_path / "out").exists()


def test_a_scan_of_another_format_or_grid_is_one_sentence(detection_on, tmp_path):
    nib.Nifti1Image(np.ones((26, 20, 12), np.int16), np.eye(4)).to_filename(tmp_path / "a.nii.gz")
    detection = detection_on(tmp_path / "a.nii.gz")
    with pytest.raises(MedadError, match="was not read from DICOM"):
        export(detection, tmp_path / "out", ["rtstruct"])
    series = write_series(tmp_path / "series")
    with pytest.raises(MedadError, match="does not lie on the voxels of the scan"):
        export(detection, tmp_path / "out", ["rtstruct"], series=series.folder)


def test_a_segmentation_without_findings_is_one_sentence(detection_on, tmp_path):
    series = write_series(tmp_path / "series")
    detection = detection_on(series.folder).at(threshold=2.0)
    with pytest.raises(MedadError, match="has no finding"):
        export(detection, tmp_path / "out", ["dicom-seg"])
