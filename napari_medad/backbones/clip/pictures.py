"""Slices as the square pictures that a CLIP looks at, and maps back on the slices."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def pictures_of(
    slices: np.ndarray, size: int, how: str = "bicubic", *, normalised: bool = True
) -> Tensor:
    """Grey slices [b, h, w] or coloured ones [b, h, w, 3], 0..1 -> CLIP's input [b, 3, s, s].

    Resized without regard to the aspect, with antialiasing, as the methods' authors do.

    Parameters
    ----------
    size : int
        Side s in pixels.
    how : {"bicubic", "bilinear"}
    normalised : bool
        Whether colours have CLIP's mean and spread, as is usual, or stay in 0..1.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(slices, np.float32))
    pixels = pixels[:, None] if pixels.dim() == 3 else pixels.permute(0, 3, 1, 2)
    pixels = F.interpolate(pixels, (size, size), mode=how, antialias=True).clamp(0, 1)
    if not normalised:
        return pixels.expand(-1, 3, -1, -1).contiguous()
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return (pixels.expand(-1, 3, -1, -1) - mean) / std


def maps_on(maps: Tensor, shape: tuple[int, int]) -> np.ndarray:
    """Maps [b, s, s] on slices of `shape`, [b, h, w] float32."""
    resized = F.interpolate(maps[:, None].float(), shape, mode="bilinear", antialias=True)
    return resized[:, 0].cpu().numpy()


def enlarged(maps: Tensor, size: int) -> Tensor:
    """Maps [b, c, h, w] at the picture's size, corners on corners, in fp32."""
    return F.interpolate(maps.float(), (size, size), mode="bilinear", align_corners=True)


def unseen(size: int, patch: int) -> int:
    """Rows and columns of a picture beyond its last whole patch."""
    return size % patch


def smoothed(maps: Tensor, sigma: float) -> Tensor:
    """Maps [b, s, s] smoothed with a Gaussian of `sigma` pixels, reflected at the borders."""
    if sigma == 0:
        return maps
    filtered = ndimage.gaussian_filter(maps.float().cpu().numpy(), (0, sigma, sigma))
    return torch.from_numpy(filtered)
