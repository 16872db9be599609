"""`medad teach`: a detector learns from corrected masks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medad.cli.console import note, progress_bar, say, show_table
from napari_medad.cli.options import Device, Set, assignments, given
from napari_medad.errors import Cancelled

if TYPE_CHECKING:
    from napari_medad.evaluation.before_after import Change

HEADINGS = ("Scan", "AP before", "AP after", "Dice before", "Dice after")


def teach(
    name: Annotated[str, typer.Argument(help="A detector that has weights, e.g. rasalore.")],
    corrections: Annotated[
        Path, typer.Option(help="Folder of corrections saved by the Correct dock.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the new model; the old one stays.")],
    weights: Annotated[str, typer.Option(help="What to begin from.")] = "auto",
    compare: Annotated[
        bool, typer.Option(help="Measure both models on these scans and on synthetic ones.")
    ] = True,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a stopped lesson in --out left off.")
    ] = False,
    device: Device = None,
    settings: Set = None,
) -> None:
    """Teach a detector what you have corrected, in about a minute a scan."""
    from napari_medad.corrections.lesson import read_lessons
    from napari_medad.training.teach import lesson
    from napari_medad.training.teach import teach as teach_detector

    examples = read_lessons(corrections)
    begin, _ = lesson(name, len(examples), weights)
    with progress_bar(f"teach {name}") as report:

        def watch(step: Any) -> str | None:
            if step.note:
                note(step.note)
            return report(step, f"loss {step.losses['loss']:.4g}" if "loss" in step.losses else "")

        try:
            model = teach_detector(
                name,
                examples,
                out,
                weights=weights,
                options=assignments(settings),
                resume=resume,
                progress=watch,
                **given(device=device),
            )
        except Cancelled:
            note(f"What was learned is kept in {out}; add --resume to go on.")
            raise
    if compare:
        from napari_medad.evaluation.before_after import before_and_after

        with progress_bar("compare") as report:
            changes = before_and_after(
                name,
                str(begin.path),
                str(model.path),
                examples,
                progress=report,
                **given(device=device),
            )
        show_table(HEADINGS, _rows(changes))
    say(str(model.path))


def _rows(changes: list[Change]) -> Iterator[tuple[str, ...]]:
    for change in changes:
        pair = (change.before, change.after)
        figures = (
            *(m.average_precision for m in pair),
            *(m.dice for m in pair),
        )
        yield change.case, *("" if f is None else f"{f:.3f}" for f in figures)
