"""The DICOM series that a result belongs to, image by image in the order of its slices."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pydicom
from nibabel.affines import apply_affine

from napari_medad.errors import MedadError
from napari_medad.volumes.dicom import Series, acquisition_order, find_series, plane_affine
from napari_medad.volumes.itk import LPS_TO_RAS
from napari_medad.volumes.orientation import Grid, resample
from napari_medad.volumes.reader import read_volume
from napari_medad.volumes.series_geometry import SAME_PLACE, UNEQUAL_GAPS
from napari_medad.volumes.volume import Volume

OFF_GRID = 0.05
"""Part of a voxel that an image may lie off its slice by rounding of its header."""
GEOMETRY = (
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"),
    *("FrameOfReferenceUID", "PositionReferenceIndicator", "Modality", "ImageType"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
    *("ImageOrientationPatient", "ImagePositionPatient", "InstanceNumber"),
)
"""What a derived object needs of its source; nothing else is copied unless it is asked for."""
TIES = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
"""What ties a derived object to its series."""
EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "AccessionNumber", "StudyID", "ReferringPhysicianName"),
)
"""Fields that DICOM wants in every object and that may be empty."""
GROUPS = ("PixelMeasuresSequence", "PlaneOrientationSequence", "PlanePositionSequence")
"""The functional groups of multi-frame images that say where a frame lies."""


@dataclass(frozen=True, eq=False)
class SourceSeries:
    """A series whose images show a volume.

    Attributes
    ----------
    images : list of pydicom.Dataset
        Headers, one an image from the lowest slice up; a single one where it is multi-frame.
    affines : list of ndarray [4, 4]
        For each frame, from index (column, row, 0) to RAS mm.
    grid : Grid or None
        The source grid, where every frame is one of its slices.
    slices : ndarray of int
        Which of its slices each frame is.
    """

    images: list[pydicom.Dataset]
    affines: list[np.ndarray]
    grid: Grid | None
    slices: np.ndarray

    @property
    def multiframe(self) -> bool:
        """Whether one file holds all slices."""
        return "PerFrameFunctionalGroupsSequence" in self.images[0]

    def planes(self, values: np.ndarray, volume: Volume, *, labels: bool = False) -> np.ndarray:
        """A map or mask [z, y, x] as [frame, row, column] in the order of the images.

        Exact where the volume is the images' stack; where reading had to resample that, each
        image samples the volume at its own place (masks by nearest neighbour).
        """
        order = 0 if labels else 1
        if self.grid is not None:
            stack = resample(values.T, volume.affine, self.grid, order=order)
            return np.ascontiguousarray(stack.transpose(2, 1, 0)[self.slices])
        shape = (int(self.images[0].Columns), int(self.images[0].Rows), 1)
        return np.stack(
            [
                resample(values.T, volume.affine, Grid(shape, affine), order=order)[..., 0].T
                for affine in self.affines
            ]
        )

    def to_patient(self, points: np.ndarray, frame: int) -> np.ndarray:
        """Row and column [n, 2] of a frame -> DICOM patient coordinates [n, 3], LPS mm."""
        index = np.stack([points[:, 1], points[:, 0], np.zeros(len(points))], axis=1)
        return apply_affine(LPS_TO_RAS @ self.affines[frame], index)


def source_series(
    volume: Volume, series: Path | None = None, *, keep_patient: bool = False
) -> SourceSeries:
    """The series that a volume was read from, or another one on the same grid.

    Parameters
    ----------
    volume : Volume
    series : path, optional
        Folder or file of the series, where the volume itself came from another format.
    keep_patient : bool
        Carry everything of the headers. Default: only geometry and the UIDs that tie a
        derived object to its series.

    Raises
    ------
    MedadError
        If the volume came from no DICOM series, or that is gone, lacks slices or is another.
    """
    assert volume.source is not None
    path, grid = volume.source.path, volume.source.grid
    if series is not None:
        path = Path(series).expanduser()
        grid = _grid_of(path, volume)
    elif volume.source.reader != "dicom":
        raise MedadError(
            "The scan was not read from DICOM, so nothing can be attached to a series; name the "
            "series it was converted from, or export NIfTI."
        )
    if path is None or not path.exists():
        raise MedadError(
            f"The DICOM series is no longer at {path}; put it back, or name its new place."
        )
    resampled = any(note.startswith(UNEQUAL_GAPS) for note in volume.source.notes)
    found = [_matched(s, grid, volume.source.frame, resampled) for s in find_series(path)]
    best = max((s for s in found if s is not None), key=lambda s: len(s.affines), default=None)
    there, count = 0 if best is None else len(best.affines), grid.shape[2]
    if best is None or (there < count and not resampled):
        raise MedadError(
            f"The DICOM series at {path} has an image for only {there} of the scan's {count} "
            "slices; put the whole series back, or export NIfTI."
        )
    for keyword in TIES:
        if keyword not in best.images[0]:
            raise MedadError(
                f"The DICOM series at {path} has no {keyword}, without which nothing can be "
                "attached to it; export NIfTI."
            )
    images = best.images if keep_patient else [_anonymised(image) for image in best.images]
    for image in images:
        for keyword in EMPTY:
            if keyword not in image:
                setattr(image, keyword, "")
    return replace(best, images=images)


def _grid_of(path: Path, volume: Volume) -> Grid:
    """The grid of a series named by the user, which must be the volume's own but for turns."""
    held = read_volume(path)
    if not held.grid.same_as(volume.grid, tolerance=0.1):
        raise MedadError(
            f"The series at {path} does not lie on the voxels of the scan; name the series that "
            "the scan was converted from."
        )
    assert held.source is not None
    return held.source.grid


