"""A table of examples: CSV or JSON."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_medad.detectors.recipe import Example
from napari_medad.errors import MedadError
from napari_medad.volumes.volume import AXES

ENDINGS = (".csv", ".tsv", ".json")
LABELS = {"": None, "0": 0, "normal": 0, "healthy": 0, "1": 1, "abnormal": 1, "anomalous": 1}
SPLITS = {"": False, "train": False, "training": False} | dict.fromkeys(
    ("held-out", "held_out", "val", "valid", "validation", "calibration"), True
)
"""Whether a split's images are held out; "test" images never teach."""
TEST = "test"


def read_manifest(path: Path, *, test: bool = False) -> tuple[Example, ...]:
    """The examples of a manifest: those to learn from, or those to test on.

    Columns, of which only `image` must be there: `image`, `mask`, `refined`, `importance`
    (paths, relative to the manifest), `task`, `label` (0 or normal, 1 or abnormal, empty for
    unknown; where the column is missing, 0 or what `categories` say), `slices` ("12:1 13:0":
    axial slice and its label), `categories` ("Enlarged ventricles; Craniotomy", or "normal":
    the abnormalities of one slice) with `slice` (its number; 0 where the image has one) and
    `axis`, `split` (train, held-out or test), `patient`, `report` (its text, or a .txt file),
    `class` (a name of what the whole study shows), `frame` (of a 4D image, from 0). A JSON
    manifest is a list of such objects, or {"examples": [...]}. Other columns are ignored.

    Parameters
    ----------
    path : Path
    test : bool
        Give the rows of the split "test", and of a manifest without splits all; else all
        but those.

    Raises
    ------
    MedadError
        Names the file, the row and the field that is wrong.
    """
    rows = manifest_rows(path)
    splits = {_split(row) for _, row in rows}
    if test and TEST not in splits and splits - {""}:
        raise MedadError(f"{path} marks no row for testing; give those the split 'test'.")
    wanted = {TEST} & splits or {""} if test else splits - {TEST}
    found = []
    for where, row in rows:
        if "image" not in row:
            raise MedadError(f"{where} has no 'image'; name the column or field 'image'.")
        text = {key: "" if v is None else v for key, v in row.items()}
        if _split(text) in wanted:
            found.append(_example(text, where, path.parent))
    return tuple(found)


def manifest_rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Every row by lower-case column, with the words that name its place in the file.

    Raises
    ------
    MedadError
        If the file cannot be read.
    """
    return _json_rows(path) if path.suffix.lower() == ".json" else _csv_rows(path)


def _split(row: Mapping[str, Any]) -> str:
    return str(row.get("split") or "").strip().lower()


def _example(row: Mapping[str, Any], where: str, home: Path) -> Example:
    image = _file(row, "image", where, home)
    if image is None:
        raise MedadError(f"{where} names no image; fill in its 'image' or delete the row.")
    categories = _categories(row, where)
    own = str(int(any(categories.values()))) if categories else "0"
    return Example(
        image,
        task=str(row.get("task", "")).strip(),
        label=_choice(row.get("label", own), LABELS, "label", where),
        mask=_file(row, "mask", where, home),
        refined=_file(row, "refined", where, home),
        importance=_file(row, "importance", where, home),
        slices=_slices(row.get("slices", ""), where),
        categories=categories,
        axis=_choice(row.get("axis", ""), {"": "axial"} | {a: a for a in AXES}, "axis", where),
        held_out=_split(row) != TEST and bool(_choice(_split(row), SPLITS, "split", where)),
        patient=str(row.get("patient", "")).strip(),
        report=_report(row, where, home),
        study_class=str(row.get("class", "")).strip(),
        frame=_number(row, "frame", where),
    )


def _file(row: Mapping[str, Any], key: str, where: str, home: Path) -> Path | None:
    text = str(row.get(key, "")).strip()
    if not text:
        return None
    path = home / Path(text).expanduser()
    if not path.exists():
        raise MedadError(f"{where} names the {key} {text}, which is not there; correct the path.")
    return path


def _report(row: Mapping[str, Any], where: str, home: Path) -> str:
    """The text of a report, which the cell holds or names a .txt file of."""
    text = str(row.get("report", "")).strip()
    if not text.endswith(".txt") or len(text.split()) > 1:
        return text
    file = _file(row, "report", where, home)
    assert file is not None
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise MedadError(f"{where} names the report {text}, which is no text in UTF-8.") from None


def _choice(value: Any, choices: Mapping[str, Any], key: str, where: str) -> Any:
    text = str(value).strip().lower()
    text = text.removesuffix(".0")
    if text not in choices:
        known = ", ".join(c for c in choices if c)
        raise MedadError(f"{where} has the {key} '{value}'; it must be one of {known}.")
    return choices[text]


def _slices(value: Any, where: str) -> dict[int, int] | None:
    """Slice labels from {"12": 1} or "12:1 13:0"."""
    if not value:
        return None
    parts = re.split(r"[\s,;]+", value.strip()) if isinstance(value, str) else value
    try:
        pairs = parts.items() if isinstance(parts, Mapping) else (p.split(":") for p in parts)
        labels = {int(z): int(label) for z, label in pairs}
    except (ValueError, TypeError, AttributeError):
        labels = {}
    if not labels or any(z < 0 or label not in (0, 1) for z, label in labels.items()):
        raise MedadError(
            f"{where} has slices '{value}'; write slice:label pairs such as 12:1 13:0, with "
            "label 0 or 1."
        )
    return labels


def _categories(row: Mapping[str, Any], where: str) -> dict[int, tuple[str, ...]] | None:
    """The abnormalities of one slice; None where the row says nothing of them."""
    held = row.get("categories", "")
    names = held if isinstance(held, list) else str(held).split(";")
    names = [str(name).strip() for name in names if str(name).strip()]
    if not names:
        return None
    number = _number(row, "slice", where) or 0
    normal = [name.lower() == "normal" for name in names]
    if any(normal) and len(names) > 1:
        raise MedadError(
            f"{where} has the categories '{held}'; a slice is normal or has categories, not both."
        )
    return {number: () if any(normal) else tuple(dict.fromkeys(names))}


def _number(row: Mapping[str, Any], key: str, where: str) -> int | None:
    text = str(row.get(key, "")).strip()
    if text and not text.isdecimal():
        raise MedadError(f"{where} has the {key} '{text}'; it must be a number from 0.")
    return int(text) if text else None


def _csv_rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            first = stream.readline()
            stream.seek(0)
            mark = max(("\t", ";", ","), key=first.count)
            reader = csv.DictReader(stream, delimiter=mark, skipinitialspace=True)
            return [(f"Line {reader.line_num} of {path}", _lower(row)) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MedadError(f"{path} cannot be read as CSV ({error}); save it as UTF-8.") from None


def _json_rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MedadError(f"{path} is not readable JSON ({error}); correct it.") from None
    rows = held.get("examples") if isinstance(held, dict) else held
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise MedadError(f"{path} must be a list of objects, each with at least an 'image'.")
    return [(f"Example {i} of {path}", _lower(row)) for i, row in enumerate(rows, 1)]


def _lower(row: Mapping[Any, Any]) -> dict[str, Any]:
    """The row by lower-case column; cells beyond the header are dropped."""
    return {str(key).strip().lower(): value for key, value in row.items() if key is not None}
