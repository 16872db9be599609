"""The table of a cohort: one row a study, as JSON lines beside the results.

A run appends a line for every study that it finishes, so that a table of 100,000 is never written
again as a whole; of several lines of one study the last holds.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_medad.atomic import replacing
from napari_medad.errors import MedadError

SUMMARY = "summary.jsonl"
TABLE = "summary.csv"
LONGEST_LINE = 1 << 16
"""Bytes; no row comes near it."""

State = Literal["waiting", "done", "failed"]


class Row(BaseModel):
    """One study of a cohort.

    Attributes
    ----------
    study : str
        Its name, which no other study of the cohort has.
    state : {"waiting", "done", "failed"}
    score : float or None
        Highest slice score; None until the study is done.
    findings : int or None
        How many.
    volume_ml : float or None
        Of all findings together.
    seconds : float or None
        That the detector looked at it.
    folder, image, record : str or None
        Folder of its results, key image (PNG) and run record, relative to the cohort's folder,
        with "/".
    source : str or None
        The file or folder that it is read from; None where a manifest names its volumes.
    corrected : bool
        Whether a reader is through with it.
    reason : str
        Why it failed, one sentence, without the folders that lead to its files.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    study: str
    state: State = "waiting"
    score: float | None = None
    findings: int | None = None
    volume_ml: float | None = None
    seconds: float | None = None
    folder: str | None = None
    image: str | None = None
    record: str | None = None
    source: str | None = None
    corrected: bool = False
    reason: str = ""


TABLE_COLUMNS = ("study", "state", "score", "findings", "volume_ml", "seconds", "record", "reason")
"""Of summary.csv. Paths of sources stay out of it: folders bear patients' names."""


def write_summary(folder: Path, rows: Iterable[Row]) -> Path:
    """Write the rows, in their order, in place of an earlier summary."""
    path = folder / SUMMARY
    with replacing(path) as new:
        new.write_text("".join(row.model_dump_json() + "\n" for row in rows), encoding="utf-8")
    return path


def append_rows(folder: str | Path, rows: Iterable[Row]) -> None:
    """Add rows to a summary; each holds from now on instead of its study's earlier ones.

    The lines are written at once, so that two writers do not mix theirs.

    Raises
    ------
    MedadError
        If the summary cannot be written.
    """
    lines = "".join(row.model_dump_json() + "\n" for row in rows).encode()
    path = Path(folder) / SUMMARY
    try:
        with path.open("ab") as stream:
            stream.write(lines)
    except OSError as error:
        raise MedadError(
            f"{path} was not written: {error.strerror or error}; free space or choose another "
            "folder."
        ) from None


def mend_summary(folder: str | Path) -> None:
    """Cut off a last line that a killed run left without its end."""
    path = Path(folder) / SUMMARY
    with path.open("rb+") as stream:
        end = stream.seek(0, os.SEEK_END)
        start = max(0, end - LONGEST_LINE)
        stream.seek(start)
        stream.truncate(start + stream.read().rfind(b"\n") + 1)


def read_summary(folder: str | Path) -> tuple[Row, ...]:
    """The rows of a cohort's folder, each study once, in the order of their first lines.

    Raises
    ------
    MedadError
        If there is no summary, or a line of it is not a row.
    """
    return SummaryReader(folder).read()


class SummaryReader:
    """Reads a summary again and again, of a run that appends to it only what is new.

    Attributes
    ----------
    path : Path
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / SUMMARY
        self._rows: dict[str, Row] = {}
        self._start_again(None)

    def read(self) -> tuple[Row, ...]:
        """All rows as of now; a line whose end is not written yet is left for the next time.

        Raises
        ------
        MedadError
            If there is no summary, or a line of it is not a row.
        """
        self.news()
        return tuple(self._rows.values())

    def news(self) -> tuple[Row, ...]:
        """The rows that were added since the last time, or all of a summary written anew.

        Raises
        ------
        MedadError
            As `read`.
        """
        try:
            with self.path.open("rb") as stream:
                held = os.fstat(stream.fileno())
                if held.st_ino != self._file or held.st_size < self._place:
                    self._start_again(held.st_ino)
                stream.seek(self._place)
                whole, end, _ = stream.read().rpartition(b"\n")
        except OSError:
            raise MedadError(
                f"{self.path.parent} holds no {SUMMARY}; give a cohort's folder."
            ) from None
        self._place += len(whole) + len(end)
        found = [self._row(line) for line in whole.splitlines()]
        self._rows.update((row.study, row) for row in found)
        return tuple(found)

    def _row(self, line: bytes) -> Row:
        self._line += 1
        try:
            return Row.model_validate_json(line)
        except ValidationError:
            raise MedadError(f"{self.path}, line {self._line}, is not a row of a cohort.") from None

    def _start_again(self, file: int | None) -> None:
        self._rows.clear()
        self._file, self._place, self._line = file, 0, 0


def write_table(folder: Path, rows: Iterable[Row]) -> Path:
    """Write summary.csv, for spreadsheets."""
    path = folder / TABLE
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, TABLE_COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(row.model_dump() for row in rows)
    return path
