"""The report as PDF, with text that can be searched."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from PIL import Image as Pictures
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.platypus import Image, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table

from napari_medad.atomic import replacing
from napari_medad.export.outcome import NOT_CLINICAL, UNTRAINED, Outcome
from napari_medad.export.report import (
    COLUMNS,
    about,
    cells,
    facts,
    left_out,
    pictures,
    shown_columns,
    title,
)

MARGIN = 15 * mm
WIDTH = A4[0] - 2 * MARGIN
GREY, LINE = colors.HexColor("#555c66"), colors.HexColor("#dde1e6")
JPEG_QUALITY = 92
HEADINGS = ("Overview", "Each finding")
MONTAGE_SHARE = 0.8
"""Of the page's width, so that it stands below the table on the first page."""

_sheet = getSampleStyleSheet()
BODY = ParagraphStyle("body", _sheet["BodyText"], fontSize=8.5, leading=11, spaceAfter=0)
QUIET = ParagraphStyle("quiet", BODY, textColor=GREY)
NUMBER = ParagraphStyle("number", BODY, alignment=2)
TITLE = ParagraphStyle("title", _sheet["Heading1"], fontSize=16, spaceAfter=2)
HEADING = ParagraphStyle("heading", _sheet["Heading2"], fontSize=11.5, spaceBefore=10)
TOLD = ParagraphStyle(
    "told",
    BODY,
    fontSize=9.5,
    leading=13,
    borderColor=colors.HexColor("#b7791f"),
    borderWidth=0.7,
    borderPadding=4,
    backColor=colors.HexColor("#fdf6e7"),
    spaceBefore=7,
    spaceAfter=5,
)
GRAVE = ParagraphStyle("grave", TOLD, backColor=colors.HexColor("#b3261e"), textColor=colors.white)


def write_pdf(outcome: Outcome, folder: Path, tick: Callable[[], None]) -> None:
    """Write `STEM_report.pdf`, A4."""
    story: list[Any] = [Paragraph(escape(title(outcome)), TITLE), _paragraph(about(outcome), QUIET)]
    story += [_paragraph(s, GRAVE if s == UNTRAINED else TOLD) for s in outcome.statements]
    story += [Paragraph("Findings", HEADING), _findings(outcome)]
    for number, (caption, picture) in enumerate(pictures(outcome, tick)):
        heading = [Paragraph(HEADINGS[number], HEADING)] if number < len(HEADINGS) else []
        width = WIDTH * (MONTAGE_SHARE if number == 0 else 1)
        shown = [_image(picture, width), _paragraph(caption, QUIET), Spacer(1, 8)]
        story.append(KeepTogether([*heading, *shown]))
    story.append(_paragraph(left_out(outcome), QUIET))
    story += [Paragraph("How it came about", HEADING), _facts(outcome)]
    with replacing(folder / f"{outcome.stem}_report.pdf") as part:
        document = SimpleDocTemplate(
            str(part),
            pagesize=A4,
            title=title(outcome),
            author="napari-medad",
            **dict.fromkeys(("leftMargin", "rightMargin", "topMargin", "bottomMargin"), MARGIN),
        )
        foot = partial(_foot, " ".join(s for s in outcome.statements if s != NOT_CLINICAL))
        document.build(story, onFirstPage=foot, onLaterPages=foot)


def _paragraph(text: str, style: ParagraphStyle = BODY) -> Paragraph:
    return Paragraph(escape(text), style)


def _findings(outcome: Outcome) -> Any:
    rows = [cells(finding) for finding in outcome.findings]
    if not rows:
        return _paragraph("Nothing lies above the threshold.")
    shown = shown_columns(rows)
    styles = [NUMBER if COLUMNS[i].number else BODY for i in shown]
    head = [_paragraph(COLUMNS[i].title, s) for i, s in zip(shown, styles, strict=True)]
    body = [[_paragraph(row[i], s) for i, s in zip(shown, styles, strict=True)] for row in rows]
    return _ruled(Table([head, *body], colWidths=[WIDTH / len(shown)] * len(shown), repeatRows=1))


def _facts(outcome: Outcome) -> Table:
    rows = [[_paragraph(name, QUIET), _paragraph(value)] for name, value in facts(outcome)]
    return _ruled(Table(rows, colWidths=[WIDTH * 0.22, WIDTH * 0.78]))


def _ruled(table: Table) -> Table:
    table.setStyle(
        [
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            *((f"{side}PADDING", (0, 0), (-1, -1), 2) for side in ("TOP", "BOTTOM")),
        ]
    )
    return table


def _image(picture: Pictures.Image, width: float) -> Image:
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    stream.seek(0)
    return Image(stream, width=width, height=width * picture.height / picture.width)


def _foot(told: str, canvas: Any, document: Any) -> None:
    """On every page, since pages are torn apart."""
    canvas.saveState()
    canvas.setFont("Helvetica", 7.5)
    canvas.setFillColor(GREY)
    canvas.drawString(MARGIN, 8 * mm, f"{NOT_CLINICAL} {told}")
    canvas.drawRightString(A4[0] - MARGIN, 8 * mm, f"Page {document.page}")
    canvas.restoreState()
