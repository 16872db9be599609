"""Key images of findings, and the montage of slices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from napari_medad.atomic import replacing
from napari_medad.export.outcome import UNTRAINED, Outcome
from napari_medad.export.planes import CHOSEN, CROSS, FINDING, PlanePainter, colours, font
from napari_medad.results.findings import Finding, middle_of
from napari_medad.volumes.volume import AXES

PLANE = 380
"""Width and height of each plane of a key image, pixels."""
HEAD, FOOT, BAR = 48, 52, 96
"""Heights of title and legend and width of the colour bar, pixels."""
MOST_KEY_IMAGES = 30
"""The largest findings have a picture of their own."""
TILE, TILES = 240, (5, 4)
"""Side of a montage's slices in pixels, and how many there are across and down."""
BACKGROUND, INK, WARNING = (16, 18, 22), (232, 234, 238), (255, 110, 100)


def write_key_images(outcome: Outcome, folder: Path, tick: Callable[[], None]) -> None:
    """Write `STEM_finding-<id>.png` for each finding, the largest `MOST_KEY_IMAGES` of them."""
    painter = PlanePainter(outcome)
    for finding in largest(outcome, MOST_KEY_IMAGES):
        tick()
        save_picture(
            key_image(painter, finding), folder / f"{outcome.stem}_finding-{finding.id:02d}.png"
        )


def write_montage(outcome: Outcome, folder: Path, tick: Callable[[], None]) -> None:
    """Write `STEM_montage.png`."""
    tick()
    save_picture(montage(PlanePainter(outcome)), folder / f"{outcome.stem}_montage.png")


def largest(outcome: Outcome, count: int) -> list[Finding]:
    """The largest findings, largest first."""
    return sorted(outcome.findings, key=lambda f: -f.volume_ml)[:count]


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a PNG as a whole or not at all."""
    with replacing(path) as part:
        picture.save(part, format="PNG", optimize=True)


def key_image(painter: PlanePainter, finding: Finding) -> Image.Image:
    """Three planes through a finding's middle with cross-hair, scale, letters and legend."""
    outcome = painter.outcome
    middle = middle_of(finding, outcome.mask, outcome.volume)
    picture = Image.new("RGB", (3 * PLANE + BAR, HEAD + PLANE + FOOT), BACKGROUND)
    for number, (axis, along) in enumerate(AXES.items()):
        size = PLANE - 4, PLANE
        plane = painter.draw(axis, middle[along], size, cross=middle, chosen=finding.id)
        picture.paste(plane, (number * PLANE + 2, HEAD))
    draw = ImageDraw.Draw(picture)
    right, front, up = finding.centroid_ras
    kind = f" · {finding.category}" if finding.category else ""
    title = (
        f"{outcome.detection.study.name} · {outcome.volume.modality or outcome.record.volume} · "
        f"{outcome.detection.detector} · finding {finding.id}{kind}"
    )
    figures = (
        f"{finding.volume_ml:.2f} mL · highest score {finding.max_score:.3g} · centre "
        f"R {right:.0f}  A {front:.0f}  S {up:.0f} mm"
    )
    draw.text((10, 5), title, font=font(17), fill=INK)
    draw.text((10, 27), figures, font=font(14), fill=INK)
    _colour_bar(picture, draw, painter, (3 * PLANE + 8, HEAD + 30), PLANE - 60)
    _legend(draw, picture.width, HEAD + PLANE + 6)
    _state(draw, outcome, HEAD + PLANE + 28)
    return picture


def montage(painter: PlanePainter) -> Image.Image:
    """Slices evenly spread over the patient along the direction that was looked along."""
    outcome = painter.outcome
    axis, (across, down) = outcome.record.axis, TILES
    first, end, _ = painter.box[AXES[axis]].indices(outcome.volume.array.shape[AXES[axis]])
    count = min(across * down, end - first)
    margin = (end - first) * 0.05 if count > 2 else 0
    indices = np.linspace(first + margin, end - 1 - margin, count).round().astype(int)
    down = -(-count // across)
    picture = Image.new("RGB", (across * TILE + BAR, HEAD + down * TILE + FOOT), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    for number, index in enumerate(indices):
        corner = (number % across * TILE, HEAD + number // across * TILE)
        tile = painter.draw(axis, int(index), (TILE - 4, TILE - 4), marks=number == 0)
        picture.paste(tile, (corner[0] + 2, corner[1] + 2))
        at = (corner[0] + TILE - 8, corner[1] + 6)
        draw.text(at, str(index), font=font(13), fill=INK, anchor="ra")
    count_text = f"{len(outcome.findings)} finding{'' if len(outcome.findings) == 1 else 's'}"
    title = f"{outcome.detection.study.name} · {outcome.detection.detector} · {count_text}"
    draw.text((10, 5), title, font=font(17), fill=INK)
    told = f"{axis.capitalize()} slices {indices[0]} to {indices[-1]}, numbered from 0"
    draw.text((10, 27), told, font=font(14), fill=INK)
    height = min(PLANE, down * TILE - 60)
    _colour_bar(picture, draw, painter, (across * TILE + 8, HEAD + 30), height)
    _legend(draw, picture.width, picture.height - FOOT + 6, chosen=False)
    _state(draw, outcome, picture.height - FOOT + 28)
    return picture


def _colour_bar(
    picture: Image.Image,
    draw: ImageDraw.ImageDraw,
    painter: PlanePainter,
    corner: tuple[int, int],
    height: int,
) -> None:
    """The map's colours with their scores; the mark is the threshold."""
    ramp = np.repeat(colours()[::-1].astype(np.uint8)[:, None], 18, axis=1)
    picture.paste(Image.fromarray(ramp).resize((18, height)), corner)
    x, y = corner
    low, high = painter.map_range
    draw.text((x, y - 20), "score", font=font(13), fill=INK)
    for share in (0.0, 0.5, 1.0):
        at = y + height * (1 - share)
        draw.line((x + 18, at, x + 22, at), fill=INK)
        score = f"{low + share * (high - low):.3g}"
        draw.text((x + 26, at), score, font=font(13), fill=INK, anchor="lm")
    share = (painter.outcome.detection.threshold - low) / (high - low)
    if 0 <= share <= 1 and not painter.outcome.corrected:
        at = y + height * (1 - share)
        draw.line((x - 3, at, x + 21, at), fill=FINDING, width=2)


def _legend(draw: ImageDraw.ImageDraw, width: int, y: int, *, chosen: bool = True) -> None:
    entries = [(FINDING, "findings, threshold")]
    if chosen:
        entries = [(CHOSEN, "this finding"), (FINDING, "other findings, threshold")]
        entries.append((CROSS, "its highest score"))
    x = 10.0
    for colour, text in entries:
        draw.rectangle((x, y + 3, x + 12, y + 15), outline=colour, width=2)
        draw.text((x + 18, y), text, font=font(14), fill=INK)
        x += 18 + draw.textlength(text, font=font(14)) + 24


def _state(draw: ImageDraw.ImageDraw, outcome: Outcome, y: int) -> None:
    """What nobody who sees the picture may overlook."""
    x = 10.0
    for text in outcome.statements:
        draw.text((x, y), text, font=font(14), fill=WARNING if text == UNTRAINED else INK)
        x += draw.textlength(text, font=font(14)) + 16
