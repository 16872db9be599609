"""`medad retrieve draft`, `answer` and `compare`: reports written, read and measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medad.cli.console import progress_bar, say, show_table, warn
from napari_medad.cli.options import Device, given
from napari_medad.errors import MedadError

if TYPE_CHECKING:
    from napari_medad.reports.questions import Answer

Model = Annotated[
    Path,
    typer.Option(metavar="FOLDER", help="Language model: config, tokenizer, safetensors."),
]


def draft(
    library: Annotated[Path, typer.Argument(metavar="LIBRARY", help="Where sentences come from.")],
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="File, folder or DICOM series.")],
    model: Model,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for CASE_draft.txt.")],
    sentences: Annotated[int, typer.Option(min=1, help="How many to give to the model.")] = 12,
    longest: Annotated[int, typer.Option(min=1, help="Most tokens to write.")] = 400,
    weights: Annotated[str | None, typer.Option(help="Of brat.")] = None,
    device: Device = None,
) -> None:
    """Draft a report from the library's sentences that fit a scan best; it stays a draft."""
    from napari_medad.detectors.registry import load_detector
    from napari_medad.reports.cases import ranked_sentences
    from napari_medad.reports.draft import draft_report
    from napari_medad.reports.language_model import LocalLanguageModel
    from napari_medad.reports.library import ReportLibrary
    from napari_medad.reports.scan import EmbeddedScan
    from napari_medad.volumes.reader import read_study

    held = ReportLibrary.open(library)
    brat: Any = load_detector("brat", **given(weights=weights, device=device))
    scan = EmbeddedScan.of(read_study(study), brat)
    held.check(scan.origin, library)
    ranked = ranked_sentences(held, scan.embedding.views, sentences)
    writer = LocalLanguageModel(model, brat.device.name)
    with progress_bar("draft") as report:
        written = draft_report(
            scan.study.name,
            ranked,
            writer,
            untrained=scan.origin.untrained,
            longest=longest,
            progress=report,
        )
    path = written.save(out)
    say(written.text)
    say(str(path))
    if scan.origin.untrained:
        warn("UNTRAINED: brat ran with random weights; this draft means nothing.")


def answer(
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="A text file.")],
    model: Model,
    questions: Annotated[
        Path | None, typer.Option(metavar="YAML", help="Your own; default: the paper's.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JSON too.")] = None,
    device: Device = None,
) -> None:
    """Let a language model answer questions on a report; wrong words are shown, not guessed."""
    from napari_medad.reports.cases import read_report
    from napari_medad.reports.language_model import LocalLanguageModel
    from napari_medad.reports.questions import answers_json, answers_of
    from napari_medad.reports.questions import questions as read_questions

    asked, text = read_questions(questions), read_report(report)
    writer = LocalLanguageModel(model, **given(device=device))
    with progress_bar("answer") as watch:
        found = answers_of(text, writer, asked, progress=watch)
    show_table(("Question", "Answer", "Standing"), _rows(found))
    if out is not None:
        from napari_medad.atomic import replacing

        with replacing(out) as part:
            part.write_text(answers_json(found, writer.name), encoding="utf-8")
        say(str(out))


def compare(
    written: Annotated[Path, typer.Argument(metavar="WRITTEN", help="Folder of text files.")],
    reference: Annotated[
        Path, typer.Argument(metavar="REFERENCE", help="Folder with files of the same names.")
    ],
) -> None:
    """BLEU-4, ROUGE-L, METEOR and CIDEr of written reports; `CASE_draft.txt` is `CASE.txt`."""
    from napari_medad.reports.cases import read_report
    from napari_medad.reports.draft import ENDING, body_of
    from napari_medad.reports.text_metrics import text_scores

    pairs = {}
    for path in sorted(written.glob("*.txt")):
        other = reference / f"{path.name.removesuffix(ENDING).removesuffix('.txt')}.txt"
        if not other.is_file():
            raise MedadError(f"There is no reference {other} for {path.name}; add it.")
        pairs[path] = other
    if not pairs:
        raise MedadError(f"{written} holds no *.txt; give a folder with written reports.")
    scores = text_scores(
        [body_of(read_report(path)) for path in pairs], [read_report(p) for p in pairs.values()]
    )
    figures = (scores.bleu4, scores.rouge_l, scores.meteor, scores.cider)
    headings = ("Reports", "BLEU-4", "ROUGE-L", "METEOR", "CIDEr-D")
    show_table(headings, [(scores.count, *(f"{figure:.3f}" for figure in figures))])


def _rows(found: Sequence[Answer]) -> list[tuple[str, str, str]]:
    return [(a.question.name, "; ".join(a.values) or a.said, a.standing) for a in found]
