"""What the denoising auto-encoder is given, and what it minimises."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def coarse_noise(foreground: Tensor, std: float, resolution: int) -> Tensor:
    """Noise [b, 1, h, w] that looks like lesions: drawn coarsely, enlarged, shifted around.

    Each pixel of the coarse grid is normal with standard deviation `std`; the enlarged grid is
    rolled by a random number of rows and columns, and kept in the foreground only.

    Parameters
    ----------
    foreground : Tensor [b, 1, h, w]
        1 inside, 0 outside.
    std : float
        In units of the image, whose range is 0..1.
    resolution : int
        Rows and columns of the coarse grid.
    """
    count, _, height, width = foreground.shape
    coarse = std * torch.randn(count, 1, resolution, resolution)
    noise = F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=True)
    shifts = (int(torch.randint(height, ())), int(torch.randint(width, ())))
    return noise.roll(shifts, dims=(-2, -1)).to(foreground) * foreground


def denoising_loss(reconstruction: Tensor, image: Tensor, foreground: Tensor) -> Tensor:
    """Mean squared error over the foreground."""
    squared = (reconstruction - image).square() * foreground
    return squared.sum() / foreground.sum().clamp(min=1)
