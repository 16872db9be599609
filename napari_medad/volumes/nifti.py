"""NIfTI-1/2, Analyze-style pairs and MGZ through nibabel; NIfTI out on the source's grid."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader

from napari_medad.atomic import replacing
from napari_medad.errors import MedadError
from napari_medad.volumes.intensity import rescaled
from napari_medad.volumes.orientation import Grid, resample
from napari_medad.volumes.volume import Volume

ENDINGS = (".nii", ".nii.gz", ".hdr", ".img", ".mgz", ".mgh")

GEOMETRY = (
    *("qform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("sform_code", "srow_x", "srow_y", "srow_z"),
)
"""Header fields that derived files inherit; nothing else does, so that no name can."""


def read_nifti(path: Path, *, frame: int | None = None, modality: str | None = None) -> Volume:
    """Read one 3D volume from a NIfTI, .hdr/.img pair or MGZ file.

    Scaled integers whose scale is whole stay integers; other scaled data become float32.
    RGB gives luminance and `rgb`; complex gives magnitude; both are noted.

    Parameters
    ----------
    frame : int, optional
        Which volume of a 4D file, from 0.

    Raises
    ------
    MedadError
        If the file is unreadable or truncated, is empty, has the wrong number of
        dimensions, or is 4D and no frame was picked.
    """
    try:
        image: Any = nib.load(path)
        data, notes = _voxels(image, path, frame)
    except MedadError:
        raise
    except (
        nib.filebasedimages.ImageFileError,
        nib.spatialimages.HeaderDataError,
        zlib.error,
        EOFError,
        OSError,
        ValueError,
    ) as error:
        raise MedadError(
            f"{path} cannot be read as a volume ({_first_line(error, path)}); it may be "
            "truncated or of another format: copy it again or convert it."
        ) from None
    affine = np.asarray(image.affine, float)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise MedadError(
            f"{path} has no usable geometry (its affine is singular); set its spacing and "
            "orientation first."
        )
    header = image.header if isinstance(image.header, nib.Nifti1Header) else None
    if not _states_orientation(image.header):
        notes = (*notes, "The file states no orientation; the NIfTI default was assumed.")
    return Volume.from_grid(
        data,
        affine,
        modality=modality,
        path=path,
        header=_geometry(header) if header is not None else None,
        reader="nifti",
        frame=frame if len(_squeezed(image.shape)) == 4 else None,
        notes=notes,
    )


def frames_of(path: Path) -> int:
    """Number of frames of a 4D file; 1 for a 3D one."""
    try:
        image: Any = nib.load(path)
        shape = _squeezed(image.shape)
    except (nib.filebasedimages.ImageFileError, OSError, EOFError, ValueError):
        return 1
    return shape[3] if len(shape) == 4 else 1


def write_nifti(
    values: np.ndarray, volume: Volume, path: str | Path, *, labels: bool = False
) -> None:
    """Write a map or mask [z, y, x] on exactly the voxels of the volume's source.

    Same shape, affine and orientation as the source file, bit for bit the same geometry
    fields where that was NIfTI; carries no free text of its header. Floats are written as
    float32, truth values as uint8.

    Raises
    ------
    MedadError
        If `values` is not on the volume's grid or the file cannot be written.
    """
    path = Path(path)
    source = volume.source
    assert source is not None
    voxels = _storable(volume.on_source(values, labels=labels))
    two = isinstance(source.header, nib.Nifti2Header)
    image = (nib.Nifti2Image if two else nib.Nifti1Image)(voxels, source.grid.affine, source.header)
    image.header.set_data_dtype(voxels.dtype)
    if source.header is None:
        image.header.set_xyzt_units("mm")
        image.set_sform(source.grid.affine, code="scanner")
        if not source.grid.sheared:  # a quaternion cannot say shear
            image.set_qform(source.grid.affine, code="scanner")
    with replacing(path) as part:
        nib.save(image, part)


def read_labels(path: str | Path, volume: Volume) -> np.ndarray:
    """Read a mask that `write_nifti` wrote back onto a volume's own voxels, [z, y, x].

    Raises
    ------
    MedadError
        If the file cannot be read, holds no whole numbers or does not lie on the voxels of
        the volume's source.
    """
    path = Path(path)
    try:
        image: Any = nib.load(path)
        voxels = np.asarray(image.dataobj)
    except (nib.filebasedimages.ImageFileError, zlib.error, EOFError, OSError) as error:
        raise MedadError(
            f"{path} cannot be read as a mask ({_first_line(error, path)}); copy it again."
        ) from None
    assert volume.source is not None
    if voxels.dtype.kind not in "iu":
        raise MedadError(f"{path} holds {voxels.dtype} and no labels; give a mask.")
    if not Grid(voxels.shape, np.asarray(image.affine, float)).same_as(volume.source.grid):
        raise MedadError(
            f"{path} does not lie on the voxels of the scan (its grid is {voxels.shape}, the "
            f"scan's {tuple(volume.source.grid.shape)}); open the scan that it was drawn on."
        )
    return resample(voxels, image.affine, volume.grid, order=0).T


def _storable(voxels: np.ndarray) -> np.ndarray:
    """In a type that every NIfTI reader knows."""
    if voxels.dtype.kind == "f":
        return voxels.astype(np.float32, copy=False)
    if voxels.dtype.kind == "b":
        return voxels.astype(np.uint8)
    return voxels.astype(np.int32) if voxels.dtype.itemsize == 8 else voxels


def _voxels(
    image: nib.spatialimages.SpatialImage, path: Path, frame: int | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Voxels (i, j, k[, rgb]) of the wanted frame, native byte order, at most float32."""
    shape = _squeezed(image.shape)
    if 0 in shape or not shape:
        raise MedadError(f"{path} holds no voxels (its shape is {image.shape}); export it again.")
    if len(shape) > 4 or len(shape) < 2:
        raise MedadError(
            f"{path} has {len(image.shape)} dimensions {image.shape}; give a 3D or 4D image."
        )
    index: tuple[slice | int, ...] = (slice(None),) * min(3, len(image.shape))
    index += (0,) * (len(image.shape) - 3)
    if len(shape) == 4:
        count = shape[3]
        if frame is None:
            raise MedadError(
                f"{path} is 4D with {count} frames; pick one with --frame 0 to {count - 1}."
            )
        if not 0 <= frame < count:
            raise MedadError(
                f"{path} has no frame {frame}; its {count} frames are 0 to {count - 1}."
            )
        time_axis = next(a for a in range(3, len(image.shape)) if image.shape[a] > 1)
        index = tuple(frame if a == time_axis else i for a, i in enumerate(index))
    data = _scaled(image, index)
    data = data.reshape(data.shape + (1,) * (3 - data.ndim)) if data.ndim < 3 else data
    if data.dtype.names:
        channels = [data[name] for name in ("R", "G", "B")]
        return np.stack(channels, -1), ("Colour was read as its luminance.",)
    if data.dtype.kind == "c":
        return np.abs(data).astype(np.float32), ("Complex voxels were read as their magnitude.",)
    return data, ()


