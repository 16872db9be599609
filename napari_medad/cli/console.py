"""What the terminal shows: results on stdout; progress, warnings and errors on stderr."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.box import SIMPLE
from rich.console import Console, JustifyMethod
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

stdout = Console()
stderr = Console(stderr=True)


def say(sentence: str) -> None:
    """A line on stdout, unwrapped, so that it can be piped."""
    stdout.print(Text(sentence), soft_wrap=True)


def note(sentence: str) -> None:
    """A line on stderr, for the person at the terminal."""
    stderr.print(Text(sentence), soft_wrap=True)


def warn(sentence: str) -> None:
    """A line on stderr that nobody should miss."""
    stderr.print(Text(f"Warning: {sentence}", style="bold yellow"), soft_wrap=True)


def complain(sentence: str) -> None:
    """The one sentence of an error, on stderr."""
    stderr.print(Text(f"Error: {sentence}", style="bold red"), soft_wrap=True)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """A table on stdout; columns whose name ends in a unit in brackets are right-aligned."""
    table = Table(title=title or None, title_justify="left", box=SIMPLE, pad_edge=False)
    for number, column in enumerate(columns):
        right = column.endswith(")")
        justify: JustifyMethod = "right" if right else "left"
        table.add_column(column, justify=justify, no_wrap=number == 0 or right, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    stdout.print(table)


@contextmanager
def progress_bar(what: str, *, shown: bool = True) -> Iterator[Callable[..., str | None]]:
    """A bar on stderr with the time left, fed by progress reports.

    The first Ctrl-C asks the work to stop at its next report, so that it can leave
    everything whole; the second interrupts at once. Unless `shown`, nothing is printed.

    Yields
    ------
    callable
        Takes an object with `done`, `total`, `unit` and `eta_s`, and what else to show;
        answers "stop" after Ctrl-C.
    """
    asked = False

    def on_interrupt(number: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        if shown:
            note("Stopping at the next step; press Ctrl-C again to stop at once.")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]} {task.fields[left]}"),
    )
    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        with Progress(*columns, console=stderr, disable=not shown) as bar:
            task = bar.add_task(what, total=None, unit="", left="")

            def report(step: Any, more: str = "") -> str | None:
                fields = {"unit": step.unit, "left": f"{_clock(step.eta_s)} {more}".rstrip()}
                bar.update(task, completed=step.done, total=step.total, **fields)
                return "stop" if asked else None

            yield report
    finally:
        signal.signal(signal.SIGINT, before)


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d} left" if hours else f"{minutes}:{rest:02d} left"


def size_text(size: int) -> str:
    """Bytes as a person reads them: 350 MB."""
    value, unit = float(size), "B"
    for bigger in ("kB", "MB", "GB"):
        if value < 1000:
            break
        value, unit = value / 1000, bigger
    return f"{value:.3g} {unit}"
