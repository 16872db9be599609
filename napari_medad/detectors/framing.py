"""From a slice of any size and scale to the network's square image, and back."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_medad.volumes.intensity import IntensityRange, RankScale

PERCENTILES = (0.5, 99.5)
QUARTILES_AT = (0.325, 0.475)
"""Where the robust scale puts the foreground's quartiles: lesions, however large, stay above."""

Scale = IntensityRange | RankScale


def scale_of(kind: str, array: np.ndarray, foreground: np.ndarray) -> Scale:
    """The scan's intensity scale: "rank", "percentile" or "robust" (by its quartiles)."""
    if kind == "rank":
        return RankScale.of(array, foreground)
    if kind == "robust":
        quartiles = IntensityRange.of(array, foreground, (25, 75))
        unit = (quartiles.high - quartiles.low) / (QUARTILES_AT[1] - QUARTILES_AT[0])
        low = quartiles.low - QUARTILES_AT[0] * unit
        return IntensityRange(low, low + unit)
    return IntensityRange.of(array, foreground, PERCENTILES)


def scaled(scale: Scale, pixels: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """Pixels float32 0..1 on the scale, 0 in the background."""
    return scale.apply(pixels) * foreground


def unscaled(scale: Scale, values: np.ndarray) -> np.ndarray:
    """Values on the scale as intensities of the scan."""
    if isinstance(scale, IntensityRange):
        return scale.invert(values)
    ranks = np.linspace(0, 1, scale.levels.size)
    return np.interp(values, ranks, scale.levels).astype(np.float32)


def to_square(images: np.ndarray, size: int) -> Tensor:
    """Slices [b, h, w] -> [b, 1, size, size], centred in a square, aspect kept."""
    height, width = images.shape[1:]
    top, left = _margins(height, width)
    side = max(height, width)
    square = torch.zeros((len(images), 1, side, side))
    square[:, 0, top : top + height, left : left + width] = torch.from_numpy(images)
    return F.interpolate(square, size=(size, size), mode="bilinear", antialias=True)


def from_square(maps: Tensor, height: int, width: int) -> np.ndarray:
    """Network maps [b, 1, size, size] -> slices [b, h, w] float32; undoes `to_square`."""
    side = max(height, width)
    top, left = _margins(height, width)
    full = F.interpolate(maps.float(), size=(side, side), mode="bilinear")
    return full[:, 0, top : top + height, left : left + width].cpu().numpy()


def of_polarity(signed: np.ndarray, polarity: str) -> np.ndarray:
    """Magnitude of the wanted sign of errors: "bright", "dark" or "both"."""
    if polarity == "bright":
        return np.maximum(signed, 0)
    if polarity == "dark":
        return np.maximum(-signed, 0)
    return np.abs(signed)


def _margins(height: int, width: int) -> tuple[int, int]:
    side = max(height, width)
    return (side - height) // 2, (side - width) // 2
