"""`medad retrieve`: scans, sentences and past reports, by what brat sees in them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medad.cli.console import note, progress_bar, say, show_table, warn
from napari_medad.cli.options import Device, given
from napari_medad.cli.report_writing import answer, compare, draft
from napari_medad.errors import MedadError

if TYPE_CHECKING:
    from napari_medad.detectors.brat.detector import BratDetector
    from napari_medad.reports.library import Origin, ReportLibrary
    from napari_medad.reports.scan import EmbeddedScan

retrieve = typer.Typer(
    help="Search past studies and reports by sentence or by scan (brat).", no_args_is_help=True
)
retrieve.command()(draft)
retrieve.command()(answer)
retrieve.command()(compare)

LibraryFile = Annotated[Path, typer.Argument(metavar="LIBRARY", help="The library's file.")]
StudyInput = Annotated[Path, typer.Argument(metavar="STUDY", help="File, folder or DICOM series.")]
Weights = Annotated[str | None, typer.Option(help="Of brat: a name, a path or untrained.")]
Count = Annotated[int, typer.Option(min=1, help="How many to show.")]
KINDS = ("scans", "reports", "sentences")


@retrieve.command()
def score(
    study: StudyInput,
    sentence: Annotated[
        list[str] | None, typer.Option(help="A finding to look for; may be repeated.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="A text file, each sentence of which is scored.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a map for each, and a record.")
    ] = None,
    weights: Weights = None,
    device: Device = None,
) -> None:
    """Score sentences for a scan, the likeliest first, with the views that say them."""
    from napari_medad.reports.cases import read_report, sentences_in

    asked = [*(sentence or ()), *(sentences_in(read_report(report)) if report else ())]
    if not asked:
        raise MedadError("There is nothing to look for; give --sentence TEXT or --report FILE.")
    scan = _scan(study, _brat(weights, device))
    found = sorted(scan.ask(asked), key=lambda s: -s.score)
    rows = ((f"{s.score:.3f}", " ".join(map(str, s.best_views)), s.text) for s in found)
    show_table(("Score (-1..1)", "Best views", "Sentence"), rows)
    for path in scan.save(found, out) if out else ():
        say(str(path))
    for line in scan.embedding.notes:
        note(line)
    _say_untrained(scan.origin)


@retrieve.command()
def add(
    library: LibraryFile,
    study: Annotated[Path | None, typer.Argument(metavar="[STUDY]", help="One scan.")] = None,
    report: Annotated[Path | None, typer.Option(help="Its report, a text file.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="MANIFEST", help="CSV or JSON with image and report, for many."),
    ] = None,
    keep_sentences: Annotated[
        bool,
        typer.Option(
            "--keep-sentences", help="Store the reports' words too: they may name patients."
        ),
    ] = False,
    weights: Weights = None,
    device: Device = None,
) -> None:
    """Add scans and their reports to a library; make it where there is none."""
    from napari_medad.reports.cases import StudyWithReport, cases_of, embed_cases, origin_of
    from napari_medad.reports.library import ReportLibrary

    if (study is None) == (data is None):
        raise MedadError("Give either one STUDY, or --data MANIFEST for many.")
    cases = cases_of(data) if data else [StudyWithReport(study or Path(), report)]
    brat = _brat(weights, device)
    held = ReportLibrary.open(library) if library.exists() else ReportLibrary(origin_of(brat))
    held.check(origin_of(brat), library)
    with progress_bar("embed") as report_progress:
        done, skipped = embed_cases(
            brat, cases, keep_sentences=keep_sentences, progress=report_progress
        )
    held.add(done)
    held.save(library)
    _told(held, library, len(done), "added", skipped)


@retrieve.command()
def remove(
    library: LibraryFile,
    case: Annotated[list[str], typer.Argument(metavar="CASE...", help="Names of cases.")],
) -> None:
    """Remove cases from a library; scans and reports themselves stay where they are."""
    from napari_medad.reports.library import ReportLibrary

    held = ReportLibrary.open(library)
    held.remove(case)
    held.save(library)
    say(_size(held, library))


@retrieve.command()
def rebuild(
    library: LibraryFile,
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Leave out what can no longer be read.")
    ] = False,
    weights: Weights = None,
    device: Device = None,
) -> None:
    """Embed all cases of a library anew, with other weights or after reports have changed."""
    from napari_medad.reports.cases import rebuild as anew
    from napari_medad.reports.library import ReportLibrary

    held, brat = ReportLibrary.open(library), _brat(weights, device)
    with progress_bar("rebuild") as report:
        fresh, lost = anew(held, brat, drop_missing=drop_missing, progress=report)
    fresh.save(library)
    _told(fresh, library, len(fresh), "embedded anew", lost)


@retrieve.command()
def cases(library: LibraryFile) -> None:
    """List a library's cases."""
    from napari_medad.reports.library import ReportLibrary

    held = ReportLibrary.open(library)
    rows = ((e.name, e.count, e.study, e.report or "") for e in held.entries)
    show_table(("Case", "Sentences (n)", "Scan", "Report"), rows)
    say(f"Embedded with the weights '{held.origin.name}'.")
    _say_untrained(held.origin)


