"""Slices to learn from: chosen from volumes, framed for the network, varied on the way to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor
from torch.utils.data import Dataset

from napari_medad.detectors.framing import scale_of, scaled, to_square
from napari_medad.detectors.recipe import Example, TrainingOptions
from napari_medad.errors import MedadError
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.phantom import make_brain
from napari_medad.volumes.slices import SlicePlan
from napari_medad.volumes.volume import Volume

SHIFT = 0.05
"""Largest random shift and scale of a training slice, as a share of its side."""
GAMMA = 0.15
"""Standard deviation of the random gamma's logarithm."""
GAIN, OFFSET = 0.15, 0.04
"""Standard deviations of the random gain's logarithm and of the random offset."""
LEAST_FOREGROUND = 0.15
"""Slices with less foreground than this share of the fullest one teach little."""


class SliceOptions(TrainingOptions):
    """What methods that are taught slice by slice have in common."""

    slices_per_volume: int = Field(48, ge=1, title="Slices of each volume")
    brains: int = Field(
        60, ge=1, title="Synthetic brains", description="For --data synthetic; a tenth is held out"
    )
    contrasts: tuple[Literal["t1n", "t1c", "t2w", "t2f"], ...] = Field(
        ("t2f",),
        min_length=1,
        title="Synthetic contrasts",
        description="For --data synthetic",
    )


def refuse_abnormal(examples: Sequence[Example], name: str, *, masked: bool = False) -> None:
    """Only normal images, or (`masked`) ones whose mask says what to leave out; not all held out.

    Raises
    ------
    MedadError
        If some are labelled abnormal, or none is left to learn from.
    """
    abnormal = [
        e for e in examples if e.label not in (0, None) and not (masked and e.mask is not None)
    ]
    if abnormal:
        raise MedadError(
            f"{name} learns from normal images only, but {len(abnormal)} examples are labelled "
            "abnormal; leave them out."
        )
    if examples and not any(not e.held_out for e in examples):
        raise MedadError("All examples are held out; leave some to learn from.")


def synthetic_seeds(brains: int, seed: int, *, held_out: bool) -> range:
    """Seeds of the synthetic brains of a run; a tenth of them, at least one, is held out."""
    first, kept = 1_000_000 * (seed + 1), max(1, brains // 10)
    learned = range(first, first + brains - kept)
    return range(learned.stop, learned.stop + kept) if held_out else learned


def synthetic_volumes(
    seeds: Iterable[int], contrasts: Sequence[str], spacing: float
) -> Iterator[Volume]:
    """Healthy synthetic brains, one volume a contrast; spacing in mm."""
    for seed in seeds:
        yield from make_brain(seed, contrasts=contrasts, spacing=spacing).study.volumes.values()


def usable_slices(foreground: np.ndarray, per_volume: int) -> np.ndarray:
    """At most so many axial slices [n] of int with enough foreground, evenly spaced."""
    filled = foreground.sum(axis=(1, 2))
    usable = np.flatnonzero((filled > 0) & (filled >= LEAST_FOREGROUND * filled.max()))
    return usable[np.linspace(0, usable.size - 1, min(per_volume, usable.size)).astype(int)]


def cut(
    volume: Volume, foreground: np.ndarray, chosen: np.ndarray, size: int, intensity: str
) -> Tensor:
    """Axial slices and their foreground [n, 2, size, size] uint8, cropped to the patient.

    Parameters
    ----------
    volume : Volume
    foreground : ndarray [z, y, x] bool
    chosen : ndarray [n] of int
    size : int
    intensity : {"robust", "percentile", "rank"}
    """
    plan = SlicePlan.of(foreground, "axial")
    scale = scale_of(intensity, volume.array, foreground)
    inside = plan.view(foreground)[chosen]
    pixels = np.nan_to_num(plan.view(volume.array)[chosen].astype(np.float32))
    images = to_square(scaled(scale, pixels, inside), size)
    masks = to_square(inside.astype(np.float32), size)
    return (torch.cat([images, masks], dim=1) * 255).round().to(torch.uint8)


def varied(image: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """Mirror, shift and scale all [size, size]; gamma, gain and offset for the image."""
    zoom = 1 + (torch.rand(2) * 2 - 1) * SHIFT
    if torch.rand(()) < 0.5:
        zoom[0] = -zoom[0]
    shift = (torch.rand(2) * 2 - 1) * SHIFT
    theta = torch.tensor([[zoom[0], 0, shift[0]], [0, zoom[1], shift[1]]])
    planes = torch.stack([image, *others])[None]
    grid = F.affine_grid(theta[None], list(planes.shape), align_corners=False)
    moved = F.grid_sample(planes, grid, align_corners=False)[0]
    gamma = torch.exp(torch.randn(()) * GAMMA)
    gain, offset = torch.exp(torch.randn(()) * GAIN), torch.randn(()) * OFFSET
    image = moved[0].clamp(0, 1) ** gamma
    return ((image - 0.4) * gain + 0.4 + offset).clamp(0, 1), *moved[1:]


class FramedSlices(Dataset[dict[str, Tensor]]):
    """Slices that `cut` framed.

    Parameters
    ----------
    slices : sequence of Tensor [n, 2, size, size] uint8
        Of each volume.
    size : int
    vary : bool
        Off for held-out slices.
    """

    def __init__(self, slices: Iterable[Tensor], size: int, *, vary: bool) -> None:
        empty = torch.zeros((0, 2, size, size), dtype=torch.uint8)
        self.slices = torch.cat([empty, *slices])
        self.vary = vary

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """`image` in 0..1 and `foreground`, both [1, size, size]; 0 outside it."""
        image, foreground = self.slices[index].float() / 255
        if self.vary:
            image, foreground = varied(image, foreground)
        foreground = (foreground > 0.5).float()
        return {"image": (image * foreground)[None], "foreground": foreground[None]}


def framed(
    volumes: Iterable[Volume], size: int, intensity: str, per_volume: int
) -> Iterator[Tensor]:
    """The evenly spaced slices of each volume, framed."""
    for volume in volumes:
        foreground = foreground_of(volume)
        yield cut(volume, foreground, usable_slices(foreground, per_volume), size, intensity)
