"""One slice as a picture: the scan, the map over it, outlines, letters and a scale bar."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cache, cached_property

import cmap
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from napari_medad.export.outcome import Outcome
from napari_medad.results.outputs import ANOMALY
from napari_medad.volumes.volume import AXES

LETTERS = {"axial": "RLAP", "coronal": "RLSI", "sagittal": "APSI"}
"""What lies left, right, up and down on the picture of each plane."""
WINDOW = (1.0, 99.7)
"""Percentiles of the foreground between which the scan's greys run."""
MAP_RANGE = (0.85, 0.9999)
"""Quantiles of the foreground's scores between which the map's colours run."""
MAP_OPACITY = 0.7
FINDING, CHOSEN, CROSS = (47, 214, 255), (90, 255, 130), (255, 255, 255)
BARS_MM = (100, 50, 20, 10, 5, 2, 1)
LONGEST_BAR = 0.4
"""Of the picture's width."""
SAMPLE = 500_000


@dataclass(frozen=True, eq=False)
class PlanePainter:
    """Draws slices of one outcome, all with the same greys and colours.

    Attributes
    ----------
    outcome : Outcome
    """

    outcome: Outcome
    window: tuple[float, float] = field(init=False)
    map_range: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        volume, detection = self.outcome.volume, self.outcome.detection
        inside = detection.foreground
        window = np.percentile(_sampled(volume.array, inside), WINDOW)
        low, high = np.quantile(_sampled(detection.maps["anomaly"], inside), MAP_RANGE)
        object.__setattr__(self, "window", (float(window[0]), float(window[1])))
        object.__setattr__(self, "map_range", (float(low), float(max(high, low + 1e-6))))

    def of(self, outcome: Outcome) -> PlanePainter:
        """The same greys and colours for another mask of the same maps."""
        other = copy(self)
        object.__setattr__(other, "outcome", outcome)
        return other

    @cached_property
    def box(self) -> tuple[slice, ...]:
        """Where the patient is, so that pictures show no margin of air."""
        inside = self.outcome.detection.foreground
        from_above = inside.any(axis=0)
        deep = np.any(inside, axis=(1, 2))
        shadows = (deep, np.any(from_above, axis=1), np.any(from_above, axis=0))
        if not from_above.any():
            return (slice(None),) * 3
        ends = (np.flatnonzero(shadow)[[0, -1]].tolist() for shadow in shadows)
        return tuple(slice(first, last + 1) for first, last in ends)

    def size_mm(self, axis: str) -> tuple[float, float]:
        """Width and height in mm of the pictures of a plane."""
        rows, columns = (a for a in range(3) if a != AXES[axis])
        spacing = self.outcome.volume.spacing
        height, width = (
            len(range(*self.box[a].indices(self.outcome.volume.array.shape[a]))) * spacing[a]
            for a in (rows, columns)
        )
        return width, height

    def draw(
        self,
        axis: str,
        index: int,
        size: tuple[int, int],
        *,
        cross: Sequence[int] | None = None,
        chosen: int | None = None,
        overlay: bool = True,
        marks: bool = True,
    ) -> Image.Image:
        """A slice, fitted into a black box of `size` (width, height) pixels.

        Parameters
        ----------
        axis : {"axial", "coronal", "sagittal"}
        index : int
            Of the slice along it.
        cross : sequence of int (z, y, x), optional
            Where the cross-hair points.
        chosen : int, optional
            Finding that is outlined in another colour.
        overlay : bool
            Whether the anomaly map lies over the scan.
        marks : bool
            Whether there are letters and a scale bar.
        """
        width_mm, height_mm = self.size_mm(axis)
        scale = min(size[0] / width_mm, size[1] / height_mm)
        inner = (max(1, round(width_mm * scale)), max(1, round(height_mm * scale)))
        colour = self._grey(axis, index)
        if overlay:
            colour = self._with_map(colour, axis, index)
        picture = Image.fromarray(colour).resize(inner, Image.Resampling.BICUBIC)
        picture = self._with_outlines(picture, axis, index, chosen)
        canvas = Image.new("RGB", size)
        corner = ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2)
        canvas.paste(picture, corner)
        draw = ImageDraw.Draw(canvas)
        if cross is not None:
            _cross(draw, self._place(axis, cross, scale), corner, inner)
        if marks:
            _letters(draw, LETTERS[axis], size)
            _scale_bar(draw, scale, size)
        return canvas

    def _view(self, array: np.ndarray, axis: str, index: int) -> np.ndarray:
        """A slice's box as it is looked at: head or front up."""
        number = AXES[axis]
        boxed = tuple(part for a, part in enumerate(self.box) if a != number)
        plane = array[(slice(None),) * number + (index,)][boxed]
        return plane if axis == "axial" else plane[::-1]

    def _place(self, axis: str, zyx: Sequence[int], scale: float) -> tuple[float, float]:
        """Pixel (x, y) of a voxel's middle in the picture of its plane."""
        spacing, shape = self.outcome.volume.spacing, self.outcome.volume.array.shape
        row, column = (a for a in range(3) if a != AXES[axis])
        first, end, _ = self.box[row].indices(shape[row])
        down = zyx[row] - first if axis == "axial" else end - 1 - zyx[row]
        across = zyx[column] - self.box[column].indices(shape[column])[0]
        return (across + 0.5) * spacing[column] * scale, (down + 0.5) * spacing[row] * scale

    def _grey(self, axis: str, index: int) -> np.ndarray:
        volume = self.outcome.volume
        if volume.rgb is not None:
            return np.ascontiguousarray(self._view(volume.rgb, axis, index))
        low, high = self.window
        plane = np.nan_to_num(self._view(volume.array, axis, index).astype(np.float32), nan=low)
        grey = ((plane - low) / max(high - low, 1e-6)).clip(0, 1)
        return np.repeat((grey * 255).astype(np.uint8)[..., None], 3, axis=2)

    def _with_map(self, colour: np.ndarray, axis: str, index: int) -> np.ndarray:
        low, high = self.map_range
        values = self._view(self.outcome.detection.maps["anomaly"], axis, index)
        share = ((values - low) / (high - low)).clip(0, 1)
        opacity = (MAP_OPACITY * np.clip(2 * share, 0, 1))[..., None]
        hot = colours()[(share * 255).astype(np.uint8)]
        return (colour * (1 - opacity) + hot * opacity).astype(np.uint8)

    def _with_outlines(
        self, picture: Image.Image, axis: str, index: int, chosen: int | None
    ) -> Image.Image:
        """Edges of the findings, drawn at the picture's own resolution."""
        ids = self._view(self.outcome.mask, axis, index)
        if not ids.any():
            return picture
        large = Image.fromarray(np.ascontiguousarray(ids.astype(np.int32)))
        ids = np.asarray(large.resize(picture.size, Image.Resampling.NEAREST))
        pixels = np.array(picture)
        for member, paint, width in ((ids > 0, FINDING, 1), (ids == chosen, CHOSEN, 2)):
            inner = ndimage.binary_erosion(member, iterations=width, border_value=1)
            pixels[member & ~inner] = paint
        return Image.fromarray(pixels)


