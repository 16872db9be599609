"""One small picture of a study, for lists of many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from napari_medad.atomic import replacing
from napari_medad.export.outcome import Outcome
from napari_medad.export.pictures import WARNING
from napari_medad.export.planes import PlanePainter, font
from napari_medad.results.detection import Detection
from napari_medad.results.findings import middle_of
from napari_medad.volumes.volume import AXES

PLANE = 224
"""Width and height of each of the three planes, pixels."""
COMPRESSION = 3
"""Of the PNG: a tenth larger than the smallest, in a tenth of its time."""


def write_key_image(detection: Detection, path: Path) -> None:
    """Write the picture as PNG."""
    with replacing(path) as part:
        key_picture(detection).save(part, format="PNG", compress_level=COMPRESSION)


def key_picture(detection: Detection) -> Image.Image:
    """Three planes through the finding with the highest score; without any, through that score."""
    outcome = Outcome.of(detection)
    painter = PlanePainter(outcome)
    place = _place(detection)
    picture = Image.new("RGB", (3 * PLANE, PLANE))
    for number, (axis, along) in enumerate(AXES.items()):
        plane = painter.draw(axis, place[along], (PLANE - 2, PLANE), cross=place)
        picture.paste(plane, (number * PLANE + 1, 0))
    if outcome.record.untrained:
        at = (picture.width / 2, PLANE - 4)
        ImageDraw.Draw(picture).text(at, "UNTRAINED", font=font(15), fill=WARNING, anchor="mb")
    return picture


def _place(detection: Detection) -> tuple[int, int, int]:
    if detection.findings:
        finding = max(detection.findings, key=lambda found: found.max_score)
        return middle_of(finding, detection.mask, detection.volume)
    anomaly = detection.maps["anomaly"]
    z, y, x = np.unravel_index(int(np.argmax(anomaly)), anomaly.shape)
    return int(z), int(y), int(x)
