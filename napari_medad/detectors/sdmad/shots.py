"""The few slices that are learned from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_medad.backbones.clip.pictures import pictures_of
from napari_medad.detectors.example_masks import mask_of
from napari_medad.detectors.recipe import Example
from napari_medad.errors import MedadError
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.intensity import shown_range
from napari_medad.volumes.volume import AXES

TURNS = (math.pi / 8, -math.pi / 8, math.pi / 16, -math.pi / 16)
SHIFTS = ((0.1, 0.1), (0.1, -0.1), (-0.1, 0.1), (-0.1, -0.1))
"""Shares of the side."""


@dataclass(frozen=True, eq=False)
class NamedSlice:
    """A slice as CLIP is shown it.

    Attributes
    ----------
    picture : Tensor [3, s, s]
    labels : Tensor [K]
        1 for the categories that it shows; all 0 is normal.
    mask : Tensor [s, s] or None
        1 where it is abnormal, if that is known.
    """

    picture: Tensor
    labels: Tensor
    mask: Tensor | None

    def versions(self) -> list[NamedSlice]:
        """MVFA's eleven: itself, turned, shifted, and flipped, reflected at the borders."""
        moves = [torch.eye(2, 3)]
        moves += [
            torch.tensor([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0]])
            for a in TURNS
        ]
        moves += [torch.tensor([[1.0, 0, 2 * x], [0, 1, 2 * y]]) for x, y in SHIFTS]
        moves += [torch.diag(torch.tensor(flip)) @ torch.eye(2, 3) for flip in FLIPS]
        return [
            NamedSlice(
                _moved(self.picture, move, "bilinear"),
                self.labels,
                None if self.mask is None else _moved(self.mask[None], move, "nearest")[0],
            )
            for move in moves
        ]


FLIPS = ([-1.0, 1.0], [1.0, -1.0])


def _moved(image: Tensor, move: Tensor, mode: str) -> Tensor:
    """An image [c, s, s] seen through an affine map of its coordinates."""
    grid = F.affine_grid(move[None], [1, *image.shape], align_corners=False)
    return F.grid_sample(
        image[None], grid, mode=mode, padding_mode="reflection", align_corners=False
    )[0]


def named_slices(
    examples: Iterable[Example], names: Sequence[str], size: int, *, normalised: bool
) -> list[NamedSlice]:
    """The slices that examples name.

    Raises
    ------
    MedadError
        If an example names no slice, a slice is not there, or a category is not among `names`.
    """
    return [
        found
        for example in examples
        for found in _of_example(example, names, size, normalised=normalised)
    ]


def check(examples: Sequence[Example], names: Sequence[str]) -> None:
    """Refuse examples that not every category can be learned from.

    Raises
    ------
    MedadError
        If a category has no shot, or slices are counted along several axes.
    """
    shown = {c for e in examples for held in (e.categories or {}).values() for c in held}
    missing = next((name for name in names if name not in shown), None)
    if missing is not None:
        raise MedadError(
            f"The category '{missing}' has no shot; name at least one slice that shows it, or "
            "remove the category from the signs."
        )
    axes = sorted({example.axis for example in examples})
    if len(axes) > 1:
        raise MedadError(
            f"The shots are {' and '.join(axes)} slices; name slices of one direction only."
        )


def _of_example(
    example: Example, names: Sequence[str], size: int, *, normalised: bool
) -> list[NamedSlice]:
    study = example.study()
    if example.categories is None:
        raise MedadError(
            f"{study.name} does not say what its slices show; give 'slice' and 'categories', or "
            "'normal', in its row."
        )
    volume, axis = study.volume(), AXES[example.axis]
    depth = volume.array.shape[axis]
    beyond = next((z for z in example.categories if not 0 <= z < depth), None)
    if beyond is not None:
        raise MedadError(
            f"{study.name} has no {example.axis} slice {beyond}, only 0 to {depth - 1}; correct "
            "the shot."
        )
    unknown = {c for held in example.categories.values() for c in held} - set(names)
    if unknown:
        raise MedadError(
            f"{study.name} shows '{min(unknown)}', which has no signs; use one of "
            f"{', '.join(names)}, or add the category to the signs."
        )
    mask = mask_of(example, study)
    scale = shown_range(volume, foreground_of(volume))
    found = []
    for z, shown in example.categories.items():
        source = volume.array if volume.rgb is None else volume.rgb
        pixels = np.take(source, z, axis=axis).astype(np.float32)
        pixels = scale.apply(
            np.nan_to_num(pixels, nan=scale.low, posinf=scale.high, neginf=scale.low)
        )
        outline = np.zeros(pixels.shape[:2], bool) if not shown else None
        if shown and mask is not None:
            outline = np.take(mask, z, axis=axis)
        found.append(
            NamedSlice(
                pictures_of(pixels[None], size, normalised=normalised)[0],
                torch.tensor([float(name in shown) for name in names]),
                None if outline is None else _small(outline, size),
            )
        )
    return found


def _small(mask: np.ndarray, size: int) -> Tensor:
    """A mask at the picture's size, by the nearest pixel."""
    whole = torch.from_numpy(np.ascontiguousarray(mask))[None, None].float()
    return F.interpolate(whole, (size, size), mode="nearest")[0, 0]