@cache
def colours() -> np.ndarray:
    """The anomaly map's colours [256, 3], 0 to 255."""
    return np.asarray(cmap.Colormap(ANOMALY.colormap)(np.linspace(0, 1, 256)))[:, :3] * 255


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that every Pillow carries."""
    return ImageFont.load_default(size)


def _sampled(array: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Finite values of the foreground, of everything where there is none."""
    where = np.flatnonzero(inside)
    if where.size == 0:
        where = np.arange(array.size)
    values = np.take(array, where[:: max(1, where.size // SAMPLE)]).astype(np.float32)
    values = values[np.isfinite(values)]
    return values if values.size else np.zeros(1, np.float32)


def _text(
    draw: ImageDraw.ImageDraw, xy: tuple[float, float], text: str, size: int, at: str
) -> None:
    draw.text(
        xy,
        text,
        font=font(size),
        fill=(244, 201, 93),
        anchor=at,
        stroke_width=1,
        stroke_fill=(0, 0, 0),
    )


def _letters(draw: ImageDraw.ImageDraw, letters: str, size: tuple[int, int]) -> None:
    width, height = size
    points = max(10, round(min(size) / 20))
    left, right, up, down = tuple(letters)
    _text(draw, (5, height / 2), left, points, "lm")
    _text(draw, (width - 5, height / 2), right, points, "rm")
    _text(draw, (width / 2, 4), up, points, "ma")
    _text(draw, (width / 2, height - 4), down, points, "md")


def _scale_bar(draw: ImageDraw.ImageDraw, scale: float, size: tuple[int, int]) -> None:
    """The longest round length in mm that takes not too much of the width."""
    fitting = (mm for mm in BARS_MM if mm * scale <= LONGEST_BAR * size[0])
    millimetres = next(fitting, BARS_MM[-1])
    points, base = max(9, round(min(size) / 26)), size[1] - 8
    draw.line((8, base, 8 + millimetres * scale, base), fill=CROSS, width=3)
    _text(draw, (8, base - 5), f"{millimetres} mm", points, "ld")


def _cross(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    corner: tuple[int, int],
    inner: tuple[int, int],
) -> None:
    """Lines to a place, which they leave free."""
    x, y = place[0] + corner[0], place[1] + corner[1]
    gap = max(8.0, min(inner) / 14)
    left, top, right, bottom = corner[0], corner[1], corner[0] + inner[0], corner[1] + inner[1]
    for line in (
        (left, y, x - gap, y),
        (x + gap, y, right, y),
        (x, top, x, y - gap),
        (x, y + gap, x, bottom),
    ):
        if line[0] <= line[2] and line[1] <= line[3]:
            draw.line(line, fill=CROSS, width=1)
