"""All slices one after another, as an animation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from napari_medad.atomic import replacing
from napari_medad.errors import MedadError
from napari_medad.export.outcome import Outcome
from napari_medad.export.pictures import INK, WARNING
from napari_medad.export.planes import PlanePainter, font
from napari_medad.volumes.volume import AXES

SIDE = 400
"""Longer side of the animation, pixels."""
FRAMES_S = 12
MOST_FRAMES = 240
CAPTION = 40
BLOCK = 16
"""Video encoders take sizes that are multiples of this."""


def write_gif(outcome: Outcome, folder: Path, tick: Callable[[], None]) -> None:
    """Write `STEM_scroll.gif`, which repeats for ever."""
    frames = (f.quantize(128, dither=Image.Dither.NONE) for f in _frames(outcome, tick))
    with replacing(folder / f"{outcome.stem}_scroll.gif") as part:
        next(frames).save(
            part,
            format="GIF",
            save_all=True,
            append_images=frames,
            duration=round(1000 / FRAMES_S),
            loop=0,
        )


def write_mp4(outcome: Outcome, folder: Path, tick: Callable[[], None]) -> None:
    """Write `STEM_scroll.mp4` (H.264).

    Raises
    ------
    MedadError
        If imageio-ffmpeg is not installed.
    """
    try:
        from imageio_ffmpeg import write_frames
    except ImportError:
        raise MedadError(
            'MP4 needs imageio-ffmpeg; run pip install "napari-medad[mp4]", or export GIF.'
        ) from None
    with replacing(folder / f"{outcome.stem}_scroll.mp4") as part:
        writer = None
        for frame in _frames(outcome, tick):
            if writer is None:
                options = {"fps": FRAMES_S, "quality": 7, "macro_block_size": BLOCK}
                writer = write_frames(str(part), frame.size, ffmpeg_log_level="error", **options)
                writer.send(None)
            writer.send(np.ascontiguousarray(np.asarray(frame)))
        if writer is not None:
            writer.close()
        if part.stat().st_size == 0:
            raise OSError("ffmpeg wrote nothing")


def _frames(outcome: Outcome, tick: Callable[[], None]) -> Iterator[Image.Image]:
    """Captioned slices of the patient along the direction that was looked along."""
    painter, axis = PlanePainter(outcome), outcome.record.axis
    number = AXES[axis]
    first, end, _ = painter.box[number].indices(outcome.volume.array.shape[number])
    width_mm, height_mm = painter.size_mm(axis)
    scale = SIDE / max(width_mm, height_mm)
    width = max(BLOCK, -(-round(width_mm * scale) // BLOCK) * BLOCK)
    height = -(-(round(height_mm * scale) + CAPTION) // BLOCK) * BLOCK
    step = max(1, -(-(end - first) // MOST_FRAMES))
    for index in range(first, end, step):
        tick()
        frame = Image.new("RGB", (width, height))
        frame.paste(painter.draw(axis, index, (width, height - CAPTION)))
        draw = ImageDraw.Draw(frame)
        title = f"{outcome.detection.detector} · {axis} {index}"
        draw.text((6, height - CAPTION + 3), title, font=font(13), fill=INK)
        told = " ".join(s.split(":")[0] + "." for s in outcome.statements[:2] if ":" in s)
        fill = WARNING if outcome.record.untrained else INK
        draw.text((6, height - CAPTION + 20), told, font=font(13), fill=fill)
        yield frame
