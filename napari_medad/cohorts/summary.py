"""The table of a cohort: one row a study, as JSON lines beside the results."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_medad.atomic import replacing
from napari_medad.errors import MedadError

SUMMARY = "summary.jsonl"

State = Literal["waiting", "done", "failed"]


class Row(BaseModel):
    """One study of a cohort.

    Attributes
    ----------
    score : float or None
        Highest slice score; None until the study is done.
    volume_ml : float or None
        Of all findings together.
    reason : str
        Why a study failed, one sentence.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    study: str
    state: State = "waiting"
    score: float | None = None
    findings: int | None = None
    volume_ml: float | None = None
    image: str | None = None
    record: str | None = None
    reason: str = ""


def write_summary(folder: Path, rows: Iterable[Row]) -> Path:
    """Write the rows, in their order, in place of an earlier summary."""
    path = folder / SUMMARY
    with replacing(path) as new:
        new.write_text("".join(row.model_dump_json() + "\n" for row in rows), encoding="utf-8")
    return path


def read_summary(folder: str | Path) -> tuple[Row, ...]:
    """The rows of a cohort's folder.

    Raises
    ------
    MedadError
        If there is no summary, or a line of it is not a row.
    """
    path = Path(folder) / SUMMARY
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        raise MedadError(f"{folder} holds no {SUMMARY}; give a cohort's folder.") from None
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(Row.model_validate_json(line))
        except ValidationError:
            raise MedadError(f"{path}, line {number}, is not a row of a cohort.") from None
    return tuple(rows)
