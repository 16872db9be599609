"""Datasets of pictures: what readers of such layouts share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from napari_medad.datasets.dataset import PICTURE, DatasetCase

FILES = r"(?P<name>[^/]+)\.(?:png|jpe?g|bmp|tiff?)"
"""A picture's file in a pattern."""
NORMAL = "normal"


def picture(
    path: Path,
    label: str,
    *,
    name: str,
    patient: str = "",
    split: str = "",
    masks: Sequence[Path] = (),
) -> DatasetCase:
    """A case that is one picture of one class; a patient of its own where none is told."""
    normal = label == NORMAL
    return DatasetCase(
        name=name,
        patient=patient or name,
        images={PICTURE: path},
        masks=() if normal else tuple(masks),
        abnormal=not normal,
        labels=() if normal else (label,),
        split=split,
    )


def safe(name: str) -> str:
    """A name that can be a file's: benign (1) is benign_1."""
    return re.sub(r"[^\w.+-]+", "_", name).strip("_")
