"""NRRD and MetaImage through SimpleITK."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from napari_medad.atomic import replacing
from napari_medad.errors import MedadError
from napari_medad.volumes.intensity import rescaled
from napari_medad.volumes.volume import Volume

ENDINGS = (".nrrd", ".nhdr", ".mha", ".mhd")

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_itk(path: Path, *, frame: int | None = None, modality: str | None = None) -> Volume:
    """Read one 3D volume from an NRRD or MetaImage file.

    Raises
    ------
    MedadError
        If the file is unreadable, not 2D to 4D, or 4D and no frame was picked.
    """
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError:
        raise MedadError(
            f"{path} cannot be read as {path.suffix[1:].upper()}; it may be truncated or lack its "
            "data file: copy it again."
        ) from None
    channels = image.GetNumberOfComponentsPerPixel()
    colour = channels == 3 and "8-bit unsigned" in image.GetPixelIDTypeAsString()
    if image.GetDimension() == 4:
        image = _frame(image, path, frame, image.GetSize()[3])
    if image.GetDimension() == 2:
        image = sitk.JoinSeries(image)
    array = sitk.GetArrayFromImage(image)
    if channels > 1 and not colour:
        if frame is None or not 0 <= frame < channels:
            raise MedadError(
                f"{path} has {channels} values a voxel; pick one with --frame 0 to {channels - 1}."
            )
        array = array[..., frame]
    notes: tuple[str, ...] = ("Colour was read as its luminance.",) if colour else ()
    if array.dtype.kind == "c":
        array = np.abs(array)
        notes = ("Complex voxels were read as their magnitude.",)
    voxels = np.moveaxis(rescaled(array, 1, 0), (0, 1, 2), (2, 1, 0))
    return Volume.from_grid(
        voxels,
        affine_of(image),
        modality=modality,
        path=path,
        reader="itk",
        frame=frame,
        notes=notes,
    )


def affine_of(image: sitk.Image) -> np.ndarray:
    """RAS affine [4, 4] of an ITK image (ITK's own world is LPS)."""
    affine = np.eye(4)
    directions = np.array(image.GetDirection()).reshape(3, 3)
    affine[:3, :3] = directions * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return LPS_TO_RAS @ affine


def write_nrrd(
    values: np.ndarray, volume: Volume, path: str | Path, *, labels: bool = False
) -> None:
    """Write a map or mask [z, y, x] as NRRD on exactly the voxels of the volume's source.

    Raises
    ------
    MedadError
        If `values` is not on the volume's grid, its source is sheared (NRRD written through
        ITK cannot say so), or the file cannot be written.
    """
    source = volume.source
    assert source is not None
    if source.grid.sheared:
        raise MedadError(
            f"{path} cannot hold the sheared grid of its source; export NIfTI instead."
        )
    voxels = volume.on_source(values, labels=labels)
    voxels = voxels.astype(np.uint8) if voxels.dtype == bool else voxels
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.T))
    affine = LPS_TO_RAS @ source.grid.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    with replacing(path) as part:
        try:
            sitk.WriteImage(image, str(part), useCompression=True)
        except RuntimeError as error:
            raise MedadError(f"{path} was not written ({str(error).splitlines()[-1]}).") from None


def _frame(image: sitk.Image, path: Path, frame: int | None, count: int) -> sitk.Image:
    if frame is None or not 0 <= frame < count:
        raise MedadError(
            f"{path} is 4D with {count} frames; pick one with --frame 0 to {count - 1}."
        )
    return image[..., frame]
