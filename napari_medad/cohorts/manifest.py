"""A table of studies: CSV or JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_medad.cohorts.sources import FORBIDDEN, LONGEST_NAME, StudySource, refuse_twins
from napari_medad.errors import MedadError
from napari_medad.training.manifest import ENDINGS, manifest_rows
from napari_medad.volumes.modality import modality_of

STUDY, PATH = "study", "path"
VOLUMES = ("t1n", "t1c", "t2w", "t2f", "dwi", "adc", "swi", "pd", "ct", "pet", "us", "xr")


def is_manifest(path: Path) -> bool:
    """Whether a file is a table and not a scan."""
    return path.is_file() and path.suffix.lower() in ENDINGS


def read_manifest(path: Path) -> list[StudySource]:
    """The studies of a manifest, in its order.

    Columns: `study`, a name; and either `path`, a file or folder, or one column for each
    volume, called by its modality (`t1c`, `t2f`, `flair`, `ct`, ...) and empty where a study
    lacks it. Paths are relative to the manifest.

    Raises
    ------
    MedadError
        If a column is unknown or missing, two studies have one name, or a file is missing.
    """
    rows = manifest_rows(path)
    if not rows:
        raise MedadError(f"{path} lists no study; write a row for each.")
    columns = _volumes(tuple(rows[0][1]), path)
    found = [_source(row, where, columns, path.parent) for where, row in rows]
    refuse_twins((source.name, where) for source, (where, _) in zip(found, rows))
    _refuse_missing(found, rows)
    return found


def _volumes(columns: Sequence[str], path: Path) -> dict[str, str]:
    """The volume that each column but `study` is of; "" for `path`."""
    known = f"'{STUDY}', and '{PATH}' or volumes such as {', '.join(VOLUMES[:4])}"
    if STUDY not in columns:
        raise MedadError(f"{path} has no column '{STUDY}'; it needs {known}.")
    found: dict[str, str] = {}
    for column in columns:
        volume = "" if column == PATH else column if column in VOLUMES else modality_of(column)
        if column == STUDY:
            continue
        if volume is None:
            raise MedadError(
                f"{path} has the column '{column}', which names no volume; it can have {known}."
            )
        if volume in found.values():
            raise MedadError(f"{path} has two columns of the volume {volume}; keep one.")
        found[column] = volume
    if not found or ("" in found.values() and len(found) > 1):
        raise MedadError(
            f"{path} must have either '{PATH}' or columns of volumes beside '{STUDY}'."
        )
    return found


def _source(
    row: Mapping[str, Any], where: str, columns: Mapping[str, str], home: Path
) -> StudySource:
    name = str(row.get(STUDY) or "").strip()
    if not name or name.startswith(".") or set(name) & set(FORBIDDEN):
        raise MedadError(
            f"{where} has the study '{name}'; write a name that can be a folder's, without "
            f"{' '.join(FORBIDDEN)}."
        )
    if len(name.encode()) > LONGEST_NAME:
        raise MedadError(f"{where} has a study's name of more than {LONGEST_NAME} bytes.")
    cells = {column: str(row.get(column) or "").strip() for column in columns}
    paths = {
        columns[column]: home / Path(text).expanduser() for column, text in cells.items() if text
    }
    if not paths:
        raise MedadError(f"{where} names no file of {name}; fill it in or delete the row.")
    return StudySource(name, paths.get("", paths))


def _refuse_missing(
    found: Sequence[StudySource], rows: Sequence[tuple[str, Mapping[str, Any]]]
) -> None:
    missing = []
    for source, (where, _) in zip(found, rows):
        missing += [(where, path) for path in source.paths if not path.exists()]
    if missing:
        where, path = missing[0]
        more = f" (and {len(missing) - 1} more are missing)" if len(missing) > 1 else ""
        raise MedadError(
            f"{where} names {path}, which is not there{more}; correct the paths, which are "
            "relative to the manifest, or delete the rows."
        )
