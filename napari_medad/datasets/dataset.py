"""A public dataset as its authors lay it out: cases by name, read when they are needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class DatasetCase:
    """One scan or picture; nothing of it is read before it is asked for.

    Attributes
    ----------
    name : str
    patient : str
        Cases of one patient never lie in two parts of a split.
    images : mapping of str to Path
        By the volume's name (t1n, t1c, t2w, t2f, ...; "image" for a picture).
    mask : Path or None
        Pixel truth, everything but 0 is abnormal; None where there is none.
    abnormal : bool or None
        Of the whole image; None where only the mask tells.
    labels : tuple of str
        Names of what the image shows, as a disease; empty for normal ones.
    boxes : tuple of (row, column, height, width)
        In pixels, where the truth is boxes.
    split : str
        "train", "validation", "test", or "" where the layout has none.
    """

    name: str
    patient: str
    images: dict[str, Path]
    mask: Path | None = None
    abnormal: bool | None = None
    labels: tuple[str, ...] = ()
    boxes: tuple[tuple[int, int, int, int], ...] = ()
    split: str = ""


@dataclass(frozen=True)
class Dataset:
    """Cases of one folder.

    Attributes
    ----------
    layout : str
        A name of `layouts()`.
    folder : Path
    cases : tuple of DatasetCase
        In the order of their names.
    notes : tuple of str
        What was left out, and why.
    """

    layout: str
    folder: Path
    cases: tuple[DatasetCase, ...]
    notes: tuple[str, ...] = field(default=())
