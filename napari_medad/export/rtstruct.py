"""Findings as a DICOM RT structure set.

Written with pydicom alone: the kept libraries that write structure sets draw outlines through
the middles of edge voxels, which makes every finding a voxel smaller, and bring a second Qt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid
from skimage.measure import find_contours

from napari_medad.export.dicom import SERIES_NUMBERS, equipment, label_of, save
from napari_medad.export.outcome import Outcome
from napari_medad.export.source_series import SourceSeries

RETIRED_STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"
"""Detached Study Management, which PS3.3 C.8.8.5 still names in the reference to a study."""
COLOURS = ((47, 214, 255), (255, 225, 77), (255, 120, 120), (130, 230, 130), (200, 150, 255))
PATIENT = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID"),
    *("StudyDate", "StudyTime", "AccessionNumber", "StudyID", "ReferringPhysicianName"),
)
CENTRE_OF_PIXEL = 0.5


def write_structures(
    outcome: Outcome, source: SourceSeries, folder: Path, tick: Callable[[], None]
) -> None:
    """Write `STEM_rtstruct.dcm`: an ROI for every finding, outlined on the source's images.

    Outlines run midway between voxels inside and outside, so that exactly the finding's voxel
    centres lie within them. A hole is an outline inside another (even-odd).
    """
    mask = source.planes(outcome.mask, outcome.volume, labels=True)
    dataset = _frame(source, outcome)
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    dataset.RTROIObservationsSequence = []
    reference = source.images[0].get("FrameOfReferenceUID", "")
    for number, finding in enumerate(outcome.findings, start=1):
        tick()
        name = label_of(finding.id, finding.category)
        colour = list(COLOURS[(number - 1) % len(COLOURS)])
        contours = [
            _contour(points, source, frame) for frame, points in _outlines(mask == finding.id)
        ]
        dataset.StructureSetROISequence.append(
            _item(
                ROINumber=number,
                ReferencedFrameOfReferenceUID=reference,
                ROIName=name,
                ROIGenerationAlgorithm="SEMIAUTOMATIC" if outcome.corrected else "AUTOMATIC",
            )
        )
        dataset.ROIContourSequence.append(
            _item(ReferencedROINumber=number, ROIDisplayColor=colour, ContourSequence=contours)
        )
        dataset.RTROIObservationsSequence.append(
            _item(
                ObservationNumber=number,
                ReferencedROINumber=number,
                RTROIInterpretedType="",
                ROIInterpreter="",
            )
        )
    save(dataset, folder / f"{outcome.stem}_rtstruct.dcm", outcome)


def _outlines(mask: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Frame and closed outline [n, 2] (row, column) of each region and hole of a mask."""
    for frame in np.flatnonzero(mask.any(axis=(1, 2))):
        padded = np.pad(mask[frame], 1).astype(np.float32)
        for points in find_contours(padded, CENTRE_OF_PIXEL):
            yield int(frame), points[:-1] - 1


def _contour(points: np.ndarray, source: SourceSeries, frame: int) -> pydicom.Dataset:
    placed = source.to_patient(points, frame)
    return _item(
        ContourImageSequence=[_image(source, frame)],
        ContourGeometricType="CLOSED_PLANAR",
        NumberOfContourPoints=len(points),
        ContourData=[f"{value:.4f}" for value in placed.ravel()],
    )


def _image(source: SourceSeries, frame: int) -> pydicom.Dataset:
    header = source.images[0 if source.multiframe else frame]
    item = _whole(header)
    if source.multiframe:
        item.ReferencedFrameNumber = frame + 1
    return item


def _frame(source: SourceSeries, outcome: Outcome) -> FileDataset:
    """Everything of the structure set but its structures."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        RTStructureSetStorage,
        generate_uid(),
    )
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    first, now = source.images[0], datetime.now(UTC)
    dataset.SpecificCharacterSet = first.get("SpecificCharacterSet", "ISO_IR 192")
    for keyword in PATIENT:
        setattr(dataset, keyword, first.get(keyword, ""))
    dataset.SOPClassUID, dataset.SOPInstanceUID = (
        RTStructureSetStorage,
        meta.MediaStorageSOPInstanceUID,
    )
    dataset.Modality, dataset.SeriesInstanceUID = "RTSTRUCT", generate_uid()
    dataset.SeriesNumber, dataset.InstanceNumber = SERIES_NUMBERS["rtstruct"], 1
    made_by = equipment()
    dataset.Manufacturer = made_by["manufacturer"]
    dataset.ManufacturerModelName = made_by["manufacturer_model_name"]
    dataset.SoftwareVersions = made_by["software_versions"]
    dataset.OperatorsName = ""
    dataset.StructureSetLabel, dataset.StructureSetName = "FINDINGS", outcome.stem[:64]
    dataset.StructureSetDescription = " ".join(outcome.statements)
    dataset.StructureSetDate = f"{now:%Y%m%d}"
    dataset.StructureSetTime = f"{now:%H%M%S}"
    dataset.ApprovalStatus = "UNAPPROVED"
    series = _item(
        SeriesInstanceUID=first.SeriesInstanceUID,
        ContourImageSequence=[_whole(header) for header in source.images],
    )
    study = _item(
        ReferencedSOPClassUID=RETIRED_STUDY_CLASS,
        ReferencedSOPInstanceUID=first.StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    dataset.ReferencedFrameOfReferenceSequence = [
        _item(
            FrameOfReferenceUID=first.get("FrameOfReferenceUID", ""),
            RTReferencedStudySequence=[study],
        )
    ]
    return dataset


def _whole(header: pydicom.Dataset) -> pydicom.Dataset:
    return _item(
        ReferencedSOPClassUID=header.SOPClassUID, ReferencedSOPInstanceUID=header.SOPInstanceUID
    )


def _item(**elements: object) -> pydicom.Dataset:
    item = pydicom.Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item