@retrieve.command()
def query(
    library: LibraryFile,
    sentence: Annotated[str | None, typer.Option(help="Find scans that show it.")] = None,
    scan: Annotated[
        Path | None, typer.Option(metavar="STUDY", help="Find what is like this scan.")
    ] = None,
    kind: Annotated[
        str, typer.Option(help=f"With --scan, what to find: {', '.join(KINDS)}.")
    ] = "scans",
    count: Count = 10,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the table as CSV.")
    ] = None,
    weights: Weights = None,
    device: Device = None,
) -> None:
    """Search a library by a sentence, or by a scan."""
    from napari_medad.reports.library import ReportLibrary
    from napari_medad.reports.search import by_sentence

    if (sentence is None) == (scan is None):
        raise MedadError("Give either --sentence TEXT or --scan STUDY.")
    if kind not in KINDS:
        raise MedadError(f"The kind '{kind}' is unknown; use {', '.join(KINDS)}.")
    held, brat = ReportLibrary.open(library), _brat(weights, device)
    from napari_medad.reports.cases import origin_of

    held.check(origin_of(brat), library)
    if scan is not None:
        headings, rows = _found(held, _scan(scan, brat), kind, count)
    else:
        feature = brat.embed_sentences([sentence or ""])[0]
        matches = by_sentence(held, feature, count)
        headings = ("Case", "Score (-1..1)", "Scan", "Report")
        rows = [(m.entry.name, f"{m.score:.3f}", m.entry.study, m.entry.report) for m in matches]
    show_table(headings, ([cell or "" for cell in row] for row in rows))
    if out is not None:
        _write_csv(out, headings, rows, held.origin)
        say(str(out))
    _say_untrained(held.origin)


@retrieve.command()
def measure(
    library: LibraryFile,
    findings: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Case, and a column of 0 and 1 for every finding."),
    ] = None,
) -> None:
    """R@k, median and mean rank of a library's own scans and reports, both ways."""
    from napari_medad.reports.library import ReportLibrary
    from napari_medad.reports.retrieval_metrics import findings_of, retrieval_scores
    from napari_medad.reports.search import similarities

    held = ReportLibrary.open(library)
    with progress_bar("match") as report:
        table, entries = similarities(held, report)
    if not entries:
        raise MedadError(f"{library} holds no report; add scans with --report or --data.")
    known = None if findings is None else findings_of(findings, [e.name for e in entries])
    ways = {
        "text to image": retrieval_scores(table.T, findings=known),
        "image to text": retrieval_scores(table, findings=known),
    }
    names = list(ways["text to image"].row())
    rows = ([way, *(f"{v:.3f}" for v in s.row().values())] for way, s in ways.items())
    show_table(("Direction", *names), rows, title=f"{len(entries)} scans with reports")
    _say_untrained(held.origin)


def _found(
    held: ReportLibrary, scan: EmbeddedScan, kind: str, count: int
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Headings and rows of what is like a scan."""
    from napari_medad.reports import search
    from napari_medad.reports.cases import sentence_text

    views = scan.embedding.views
    rows: list[tuple[Any, ...]]
    if kind == "sentences":
        found = search.sentences_for(held, views, count)
        rows = [(m.entry.name, f"{m.score:.3f}", m.view, sentence_text(m)) for m in found]
        return ("Case", "Score (-1..1)", "View", "Sentence"), rows
    look = search.by_scan if kind == "scans" else search.reports_for
    matches = look(held, views, count)
    rows = [(m.entry.name, f"{m.score:.3f}", m.entry.study, m.entry.report) for m in matches]
    return ("Case", "Score (-1..1)", "Scan", "Report"), rows


def _brat(weights: str | None, device: str | None) -> BratDetector:
    from napari_medad.detectors.registry import load_detector

    brat: Any = load_detector("brat", **given(weights=weights, device=device))
    return brat


def _scan(path: Path, brat: BratDetector) -> EmbeddedScan:
    from napari_medad.reports.scan import EmbeddedScan
    from napari_medad.volumes.reader import read_study

    return EmbeddedScan.of(read_study(path), brat)


def _write_csv(
    path: Path, headings: Sequence[str], rows: Sequence[Sequence[Any]], origin: Origin
) -> None:
    """The table, each row with the state of the weights."""
    from napari_medad.atomic import replacing

    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([*headings, "Weights"])
        writer.writerows([*row, f"{origin.name} ({origin.state})"] for row in rows)


def _told(held: ReportLibrary, path: Path, done: int, what: str, left_out: Sequence[str]) -> None:
    for line in left_out:
        warn(f"Left out: {line}")
    say(f"{done} {what}; {_size(held, path)}")
    _say_untrained(held.origin)


def _size(held: ReportLibrary, path: Path) -> str:
    return f"{path} holds {len(held)} case{'' if len(held) == 1 else 's'}."


def _say_untrained(origin: Origin) -> None:
    if origin.untrained:
        warn("UNTRAINED: brat ran with random weights; scores and maps mean nothing.")
