"""Labels of slices as a file that a person can edit: image, slice, normal or abnormal."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from napari_medad.atomic import replacing
from napari_medad.errors import MedadError

WORDS = {"normal": "0", "healthy": "0", "abnormal": "1"}


@dataclass(frozen=True)
class LabelRow:
    """One row of the file.

    Attributes
    ----------
    where : str
        Which row, for messages.
    image : str
        Name or path of a file.
    slices : dict of int to int
        0 normal, 1 abnormal, by axial slice.
    """

    where: str
    image: str
    slices: dict[int, int]


def read_slice_labels(path: Path) -> list[LabelRow]:
    """Rows with the columns `image` and `slices` ("12:1 13:0"), or `image`, `slice` and `label`.

    Raises
    ------
    MedadError
        If the file cannot be read, or a row names no image or no label.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True)
            held = [(f"Line {reader.line_num} of {path}", row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MedadError(f"{path} cannot be read as CSV ({error}); save it as UTF-8.") from None
    found = []
    for where, row in held:
        cells = {str(k).strip().lower(): (v or "").strip() for k, v in row.items() if k}
        if not cells.get("image"):
            raise MedadError(f"{where} names no image; fill in its 'image'.")
        found.append(LabelRow(where, cells["image"], _slices(where, cells)))
    return found


def write_slice_labels(labels: Mapping[str, Mapping[int, int]], path: Path) -> None:
    """A row for each labelled slice of each image."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "slice", "label"])
        for image, slices in labels.items():
            for z in sorted(slices):
                writer.writerow([image, z, ("normal", "abnormal")[slices[z]]])


def filled_between(labels: Mapping[int, int]) -> dict[int, int]:
    """Slices between two neighbouring labels of one kind are of that kind; others stay free."""
    filled, marked = dict(labels), sorted(labels)
    for low, high in pairwise(marked):
        if labels[low] == labels[high]:
            filled |= dict.fromkeys(range(low, high), labels[low])
    return filled


def _slices(where: str, cells: Mapping[str, str]) -> dict[int, int]:
    pairs = cells.get("slices", "").replace(",", " ").split()
    if not pairs:
        pairs = [f"{cells.get('slice', '')}:{cells.get('label', '')}"]
    try:
        split = (pair.split(":") for pair in pairs)
        labels = {int(z): int(WORDS.get(label.lower(), label)) for z, label in split}
    except ValueError:
        labels = {-1: -1}
    if any(z < 0 or label not in (0, 1) for z, label in labels.items()):
        raise MedadError(
            f"{where} has no labels that can be read; write a slice number and 0 (normal) or 1 "
            "(abnormal), or pairs such as 12:1 13:0."
        )
    return labels
