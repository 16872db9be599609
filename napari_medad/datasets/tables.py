"""CSV tables that come with datasets."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from napari_medad.datasets.dataset import Box
from napari_medad.datasets.tree import Tree
from napari_medad.errors import MedadError


def rows_of(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a CSV by column, blanks around names and values cut off.

    Raises
    ------
    MedadError
        If it cannot be read, or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            lines = list(csv.reader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MedadError(f"{path} cannot be read as CSV ({error}); download it again.") from None
    head = [name.strip() for name in lines[0]] if lines else []
    for column in columns:
        if column not in head:
            raise MedadError(f"{path} has no column '{column}'; download it again.")
    return [dict(zip(head, (cell.strip() for cell in line))) for line in lines[1:] if any(line)]


def table(tree: Tree, pattern: re.Pattern[str]) -> Path | None:
    """The first file that fits, or None."""
    return next((path for path, _ in tree.matching(pattern)), None)


def box_of(
    row: Mapping[str, str], columns: Sequence[str], label: str, slice: int = 0
) -> Box | None:
    """The box of a row, in whole pixels; None where a column holds no number.

    Parameters
    ----------
    row : mapping
    columns : sequence of str
        Of the first row, first column, height and width.
    label : str
    slice : int
    """
    try:
        row0, column0, height, width = (round(float(row[column])) for column in columns)
    except (KeyError, ValueError):
        return None
    return Box(row0, column0, height, width, slice, label)


def lines_of(path: Path | None) -> Iterator[str]:
    """Lines of a list of names, blanks cut off; none without a file.

    Raises
    ------
    MedadError
        If it cannot be read.
    """
    if path is None:
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MedadError(f"{path} cannot be read ({error}); download it again.") from None
    yield from (line.strip() for line in text.splitlines() if line.strip())
