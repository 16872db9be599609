"""NIfTI-1/2, Analyze-style pairs and MGZ through nibabel; NIfTI out on the source's grid."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from napari_medad.atomic import replacing
from napari_medad.errors import MedadError
from napari_medad.volumes.intensity import rescaled
from napari_medad.volumes.volume import Volume

ENDINGS = (".nii", ".nii.gz", ".hdr", ".img", ".mgz", ".mgh")


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
    if header is not None and header["qform_code"] == 0 and header["sform_code"] == 0:
        notes = (*notes, "The file states no orientation; the NIfTI default was assumed.")
    return Volume.from_grid(
        data,
        affine,
        modality=modality,
        path=path,
        header=_clean(header) if header is not None else None,
        reader="nifti",
        frame=frame,
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

    Same shape, affine and orientation as the source file; keeps its units and
    qform/sform codes; carries no free text of its header.

    Raises
    ------
    MedadError
        If `values` is not on the volume's grid or the file cannot be written.
    """
    path = Path(path)
    source = volume.source
    assert source is not None
    voxels = volume.on_source(values, labels=labels)
    kind = type(source.header) if source.header is not None else nib.Nifti1Header
    pair = nib.Nifti2Image if issubclass(kind, nib.Nifti2Header) else nib.Nifti1Image
    image = pair(voxels, source.grid.affine)
    image.header.set_data_dtype(voxels.dtype)
    image.header.set_xyzt_units("mm")
    codes = (2, 2)
    if source.header is not None:
        codes = (int(source.header["qform_code"]), int(source.header["sform_code"]))
    _set_forms(image, source.grid.affine, *codes)
    with replacing(path) as part:
        nib.save(image, part)


def _set_forms(image: nib.Nifti1Image, affine: np.ndarray, qform: int, sform: int) -> None:
    """The source's codes, with an sform wherever a qform alone would lose shear or precision."""
    image.set_sform(affine, sform or (qform or 2))
    if qform:
        image.set_qform(affine, qform, strip_shears=True)
    else:
        image.set_qform(None, 0)


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
    proxy = image.dataobj
    slope, inter = getattr(proxy, "slope", 1.0), getattr(proxy, "inter", 0.0)
    stored = np.asarray(proxy.get_unscaled()[index] if hasattr(proxy, "get_unscaled") else proxy)
    if stored.dtype.names:
        return stored
    return rescaled(stored, slope, inter)


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape without single trailing dimensions beyond the third."""
    return tuple(shape[:3]) + tuple(n for n in shape[3:] if n != 1)


def _clean(header: nib.Nifti1Header) -> nib.Nifti1Header:
    """A copy without free text, which can hold names."""
    clean = header.copy()
    for field in ("descrip", "aux_file", "db_name", "intent_name"):
        if field in clean:
            clean[field] = b""
    clean.extensions.clear()
    return clean


def _first_line(error: Exception, path: Path) -> str:
    lines = str(error).replace(str(path), path.name).splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
