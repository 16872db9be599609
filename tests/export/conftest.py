"""A series written here with known geometry, and a detection on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from napari_medad.results.detection import Detection
from napari_medad.results.run_record import RunRecord, SourceRecord, WeightsRecord
from napari_medad.volumes.reader import read_study
from napari_medad.volumes.study import Study

SECRETS = ("DOE^JANE", "HOSPITAL-42", "19610203", "ACC-77", "PRIVATE-NOTE")
SHAPE = (12, 20, 26)


@dataclass(frozen=True)
class Series:
    """Where it lies, and each image's first pixel and axes in LPS mm."""

    folder: Path
    positions: list[np.ndarray]
    row: np.ndarray
    column: np.ndarray
    spacing: tuple[float, float]


def write_series(
    folder: Path,
    *,
    row: tuple[float, ...] = (1, 0, 0),
    column: tuple[float, ...] = (0, 1, 0),
    spacing: tuple[float, float] = (1.5, 0.5),
    step: float = 3.0,
    tilt: float = 0.0,
    depths: list[float] | None = None,
) -> Series:
    """An MR series; `spacing` is that of rows and columns, a negative step is caudal order."""
    folder.mkdir(parents=True)
    along, down = (np.array(v) / np.linalg.norm(v) for v in (row, column))
    normal = np.cross(along, down)
    depths = depths or [step * k for k in range(SHAPE[0])]
    positions = [np.array([-20.0, 11, -33]) + d * (normal + tilt * down) for d in depths]
    rng, study, uid = np.random.default_rng(0), generate_uid(), generate_uid()
    frame_of_reference = generate_uid()
    for number, position in enumerate(positions):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = MRImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        data.StudyInstanceUID, data.SeriesInstanceUID = study, uid
        data.FrameOfReferenceUID, data.Modality, data.SeriesNumber = frame_of_reference, "MR", 4
        data.PatientName, data.PatientID = SECRETS[0], SECRETS[1]
        data.PatientBirthDate, data.PatientSex = SECRETS[2], "F"
        data.StudyDate, data.StudyTime, data.AccessionNumber = "20260101", "120000", SECRETS[3]
        data.StudyID, data.ReferringPhysicianName = "1", ""
        data.private_block(0x11, "SECRET", create=True).add_new(1, "LO", SECRETS[4])
        data.InstanceNumber = number + 1
        data.Rows, data.Columns = SHAPE[1:]
        data.PixelSpacing, data.SliceThickness = list(spacing), abs(step)
        data.ImageOrientationPatient = [*along, *down]
        data.ImagePositionPatient = [float(v) for v in position]
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        data.PixelRepresentation = 0
        data.PixelData = rng.integers(0, 1000, SHAPE[1:]).astype(np.uint16).tobytes()
        data.save_as(folder / f"{(number * 7) % 97:03d}.dcm", enforce_file_format=True)
    return Series(folder, positions, along, down, spacing)


def painted(shape: tuple[int, ...]) -> np.ndarray:
    """An anomaly map with two lopsided findings, one with a hole, on a ramp of low scores."""
    anomaly = np.linspace(0, 0.4, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    z, y, x = (n // 3 for n in shape)
    anomaly[z : z + 3, y : y + 6, x : x + 7] = 0.75
    anomaly[z : z + 2, y + 2 : y + 4, x + 2 : x + 5] = 0.1
    anomaly[z + 1, y + 6, x] = 0.9
    anomaly[-2:, 1:3, 1:2] = 0.6
    return anomaly


@pytest.fixture
def detection_on() -> Callable[..., Detection]:
    """Make a detection on a file or folder, or on a study."""

    def make(source: Path | Study, *, untrained: bool = False, **maps: np.ndarray) -> Detection:
        study = source if isinstance(source, Study) else read_study(source)
        volume = study.volume()
        anomaly = painted(volume.array.shape)
        weights = WeightsRecord(state="untrained" if untrained else "starter", name="w")
        record = RunRecord(
            case=study.name,
            input=None if study.path is None else str(study.path),
            detector="moe",
            volume=study.reference,
            threshold_value=0.5,
            threshold_source="set by the user",
            weights=weights,
            sources=[SourceRecord(volume=study.reference, path=str(study.path))],
        )
        scores = anomaly.max(axis=(1, 2))
        scores[0] = np.nan
        everywhere = np.ones(anomaly.shape, bool)
        held = {"anomaly": anomaly, **maps}
        return Detection(study, "moe", held, scores, everywhere, 0.5, 0.0, record)

    return make