def _scaled(image: nib.spatialimages.SpatialImage, index: tuple[slice | int, ...]) -> np.ndarray:
    """The wanted part; only that part of a 4D file is read."""
    proxy: Any = image.dataobj
    if any(isinstance(i, int) for i in index):
        part = np.asarray(proxy[index])
        return part if part.dtype.names else rescaled(part, 1, 0)
    stored = np.asarray(proxy.get_unscaled())
    return stored if stored.dtype.names else rescaled(stored, proxy.slope, proxy.inter)


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape without single trailing dimensions beyond the third."""
    return tuple(shape[:3]) + tuple(n for n in shape[3:] if n != 1)


def _states_orientation(header: Any) -> bool:
    if isinstance(header, nib.Nifti1Header):
        return bool(header["qform_code"] or header["sform_code"])
    return isinstance(header, MGHHeader)  # Analyze states none


def _geometry(header: nib.Nifti1Header) -> nib.Nifti1Header:
    """A new header with where the voxels lie, and nothing else of the file's."""
    kind = nib.Nifti2Header if isinstance(header, nib.Nifti2Header) else nib.Nifti1Header
    clean = kind()
    clean["pixdim"][:4] = header["pixdim"][:4]
    clean.set_xyzt_units(header.get_xyzt_units()[0].replace("unknown", "mm"))
    for field in GEOMETRY:
        clean[field] = header[field]
    return clean


def _first_line(error: Exception, path: Path) -> str:
    lines = str(error).replace(str(path), path.name).splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
