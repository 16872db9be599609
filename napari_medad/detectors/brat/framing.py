"""A study as the network sees it: the released preprocessing, step by step, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import (
    Compose,
    NormalizeIntensity,
    Orientation,
    Resize,
    ScaleIntensity,
    Spacing,
)
from torch import Tensor

from napari_medad.detectors.brat.settings import BratShape
from napari_medad.errors import MedadError
from napari_medad.volumes.modality import modality_of
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

LABELS = (("L", "R"), ("P", "A"), ("I", "S"))
"""Names of the two ends of the patient's axes, as MONAI wants them."""


@dataclass(frozen=True, eq=False)
class Framed:
    """The network's image and where it lies.

    Attributes
    ----------
    image : Tensor [c, depth, side, side] float32
        In 0..1; 0 throughout in the channel of a missing modality.
    to_image : ndarray [4, 4] float64
        From a voxel (z, y, x) of the study to the image's, centres at whole numbers.
    notes : tuple of str
        What was missing or unknown.
    """

    image: Tensor
    to_image: np.ndarray
    notes: tuple[str, ...]

    def to_cells(self, cells: tuple[int, int, int]) -> np.ndarray:
        """From a voxel (z, y, x) of the study to cells that divide the image evenly."""
        return _rescaling(self.image.shape[1:], cells) @ self.to_image


def framed(study: Study, shape: BratShape, chosen: str | None = None) -> Framed:
    """The image of a study.

    Parameters
    ----------
    study : Study
    shape : BratShape
    chosen : str, optional
        The volume to look at, where the network sees one.

    Raises
    ------
    MedadError
        If the study lacks the modality that the weights were trained on.
    """
    names, notes = _channels(study, shape, chosen)
    given = [study.volumes[name] for name in names if name is not None]
    channels, to_image = _like_released(given, shape)
    there = iter(channels)
    empty = torch.zeros(shape.size)
    image = torch.stack([empty if name is None else next(there) for name in names])
    return Framed(image, to_image, notes)


def _channels(
    study: Study, shape: BratShape, chosen: str | None
) -> tuple[list[str | None], tuple[str, ...]]:
    """The volume of each channel, None where it is missing, and what to tell of that."""
    wanted = shape.modalities
    known: dict[str, str] = {}
    for name, volume in study.volumes.items():
        known.setdefault(volume.modality or modality_of(name) or name, name)
    if not wanted:
        return [chosen or study.reference], ()
    found: list[str | None] = [known.get(modality) for modality in wanted]
    if any(found):
        missing = [m for m, name in zip(wanted, found) if name is None]
        note = f"Without {', '.join(missing)}, which the weights can do without but less well."
        return found, (note,) if missing else ()
    unknown = chosen or study.reference
    volume = study.volume(unknown)
    if len(wanted) == 1 and (volume.modality or modality_of(unknown)) is None:
        note = f"Nothing says that {unknown} is {wanted[0]}, which these weights were trained on."
        return [unknown], (note,)
    raise MedadError(
        f"These weights of brat look at {', '.join(wanted)}, but the study {study.name} has only "
        f"{', '.join(study.volumes)}; open the study with {wanted[0]}, or use other weights."
    )


def _like_released(volumes: list[Volume], shape: BratShape) -> tuple[Tensor, np.ndarray]:
    """Channels [c, depth, side, side] in the authors' order of steps, and the way there."""
    grids = [_stored(volume) for volume in volumes]
    stacked = torch.from_numpy(np.stack([array for array, _ in grids]))
    scan = MetaTensor(stacked, affine=torch.from_numpy(grids[0][1]))
    spaced = Spacing((1.0, 1.0, 1.0), mode="bilinear")(scan)
    placed: Any = Orientation("SAR", labels=LABELS)(spaced)
    finished = Compose(
        [
            Resize(shape.size),
            NormalizeIntensity(nonzero=True, channel_wise=True),
            ScaleIntensity(channel_wise=True),
        ]
    )(placed)
    turned = np.eye(4)[[2, 1, 0, 3]]
    affine = np.asarray(placed.affine, np.float64)
    to_placed = np.linalg.inv(affine) @ volumes[0].affine @ turned
    return finished.as_tensor().float(), _rescaling(placed.shape[1:], shape.size) @ to_placed


def _stored(volume: Volume) -> tuple[np.ndarray, np.ndarray]:
    """Voxels (i, j, k) float32 and affine as in the file, for the resampling starts there."""
    assert volume.source is not None
    array = np.nan_to_num(volume.array.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    grid = volume.source.grid
    if grid.sheared:
        return array.T, volume.affine
    return np.ascontiguousarray(volume.on_source(array)), grid.affine


def _rescaling(before: tuple[int, ...], after: tuple[int, ...]) -> np.ndarray:
    """From indices of a grid to those of another [4, 4] over the same extent."""
    ratio = np.asarray(after) / np.asarray(before)
    matrix = np.diag([*ratio, 1.0])
    matrix[:3, 3] = (ratio - 1) / 2
    return matrix
