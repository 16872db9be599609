"""Intensities as stored, and scales that make scans of different scanners comparable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from napari_medad.volumes.volume import Volume

SAMPLE = 2_000_000
"""Foreground voxels that statistics are taken from, at most."""

RANK_LEVELS = 1024
"""Quantiles that a rank scale is described by."""


def rescaled(stored: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    """Stored values times slope plus intercept, in native byte order and small memory.

    Integers stay integers (of the smallest type that holds the result) where the slope is
    1 and the intercept whole; everything else becomes float32, complex stays complex.
    """
    slope, intercept = float(slope), float(intercept)
    stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    if stored.dtype == bool:
        stored = stored.astype(np.uint8)
    if stored.dtype.kind == "c":
        return stored * slope + intercept
    whole = slope == 1 and intercept.is_integer() and stored.dtype.itemsize < 8
    if stored.dtype.kind not in "iu" or not whole:
        out = stored.astype(np.float32)
        if slope != 1:
            out *= np.float32(slope)
        if intercept != 0:
            out += np.float32(intercept)
        return out
    if intercept == 0:
        return stored
    low, high = int(stored.min()) + int(intercept), int(stored.max()) + int(intercept)
    kind = np.min_scalar_type(high if low >= 0 else -max(-low, high + 1))
    return np.add(stored, int(intercept), dtype=np.promote_types(kind, np.int32)).astype(kind)


def background_value(array: np.ndarray) -> float:
    """The commonest finite value at the eight corners of [z, y, x] (0 where none is finite)."""
    corners = array[:: max(1, array.shape[0] - 1)][:, [0, -1]][:, :, [0, -1]].ravel()
    corners = corners[np.isfinite(corners)]
    if corners.size == 0:
        return 0.0
    values, counts = np.unique(corners, return_counts=True)
    return float(values[np.argmax(counts)])


def foreground_sample(array: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """At most `SAMPLE` finite values of the foreground (of everything where it is empty)."""
    step = max(1, int(np.ceil((array.size / SAMPLE) ** (1 / 2))))
    while True:
        part = (slice(None), slice(None, None, step), slice(None, None, step))
        values = array[part][foreground[part]] if foreground.any() else array[part].ravel()
        if values.size >= 1000 or step == 1:
            break
        step = max(1, step // 2)
    values = values.astype(np.float32)
    return values[np.isfinite(values)]


@dataclass(frozen=True)
class IntensityRange:
    """A linear scale: `low` becomes 0 and `high` becomes 1."""

    low: float
    high: float

    @classmethod
    def of(
        cls,
        array: np.ndarray,
        foreground: np.ndarray,
        percentiles: tuple[float, float] = (0.5, 99.5),
    ) -> Self:
        """Between two percentiles of the foreground."""
        values = foreground_sample(array, foreground)
        if values.size == 0:
            return cls(0.0, 1.0)
        low, high = np.percentile(values, percentiles)
        return cls(float(low), float(high))

    def apply(self, pixels: np.ndarray, clip: bool = True) -> np.ndarray:
        """Pixels as float32 on the scale, clipped to 0..1; 0 where the range or voxel is empty.

        Empty are a range of one value and a voxel that is not finite.
        """
        width = self.high - self.low
        if width <= 0:
            return np.zeros(pixels.shape, np.float32)
        out = pixels.astype(np.float32)
        out -= np.float32(self.low)
        out /= np.float32(width)
        np.nan_to_num(out, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        return np.clip(out, 0, 1, out=out) if clip else out

    def invert(self, values: np.ndarray) -> np.ndarray:
        """Back from the scale to stored intensities."""
        return values * np.float32(self.high - self.low) + np.float32(self.low)


def shown_range(volume: Volume, foreground: np.ndarray) -> IntensityRange:
    """What is black and what is white where a volume is shown as pictures.

    Pictures of 8 bits keep the greys and colours that their file has; of scans, whose intensities
    have no such scale, 0.5 and 99.5 % of the foreground.
    """
    picture = volume.source is not None and volume.source.reader == "picture"
    if volume.rgb is not None or (picture and volume.array.dtype == np.uint8):
        return IntensityRange(0.0, 255.0)
    return IntensityRange.of(volume.array, foreground)


@dataclass(frozen=True, eq=False)
class RankScale:
    """The share of the foreground that is darker: 0 for the darkest voxel, 1 for the brightest.

    Attributes
    ----------
    levels : ndarray [levels]
        Intensities at equally spaced ranks, ascending.
    """

    levels: np.ndarray

    @classmethod
    def of(cls, array: np.ndarray, foreground: np.ndarray) -> Self:
        """From the foreground's quantiles."""
        values = foreground_sample(array, foreground)
        if values.size == 0:
            return cls(np.zeros(1, np.float32))
        return cls(np.quantile(values, np.linspace(0, 1, RANK_LEVELS)).astype(np.float32))

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Mid-rank of each pixel, float32 in 0..1.

        Equal levels share the middle of their ranks. A constant foreground gives 0, and so
        does a pixel that is not finite.
        """
        if self.levels[0] == self.levels[-1]:
            return np.zeros(pixels.shape, np.float32)
        values, where = np.unique(self.levels, return_index=True)
        last = np.append(where[1:], self.levels.size) - 1
        ranks = (where + last) / (2 * (self.levels.size - 1))
        out = np.interp(pixels, values, ranks).astype(np.float32)
        if pixels.dtype.kind == "f":
            out[~np.isfinite(pixels)] = 0
        return out
