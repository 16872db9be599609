"""DICOM: classic series, enhanced multi-frame, Siemens mosaics and single images."""

from __future__ import annotations

import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array

from napari_medad.errors import MedadError
from napari_medad.volumes.intensity import rescaled
from napari_medad.volumes.itk import LPS_TO_RAS
from napari_medad.volumes.modality import modality_of
from napari_medad.volumes.series_geometry import Slab, place_slices
from napari_medad.volumes.volume import Volume

MODALITIES = {"CT": "ct", "US": "us", "CR": "xr", "DX": "xr", "PT": "pet"}
"""Modalities that DICOM's own field tells; of MR the series description tells the contrast."""

NOT_SCANS = {"SEG", "SR", "ECG", "RTSTRUCT", "RTPLAN", "RTDOSE", "PR", "KO", "REG", "DOC"}


@dataclass(frozen=True)
class Series:
    """The image files of one DICOM series."""

    number: int
    files: tuple[Path, ...]
    name: str


def find_series(path: Path) -> list[Series]:
    """The image series in a file or folder, by series number. Reads headers only.

    Raises
    ------
    MedadError
        If there is no DICOM image, or images of several patients.
    """
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    groups: dict[str, list[tuple[Path, pydicom.Dataset]]] = defaultdict(list)
    reasons = []
    for file in files:
        try:
            header = _header(file)
        except MedadError as error:
            reasons.append(str(error))
            continue
        if header is not None:
            groups[str(header.get("SeriesInstanceUID", ""))].append((file, header))
    if not groups:
        if len(files) == 1 and reasons:
            raise MedadError(reasons[0])
        raise MedadError(
            f"{path} holds no image that can be read; give NIfTI, MGZ, NRRD, MetaImage, DICOM, "
            "PNG, JPEG or TIFF."
        )
    patients = {str(h.get("PatientID", "")) for group in groups.values() for _, h in group}
    if len(patients) > 1:
        raise MedadError(
            f"{path} holds DICOM images of {len(patients)} patients; give the folder of one."
        )
    found = [
        Series(int(h.get("SeriesNumber", None) or 0), tuple(f for f, _ in group), _name(h))
        for group in groups.values()
        for h in (group[0][1],)
    ]
    return sorted(found, key=lambda series: (series.number, series.files))


def read_series(series: Series, *, frame: int | None = None) -> Volume:
    """Read one series as a volume with its exact geometry.

    Positions and orientation come from Image Position and Image Orientation (Patient).
    Rescale slope and intercept are applied; MONOCHROME1 is inverted; a tilted gantry's
    sheared grid and unequal gaps are resampled, and the volume's notes say so.

    Raises
    ------
    MedadError
        If pixels cannot be decoded, or the slices do not make one regular stack.
    """
    where = series.files[0] if len(series.files) == 1 else series.files[0].parent
    first = _dataset(series.files[0])
    modality = MODALITIES.get(str(first.get("Modality", "")), series.name or None)
    if "MOSAIC" in first.get("ImageType", ()):
        mosaics = [_dataset(file) for file in series.files]
        slab = _mosaic(_pick(mosaics, frame, where, "mosaics"), where)
    else:  # one file in memory at a time
        slices = [part for file in series.files for part in _slices(_dataset(file), where)]
        slab = place_slices(slices, frame, str(where))
    notes = slab.notes
    if not _states_spacing(first):
        notes = (*notes, "The image states no pixel size; 1 mm was assumed.")
    return Volume.from_grid(
        slab.voxels,
        LPS_TO_RAS @ slab.affine,
        modality=modality,
        path=where,
        reader="dicom",
        frame=frame,
        notes=notes,
    )


