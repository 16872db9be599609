"""napari's writers: layers back on exactly the voxels of the file they came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_medad.errors import MedadError
from napari_medad.viewer.layers import VOLUME
from napari_medad.volumes.itk import write_nrrd
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.orientation import Grid
from napari_medad.volumes.volume import Source, Volume


def write_nifti_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save an image or labels layer as NIfTI."""
    values, volume = _on_a_volume(data, meta, path)
    write_nifti(values, volume, path, labels=values.dtype.kind in "iu")
    return [path]


def write_nrrd_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save an image or labels layer as NRRD."""
    values, volume = _on_a_volume(data, meta, path)
    write_nrrd(values, volume, path, labels=values.dtype.kind in "iu")
    return [path]


def _on_a_volume(data: Any, meta: dict[str, Any], path: str) -> tuple[np.ndarray, Volume]:
    """Voxels and the volume whose grid they lie on; for foreign layers, one made of their scale.

    Raises
    ------
    MedadError
        For data that is not 3D, or a path that is the layer's own source.
    """
    values = np.asarray(data)
    if values.dtype == bool:
        values = values.astype(np.uint8)
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        values = values.astype(np.int32)
    if values.ndim == 2:
        values = values[None]
    if values.ndim != 3:
        raise MedadError(f"{path} needs a 3D layer, but this one has shape {values.shape}.")
    volume = meta.get("metadata", {}).get(VOLUME)
    if volume is None or volume.array.shape != values.shape:
        volume = _volume_from_scale(values, meta)
    source = volume.source.path
    if source is not None and source.resolve() == Path(path).resolve():
        raise MedadError(
            f"{path} is the scan itself and is never overwritten; choose another name."
        )
    return values, volume


def _volume_from_scale(values: np.ndarray, meta: dict[str, Any]) -> Volume:
    scale = np.ones(3)
    given = np.asarray(meta.get("scale", scale), float)[-3:]
    scale[-given.size :] = np.abs(given)
    shift = np.zeros(3)
    moved = np.asarray(meta.get("translate", shift), float)[-3:]
    shift[-moved.size :] = moved
    affine = np.diag([-scale[2], -scale[1], scale[0], 1.0])
    affine[:3, 3] = (-shift[2], -shift[1], shift[0])
    return Volume(values, affine, None, Source(None, Grid(values.shape[::-1], affine)))
