"""DICOM studies in trees whose folders bear patients' names."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from napari_medad.cohorts.folders import find_cohort
from napari_medad.errors import MedadError


def write_series(folder: Path, study: str, slices: int = 3, patient: str = "Doe^Jane") -> Path:
    """A small MR series."""
    folder.mkdir(parents=True, exist_ok=True)
    series, frame = generate_uid(), generate_uid()
    for number in range(slices):
        data = pydicom.Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.SOPClassUID, data.SOPInstanceUID = MRImageStorage, generate_uid()
        data.file_meta.MediaStorageSOPClassUID = MRImageStorage
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.PatientName, data.PatientID, data.Modality = patient, patient, "MR"
        data.StudyInstanceUID, data.SeriesInstanceUID = study, series
        data.FrameOfReferenceUID, data.InstanceNumber = frame, number + 1
        data.Rows = data.Columns = 4
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = 15, 0, 1
        data.PhotometricInterpretation = "MONOCHROME2"
        data.PixelSpacing, data.SliceThickness = [1, 1], 1
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.ImagePositionPatient = [0, 0, number]
        data.PixelData = np.full((4, 4), number + 1, np.uint16).tobytes()
        data.save_as(folder / f"IM{number:04d}", enforce_file_format=True)
    return folder


def test_studies_are_told_apart_by_their_uids_and_named_after_neither_patient_nor_uid(tmp_path):
    write_series(tmp_path / "DOE_JANE" / "s1", "1.2.3")
    write_series(tmp_path / "DOE_JANE" / "s2", "1.2.3")
    write_series(tmp_path / "ROE_JOHN" / "s1", "1.2.4", patient="Roe^John")
    held = {study.where: study.name for study in find_cohort(tmp_path).studies}
    assert set(held) == {tmp_path / "DOE_JANE", tmp_path / "ROE_JOHN" / "s1"}
    # sha256 of "1.2.3" and "1.2.4", as sha256sum says
    assert held[tmp_path / "DOE_JANE"] == "study-c47f5b18b8a4"
    assert not any("1.2" in name or "DOE" in name.upper() for name in held.values())


def test_series_of_one_study_beside_another_study_are_read_together(tmp_path):
    write_series(tmp_path / "a", "1.2.3", slices=3)
    write_series(tmp_path / "b", "1.2.3", slices=2)
    write_series(tmp_path / "c", "1.2.4")
    whole = next(s for s in find_cohort(tmp_path).studies if isinstance(s.where, tuple))
    assert whole.where == (tmp_path / "a", tmp_path / "b")
    study = whole.read()
    assert study.name == whole.name
    assert [volume.source.path for volume in study.volumes.values()] == [*whole.where]


def test_a_single_study_stays_one(tmp_path):
    write_series(tmp_path / "s1", "1.2.3")
    write_series(tmp_path / "s2", "1.2.3")
    assert find_cohort(tmp_path) is None
    assert [s.where for s in find_cohort(tmp_path, cohort=True).studies] == [tmp_path]


def test_a_folder_that_mixes_studies_is_a_bad_study(tmp_path):
    write_series(tmp_path / "good", "1.2.3")
    write_series(tmp_path / "mixed", "1.2.4")
    (tmp_path / "mixed" / "IM0000").rename(tmp_path / "mixed" / "IM9999")
    write_series(tmp_path / "mixed", "1.2.5", slices=1)
    bad = next(s for s in find_cohort(tmp_path).studies if s.problem)
    with pytest.raises(MedadError, match="images of several DICOM studies; sort them"):
        bad.read()
