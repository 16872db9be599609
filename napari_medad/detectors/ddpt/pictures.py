"""Slices as the square pictures that CLIP looks at, and maps back on the slices."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 224
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]


def grey_levels(slices: np.ndarray) -> np.ndarray:
    """Each slice's minimum..maximum as 0..255, [b, h, w] uint8."""
    low = slices.min(axis=(1, 2), keepdims=True)
    high = slices.max(axis=(1, 2), keepdims=True)
    return (255 * ((slices - low) / (high - low + 1e-8))).astype(np.uint8)


def squared(slices: np.ndarray) -> np.ndarray:
    """Slices [b, h, w] centred on a black square, so that no margin is cut off."""
    _, h, w = slices.shape
    side = max(h, w)
    top, left = (side - h) // 2, (side - w) // 2
    return np.pad(slices, ((0, 0), (top, side - h - top), (left, side - w - left)))


def pictures_of(slices: np.ndarray) -> Tensor:
    """Slices [b, h, w] uint8 -> CLIP's input [b, 3, 224, 224]."""
    square = torch.from_numpy(squared(slices)).float()[:, None]
    resized = _resize(square, SIDE).round().clamp(0, 255) / 255
    return normalised(resized.expand(-1, 3, -1, -1))


def normalised(pictures: Tensor) -> Tensor:
    """Pictures [..., 3, h, w] in 0..1 with CLIP's mean and standard deviation removed."""
    return (pictures - MEAN) / STD


def maps_of(attention: Tensor, shape: tuple[int, int], *, quantised: bool) -> np.ndarray:
    """Attention [b, 7, 7] on slices of `shape`, each divided by its maximum, [b, h, w].

    Attention sums to one over the tokens, so that its 8-bit version has few levels.
    """
    if quantised:
        attention = (attention * 255).floor() / 255
    side = max(shape)
    top, left = (side - shape[0]) // 2, (side - shape[1]) // 2
    enlarged = _resize(attention[:, None], side)[:, 0].clamp(min=0)
    enlarged = enlarged[:, top : top + shape[0], left : left + shape[1]]
    peak = enlarged.amax((1, 2), keepdim=True).clamp(min=1e-12)
    return (enlarged / peak).numpy()


def _resize(planes: Tensor, side: int) -> Tensor:
    return F.interpolate(planes, (side, side), mode="bicubic", antialias=True)
