"""Position embeddings for other image sizes than a model was trained at."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

Resize = Literal["bilinear", "bicubic", "bicubic-antialias"]
"""How a method's authors enlarge the grid of positions; all without aligned corners."""


def resized_positions(table: Tensor, grid: tuple[int, int], how: Resize) -> Tensor:
    """Position embedding [1 + h * w, c] of a grid, from a pristine square table [1 + g * g, c].

    The class token's row stays as it is.
    """
    side = int((len(table) - 1) ** 0.5)
    if grid == (side, side):
        return table
    squares = rearrange(table[1:], "(h w) c -> 1 c h w", h=side)
    mode, _, antialias = how.partition("-")
    squares = F.interpolate(
        squares.float(), grid, mode=mode, align_corners=False, antialias=bool(antialias)
    )
    return torch.cat([table[:1], rearrange(squares[0], "c h w -> (h w) c").to(table.dtype)])
