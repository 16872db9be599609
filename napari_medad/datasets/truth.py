"""Where a case is abnormal, on the grid of its study."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_medad.datasets.dataset import Box, DatasetCase
from napari_medad.errors import MedadError
from napari_medad.volumes.orientation import resample
from napari_medad.volumes.reader import read_volume
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

HALF_GREY = 127
"""Of 0 to 255: edges of a mask that was resized or saved as JPEG are cut here."""


def truth_of(case: DatasetCase, study: Study | None = None) -> np.ndarray:
    """All masks of a case, or all its boxes filled, [z, y, x] bool; all False without any.

    Raises
    ------
    MedadError
        If a mask cannot be read or does not fit the image.
    """
    image = (study or case.study()).volume()
    found = np.zeros(image.array.shape, bool)
    for mask in case.masks:
        found |= _mask_on(image, mask)
    if not case.masks:
        for box in case.boxes:
            found[filled(box)] = True
    return found


def filled(box: Box) -> tuple[slice, slice, slice]:
    """Index of a box's voxels in [z, y, x]; what sticks out of the image is cut off."""
    rows = slice(max(box.row, 0), max(box.row + box.height, 0))
    columns = slice(max(box.column, 0), max(box.column + box.width, 0))
    return slice(box.slice, box.slice + 1), rows, columns


def _mask_on(image: Volume, path: Path) -> np.ndarray:
    mask = read_volume(path)
    assert mask.source is not None
    if mask.source.reader == "picture":
        if mask.array.shape != image.array.shape:
            raise MedadError(
                f"{path} has {mask.array.shape[1]} x {mask.array.shape[2]} pixels but its image "
                f"{image.array.shape[1]} x {image.array.shape[2]}; leave the case out or mend it."
            )
        values = mask.array if mask.rgb is None else mask.rgb.max(axis=-1)  # classes in colours
        return values > (HALF_GREY if values.max(initial=0) > HALF_GREY else 0)
    if mask.grid.same_as(image.grid):
        return mask.array != 0
    return resample((mask.array != 0).T.astype(np.uint8), mask.affine, image.grid, order=0).T > 0