def _header(file: Path) -> pydicom.Dataset | None:
    """Header of an image file; None for what is not DICOM."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True)
            modality, rows = str(header.get("Modality", "")), header.get("Rows")
        except InvalidDicomError:
            return None
        except Exception as error:
            raise MedadError(
                f"{file} is a damaged DICOM file ({error}); export it again."
            ) from None
    if modality in NOT_SCANS or rows is None:
        raise MedadError(
            f"{file} is a DICOM object without a scan ({modality or 'unknown kind'}); give an "
            "image series."
        )
    return header


def _dataset(file: Path) -> pydicom.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(file)


def _name(header: pydicom.Dataset) -> str:
    """Modality that the series description tells; the description itself never leaves here."""
    return modality_of(str(header.get("SeriesDescription", ""))) or ""


def _pick(
    datasets: list[pydicom.Dataset], frame: int | None, where: Path, what: str
) -> pydicom.Dataset:
    if len(datasets) == 1:
        return datasets[0]
    if frame is None or not 0 <= frame < len(datasets):
        raise MedadError(
            f"{where} holds {len(datasets)} {what}; pick one with --frame 0 to {len(datasets) - 1}."
        )
    ordered = sorted(datasets, key=lambda d: int(d.get("InstanceNumber", None) or 0))
    return ordered[frame]


def _mosaic(dataset: pydicom.Dataset, where: Path) -> Slab:
    """Siemens mosaic, unpacked by nibabel (which reads the CSA header)."""
    with warnings.catch_warnings():  # nibabel announces that it knows Siemens only
        warnings.simplefilter("ignore")
        from nibabel.nicom.dicomwrappers import wrapper_from_data
    try:
        wrapper = wrapper_from_data(dataset)
        rows_first = np.asarray(wrapper.get_unscaled_data())
        affine = wrapper.affine @ np.array(
            [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]
        )
    except Exception as error:
        raise MedadError(f"{where} is a mosaic that cannot be unpacked ({error}).") from None
    slope, intercept = dataset.get("RescaleSlope", 1), dataset.get("RescaleIntercept", 0)
    return Slab(rescaled(np.swapaxes(rows_first, 0, 1), slope, intercept), affine)


def _slices(dataset: pydicom.Dataset, where: Path) -> list[Slab]:
    """Each frame of a dataset as a slab of one slice with its own LPS affine."""
    frames = _pixels(dataset, where)
    shared = _first(dataset, "SharedFunctionalGroupsSequence")
    own = dataset.get("PerFrameFunctionalGroupsSequence") or [None] * len(frames)
    slabs = []
    for pixels, groups in zip(frames, own, strict=False):
        affine = plane_affine(dataset, shared, groups)
        scaled = rescaled(pixels, *_scale(shared, groups))
        slabs.append(
            Slab(np.swapaxes(scaled, 0, 1)[:, :, None], affine, order=acquisition_order(dataset))
        )
    return slabs


def _pixels(dataset: pydicom.Dataset, where: Path) -> np.ndarray:
    """Decoded frames [frame, row, column(, rgb)], modality LUT applied."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stored = pixel_array(dataset)
            kind = str(dataset.PhotometricInterpretation)
            if kind == "MONOCHROME1":
                stored = _inverted(stored, dataset)
            if kind == "PALETTE COLOR":
                stored = apply_color_lut(stored, dataset)
            elif "ModalityLUTSequence" in dataset:
                stored = apply_modality_lut(stored, dataset)
    except Exception as error:
        syntax = getattr(dataset.file_meta.get("TransferSyntaxUID"), "name", "unknown encoding")
        reason = (str(error).splitlines() or [type(error).__name__])[-1].strip(" :.")
        raise MedadError(
            f"The pixels of {where} ({syntax}) cannot be decoded ({reason}); export the series "
            "uncompressed."
        ) from None
    colour = int(dataset.get("SamplesPerPixel", 1)) == 3 or kind == "PALETTE COLOR"
    frames = stored if stored.ndim == (4 if colour else 3) else stored[None]
    if colour:
        return frames[..., :3].astype(np.uint8)
    slope, intercept = dataset.get("RescaleSlope", 1), dataset.get("RescaleIntercept", 0)
    return rescaled(frames, 1 if slope is None else slope, intercept or 0)


def _inverted(stored: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """MONOCHROME1 (low is white) turned about the stored bits' range, one for all slices."""
    bits = int(dataset.BitsStored)
    ends = -1 if int(dataset.PixelRepresentation) else (1 << bits) - 1
    return (ends - stored.astype(np.int64)).astype(stored.dtype)


def _states_spacing(dataset: pydicom.Dataset) -> bool:
    if "PerFrameFunctionalGroupsSequence" in dataset or "MOSAIC" in dataset.get("ImageType", ()):
        return True
    return bool(dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing"))


def plane_affine(
    dataset: pydicom.Dataset,
    shared: pydicom.Dataset | None = None,
    own: pydicom.Dataset | None = None,
) -> np.ndarray:
    """LPS affine [4, 4] from (column, row, slice) index of one plane (PS3.3 C.7.6.2.1.1)."""
    measures = _group("PixelMeasuresSequence", own, shared) or dataset
    orientation = _group("PlaneOrientationSequence", own, shared) or dataset
    position = _group("PlanePositionSequence", own, shared) or dataset
    spacing = measures.get("PixelSpacing") or dataset.get("ImagerPixelSpacing") or (1.0, 1.0)
    cosines = np.array(orientation.get("ImageOrientationPatient") or (1, 0, 0, 0, 1, 0), float)
    thickness = measures.get("SliceThickness") or 1.0
    along_row, along_column = cosines[:3], cosines[3:]
    affine = np.eye(4)
    affine[:3, 0] = along_row * float(spacing[1])
    affine[:3, 1] = along_column * float(spacing[0])
    affine[:3, 2] = np.cross(along_row, along_column) * float(thickness)
    affine[:3, 3] = np.array(position.get("ImagePositionPatient") or (0, 0, 0), float)
    return affine


def _scale(shared: pydicom.Dataset | None, own: pydicom.Dataset | None) -> tuple[float, float]:
    group = _group("PixelValueTransformationSequence", own, shared)
    if group is None:
        return 1.0, 0.0
    return float(group.get("RescaleSlope", 1)), float(group.get("RescaleIntercept", 0))


def _group(
    name: str, own: pydicom.Dataset | None, shared: pydicom.Dataset | None
) -> pydicom.Dataset | None:
    """A functional group of a frame: its own, else the shared one."""
    return _first(own, name) or _first(shared, name)


def _first(dataset: pydicom.Dataset | None, name: str) -> pydicom.Dataset | None:
    sequence = dataset.get(name) if dataset is not None else None
    return sequence[0] if sequence else None


def acquisition_order(dataset: pydicom.Dataset) -> tuple[float, float]:
    """Acquisition order of images at the same place."""
    when = dataset.get("TemporalPositionIdentifier") or dataset.get("AcquisitionNumber") or 0
    return float(when), float(dataset.get("InstanceNumber", None) or 0)