def _matched(series: Series, grid: Grid, frame: int | None, resampled: bool) -> SourceSeries | None:
    """The series' images that show a grid; None where none does."""
    headers = [_header(file) for file in series.files]
    if (headers[0].Columns, headers[0].Rows) != tuple(grid.shape[:2]) and not resampled:
        return None
    if len(headers) == 1 and "PerFrameFunctionalGroupsSequence" in headers[0]:
        return _matched_frames(headers[0], grid)
    normal = LPS_TO_RAS[:3, :3] @ plane_affine(headers[0])[:3, 2]
    placed: dict[int, list[tuple[pydicom.Dataset, np.ndarray]]] = {}
    for header in headers:
        affine = LPS_TO_RAS @ plane_affine(header)
        depth = round(float(affine[:3, 3] @ normal) / float(np.linalg.norm(normal)) / SAME_PLACE)
        if resampled or _slice_of(affine, grid) is not None:
            placed.setdefault(depth, []).append((header, affine))
    here = [sorted(placed[d], key=lambda p: acquisition_order(p[0])) for d in sorted(placed)]
    if not here or any(len(images) > 1 and not 0 <= (frame or 0) < len(images) for images in here):
        return None
    images, affines = zip(*(i[(frame or 0) if len(i) > 1 else 0] for i in here), strict=True)
    slices = [_slice_of(affine, grid) for affine in affines]
    if None in slices:
        return SourceSeries(list(images), list(affines), None, np.arange(len(images)))
    return SourceSeries(list(images), list(affines), grid, np.array(slices))


def _matched_frames(header: pydicom.Dataset, grid: Grid) -> SourceSeries | None:
    shared = header.SharedFunctionalGroupsSequence[0]
    affines = [
        LPS_TO_RAS @ plane_affine(header, shared, own)
        for own in header.PerFrameFunctionalGroupsSequence
    ]
    slices = [_slice_of(affine, grid) for affine in affines]
    if None in slices or len(set(slices)) < len(slices):
        return None
    own = header.PerFrameFunctionalGroupsSequence[0]
    for group in GROUPS[:2]:  # the same in all frames, which makes it a shared one
        if group not in shared and group in own:
            shared[group] = own[group]
    return SourceSeries([header], affines, grid, np.array(slices))


def _header(file: Path) -> pydicom.Dataset:
    with warnings.catch_warnings():  # of values that break the standard and do no harm here
        warnings.simplefilter("ignore")
        return pydicom.dcmread(file, stop_before_pixels=True)


def _slice_of(affine: np.ndarray, grid: Grid) -> int | None:
    """Number of the slice whose first voxel an image's first pixel is; None where none is."""
    index = apply_affine(np.linalg.inv(grid.affine), affine[:3, 3])
    nearest = np.rint(index)
    if np.abs(index - nearest).max() > OFF_GRID or nearest[:2].any():
        return None
    return int(nearest[2]) if 0 <= nearest[2] < grid.shape[2] else None


def _anonymised(header: pydicom.Dataset) -> pydicom.Dataset:
    """A header of geometry and UIDs; patient, study text and private fields stay behind."""
    out = pydicom.Dataset()
    for keyword in GEOMETRY:
        if keyword in header:
            out[keyword] = header[keyword]
    for sequence in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        if sequence in header:
            setattr(out, sequence, [_groups(item) for item in header.get(sequence)])
    out.file_meta = header.file_meta
    return out


def _groups(item: pydicom.Dataset) -> pydicom.Dataset:
    kept = pydicom.Dataset()
    for keyword in GROUPS:
        if keyword in item:
            kept[keyword] = item[keyword]
    return kept
