"""The report: pictures, findings, and what the run rests on; here as one HTML page."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from PIL import Image

from napari_medad.atomic import replacing
from napari_medad.export.outcome import Outcome
from napari_medad.export.pictures import key_image, largest, montage
from napari_medad.export.planes import PlanePainter
from napari_medad.results.findings import Finding

MOST_PICTURES = 12
"""The largest findings have a picture in the report; the table has all."""


@dataclass(frozen=True)
class Column:
    """A column of the findings' table."""

    title: str
    number: bool
    """Whether its cells are figures."""


COLUMNS = (
    Column("#", True),
    Column("Volume (mL)", True),
    Column("Highest score", True),
    Column("Mean score", True),
    Column("Centre R, A, S (mm)", True),
    Column("Axial slices", True),
    Column("Category", False),
    Column("State", False),
)


def write_html(outcome: Outcome, folder: Path, tick: Callable[[], None]) -> None:
    """Write `STEM_report.html`, which holds its pictures and needs no other file."""
    held = [
        {"caption": caption, "data": base64.b64encode(_png(picture)).decode("ascii")}
        for caption, picture in pictures(outcome, tick)
    ]
    rows = [cells(finding) for finding in outcome.findings]
    shown = shown_columns(rows)
    template = files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8")
    text = (
        Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
        .from_string(template)
        .render(
            title=title(outcome),
            about=about(outcome),
            statements=outcome.statements,
            untrained=outcome.record.untrained,
            columns=[COLUMNS[i] for i in shown],
            findings=[[row[i] for i in shown] for row in rows],
            pictures=held,
            left_out=left_out(outcome),
            facts=facts(outcome),
        )
    )
    with replacing(folder / f"{outcome.stem}_report.html") as part:
        part.write_text(text, encoding="utf-8")


def title(outcome: Outcome) -> str:
    """The report's heading."""
    return f"Anomaly detection: {outcome.detection.study.name}"


def about(outcome: Outcome) -> str:
    """What was looked at, and how much was found, in one sentence."""
    count = len(outcome.findings)
    total = sum(finding.volume_ml for finding in outcome.findings)
    return (
        f"{outcome.detection.detector} looked at the volume {outcome.record.volume}: {count} "
        f"finding{'' if count == 1 else 's'}, {total:.2f} mL together."
    )


def pictures(outcome: Outcome, tick: Callable[[], None]) -> Iterator[tuple[str, Image.Image]]:
    """Caption and picture: the montage, then the largest findings."""
    painter = PlanePainter(outcome)
    tick()
    yield "Slices of the whole scan with the anomaly map and the findings.", montage(painter)
    for finding in largest(outcome, MOST_PICTURES):
        tick()
        yield f"Finding {finding.id}: {finding.volume_ml:.2f} mL.", key_image(painter, finding)


def left_out(outcome: Outcome) -> str:
    """Says so where not every finding has a picture."""
    more = len(outcome.findings) - MOST_PICTURES
    return f"{more} smaller findings are in the table only." if more > 0 else ""


def cells(finding: Finding) -> tuple[str, ...]:
    """A finding's row, as text."""
    return (
        str(finding.id),
        f"{finding.volume_ml:.2f}",
        f"{finding.max_score:.3g}",
        f"{finding.mean_score:.3g}",
        ", ".join(f"{c:.0f}" for c in finding.centroid_ras),
        f"{finding.slices[0]}–{finding.slices[1]}",
        finding.category,
        getattr(finding, "state", ""),
    )


def shown_columns(rows: list[tuple[str, ...]]) -> list[int]:
    """Columns that say something in some row."""
    return [i for i in range(len(COLUMNS)) if any(row[i] for row in rows)]


def facts(outcome: Outcome) -> list[tuple[str, str]]:
    """The run record for readers. Paths stay out of it: folders bear patients' names."""
    record = outcome.record
    weights = record.weights
    found = [
        ("Detector", record.detector),
        ("Weights", " · ".join(filter(None, (weights.state, weights.name)))),
        ("Weights' sha256", weights.sha256 or ""),
        ("Volume", record.volume),
        ("Slices", record.axis),
        ("Prompt", record.prompt or ""),
        ("Threshold", f"{outcome.detection.threshold:.5g} ({record.threshold_source})"),
        ("Smallest finding", f"{outcome.detection.minimum_ml:g} mL"),
        ("Settings", ", ".join(f"{k} = {v}" for k, v in record.settings.items())),
        ("Seed", str(record.seed)),
        ("Device", f"{record.device}, {record.precision}"),
        ("Run", f"{record.started}, {record.duration_s:.1f} s"),
        ("Versions", ", ".join(f"{k} {v}" for k, v in record.versions.items())),
    ]
    found += [(f"Source {s.volume}, sha256", s.sha256 or "not a file") for s in record.sources]
    found += [("Note", note) for note in record.notes]
    return [(name, value) for name, value in found if value]


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    return stream.getvalue()
