"""What an example says of its voxels: where it is abnormal, and how much each counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_medad.detectors.recipe import Example
from napari_medad.errors import MedadError
from napari_medad.volumes.reader import read_study
from napari_medad.volumes.study import Study


def on_grid(held: Path | np.ndarray, study: Study, what: str) -> np.ndarray:
    """An array [z, y, x], read or as it is, that lies on a study's voxels.

    Parameters
    ----------
    held : Path or ndarray [z, y, x]
    study : Study
    what : str
        What it is, for the message.

    Raises
    ------
    MedadError
        If it lies on other voxels.
    """
    volume = study.volume()
    if isinstance(held, Path):
        read = read_study(held).volume()
        array, fits = read.array, read.grid.same_as(volume.grid)
    else:
        array, fits = held, held.shape == volume.array.shape
    if not fits:
        raise MedadError(
            f"The {what} of {study.name} is not on the image's grid; give one made on it."
        )
    return array


def mask_of(example: Example, study: Study) -> np.ndarray | None:
    """The mask [z, y, x] bool of an example, if it has one.

    Raises
    ------
    MedadError
        If it does not lie on the image's voxels.
    """
    return None if example.mask is None else on_grid(example.mask, study, "mask") > 0


def importance_of(example: Example, study: Study) -> np.ndarray | None:
    """The importance [z, y, x] float32 of an example's voxels, or None where all count alike.

    Raises
    ------
    MedadError
        If it does not lie on the image's voxels, or is negative somewhere.
    """
    if example.importance is None:
        return None
    array = on_grid(example.importance, study, "importance")
    if not (array >= 0).all():
        raise MedadError(f"The importance of {study.name} is negative somewhere; use 0 and more.")
    return array.astype(np.float32)
