"""One self-contained HTML page of an evaluation or a benchmark, fit for a paper's supplement."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined

from napari_medad.atomic import replacing
from napari_medad.evaluation.comparison import Comparison
from napari_medad.evaluation.evaluation import Evaluation
from napari_medad.evaluation.tables import (
    NOTHING,
    Table,
    comparison_table,
    image_table,
    lesion_means_table,
    measured_table,
    patient_table,
    pooled_table,
    summary_table,
    voxel_means_table,
)
from napari_medad.results.run_record import installed_versions

if TYPE_CHECKING:
    from napari_medad.evaluation.plots.drawing import NamedFigure

NUMBER = re.compile(rf"^(?:[+\-−<]? ?[\d.,]+%?(?!\w)|{NOTHING})")
"""How a cell begins that is set to the right."""
GRAVE = ("UNTRAINED", "NOT THE PROTOCOL")
"""How a note begins that stands at the top of the page."""
PIXELS_AN_INCH = 104
"""At which figures are shown, so that their letters are all of one size."""
NOT_A_DEVICE = (
    "Made by napari-medad, a research tool. It is not a medical device: nothing on this page is "
    "meant for diagnosis or treatment."
)


@dataclass(frozen=True)
class _Shown:
    """A table as the template takes it: which columns are set to the right."""

    title: str
    columns: list[tuple[str, bool]]
    rows: Sequence[Sequence[str]]
    note: str


def write_page(
    path: str | Path,
    title: str,
    evaluations: Sequence[Evaluation] = (),
    *,
    about: str = "",
    comparisons: Sequence[Comparison] = (),
    tables: Sequence[Table] = (),
    figures: Sequence[NamedFigure] = (),
    facts: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write a page that holds its figures and needs no other file.

    Parameters
    ----------
    path : path
        The HTML file.
    title : str
    evaluations : sequence of Evaluation
        Their policies, means, pooled figures and patients become tables; their notes are
        told. Those whose maps come from random weights are warned of at the top.
    about : str
        A sentence or two below the title.
    comparisons : sequence of Comparison
    tables : sequence of Table
        More of them, before all others, such as a paper's table beside ours.
    figures : sequence of NamedFigure
        As `plots.standard.standard_figures` makes them of evaluations, and others.
    facts : mapping of str to str
        Settings and whatever else a reader needs to do it again; versions and the date are
        added.
    notes : sequence of str

    Raises
    ------
    MedadError
        If the file cannot be written.
    """
    told = list(dict.fromkeys([*notes, *_notes(evaluations)]))
    measured = _measured(evaluations) if evaluations else []
    found = [*measured, *(comparison_table(held) for held in comparisons)]
    template = files("napari_medad.evaluation").joinpath("page.html.j2").read_text("utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.from_string(template).render(
        title=title,
        about=about,
        warnings=[note for note in told if note.startswith(GRAVE)],
        found=[_shown(table) for table in found if table.rows],
        tables=[_shown(table) for table in tables],
        figures=[_picture(figure) for figure in figures],
        patients=[_shown(patient_table(held)) for held in evaluations],
        facts={**(facts or {}), **_made()},
        notes=[note for note in told if not note.startswith(GRAVE)],
        not_a_device=NOT_A_DEVICE,
    )
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
    return Path(path)


def _measured(evaluations: Sequence[Evaluation]) -> list[Table]:
    made = (
        measured_table,
        summary_table,
        voxel_means_table,
        lesion_means_table,
        pooled_table,
        image_table,
    )
    return [table(evaluations) for table in made]


def _notes(evaluations: Sequence[Evaluation]) -> list[str]:
    """Of all evaluations; one that not all share says whose it is."""
    shared = set.intersection(*(set(held.notes) for held in evaluations)) if evaluations else set()
    return [
        note if note in shared or note.startswith(GRAVE) else f"{held.name}: {note}"
        for held in evaluations
        for note in held.notes
    ]


def _made() -> dict[str, str]:
    versions = ", ".join(f"{name} {number}" for name, number in installed_versions().items())
    return {"Versions": versions, "Made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")}


def _shown(table: Table) -> _Shown:
    columns = []
    for number, name in enumerate(table.columns):
        cells = [row[number] for row in table.rows if row[number]]
        columns.append((name, bool(cells) and all(NUMBER.match(cell) for cell in cells)))
    return _Shown(table.title, columns, table.rows, table.note)


def _picture(figure: NamedFigure) -> dict[str, str]:
    data = base64.b64encode(figure.png).decode("ascii")
    width = f"{figure.figure.get_figwidth() * PIXELS_AN_INCH:.0f}"
    return {"title": figure.title, "caption": figure.caption, "data": data, "width": width}
