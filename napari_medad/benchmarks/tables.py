"""Results in the paper's table form, the paper's figures beside them and its slips marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase

from napari_medad.benchmarks.cell_folder import RANDOM_WEIGHTS
from napari_medad.benchmarks.matrix import Outcome
from napari_medad.benchmarks.paper import Figure, Flag, PaperRow
from napari_medad.evaluation.tables import NOTHING, Table

NOT_RUN = "not run"
MEAN = "mean"
"""Setup of the paper's rows that are means over its datasets."""


@dataclass(frozen=True)
class Printed:
    """What the paper printed.

    Attributes
    ----------
    rows : sequence of PaperRow
    flags : sequence of Flag
    figures : mapping of str to str
        The columns, and what they are called.
    digits : int
    scale : float
        What our shares are told in: 100 where the paper has percent.
    """

    rows: Sequence[PaperRow]
    flags: Sequence[Flag]
    figures: Mapping[str, str]
    digits: int = 2
    scale: float = 1.0

    def figure(self, method: str, setup: str, name: str) -> Figure | None:
        """One printed figure."""
        fitting = (r for r in self.rows if (r.method, r.setup) == (method, setup))
        row = next(fitting, None)
        return None if row is None else row.figures.get(name)

    def text(self, method: str, setup: str, name: str) -> str:
        """The figure and the letters of what contradicts it."""
        held = self.figure(method, setup, name)
        if held is None:
            return NOTHING
        letters = [
            letter
            for letter, flag in self.lettered
            if (flag.method, flag.setup, flag.figure) == (method, setup, name)
        ]
        return held.text(self.digits) + "".join(f" ({letter})" for letter in letters)

    def flag(self, method: str, setup: str, name: str) -> str:
        """What contradicts the figure, in sentences; empty where nothing does."""
        found = (
            f.why for f in self.flags if (f.method, f.setup, f.figure) == (method, setup, name)
        )
        return " ".join(found)

    @property
    def lettered(self) -> Iterator[tuple[str, Flag]]:
        """The flags with the letters that mark them."""
        return zip(ascii_lowercase, self.flags, strict=False)

    @property
    def note(self) -> str:
        """What the letters mean."""
        return " ".join(f"({letter}) {flag.why}" for letter, flag in self.lettered)


def figure_table(outcomes: Sequence[Outcome], printed: Printed, policy: str, title: str) -> Table:
    """Our figures at one policy, and below them the paper's.

    Parameters
    ----------
    outcomes : sequence of Outcome
    printed : Printed
    policy : str
        As in the results' `figures`.
    title : str
    """
    rows: list[tuple[str, ...]] = []
    for outcome in outcomes:
        cell, names = outcome.cell, printed.figures
        ours = (_ours(outcome, policy, name, printed) for name in names)
        theirs = (printed.text(cell.method, cell.setup, name) for name in names)
        rows += [(_model(outcome), cell.setup, "here", *ours), ("", "", "paper", *theirs)]
    return Table(title, ("Model", "Setup", "", *printed.figures.values()), rows, printed.note)


def mean_table(
    outcomes: Sequence[Outcome], printed: Printed, policy: str, setups: Sequence[str], title: str
) -> Table:
    """Means over the datasets `setups`, where a method was measured on all, and the paper's."""
    rows: list[tuple[str, ...]] = []
    for method in dict.fromkeys(outcome.cell.method for outcome in outcomes):
        own = [o for o in outcomes if o.cell.method == method]
        done = [o for o in own if o.result is not None and o.cell.setup in setups]
        ours = [NOT_RUN] * len(printed.figures)
        if len(done) == len(setups):
            ours = [_mean(done, policy, name, printed) for name in printed.figures]
        theirs = (printed.text(method, MEAN, name) for name in printed.figures)
        rows += [(_model(own[0]), "here", *ours), ("", "paper", *theirs)]
    return Table(title, ("Model", "", *printed.figures.values()), rows)


def category_table(
    outcomes: Sequence[Outcome],
    printed: Printed,
    policy: str,
    categories: Sequence[str],
    title: str,
) -> Table:
    """One setup's figures by category, a column a method with the paper's beside it.

    Methods that only the paper has come last.
    """
    setup = outcomes[0].cell.setup
    ours = [outcome.cell.method for outcome in outcomes]
    others = [r.method for r in printed.rows if r.setup == setup and r.method not in ours]
    columns = [name for outcome in outcomes for name in (_model(outcome), "paper")]
    rows = []
    for name in categories:
        row = [
            text
            for o in outcomes
            for text in (_ours(o, policy, name, printed), printed.text(o.cell.method, setup, name))
        ]
        rows.append((name, *row, *(printed.text(method, setup, name) for method in others)))
    told = dict.fromkeys(n for o in outcomes if o.result for n in o.result.notes)
    note = " ".join(text for text in told if text != RANDOM_WEIGHTS)
    return Table(title, ("", *columns, *(f"{name}, paper" for name in others)), rows, note)


def others_table(outcomes: Sequence[Outcome], printed: Printed, title: str) -> Table:
    """Printed rows of methods and setups that were not measured here."""
    ours = {(o.cell.method, setup) for o in outcomes for setup in (o.cell.setup, MEAN)}
    rows = [
        (row.method, row.setup, *(printed.text(row.method, row.setup, n) for n in printed.figures))
        for row in printed.rows
        if (row.method, row.setup) not in ours
    ]
    return Table(title, ("Model", "Setup", *printed.figures.values()), rows, printed.note)


def state_table(outcomes: Sequence[Outcome]) -> Table:
    """What ran, with which weights, and why the rest did not."""
    columns = ["Model", "Setup", "State", "Weights"]
    timed = any(_seconds(outcome) != NOTHING for outcome in outcomes)
    rows = [
        (
            outcome.cell.title.split(", ")[0],
            outcome.cell.setup,
            state(outcome),
            outcome.result.weights.name if outcome.result else NOTHING,
            *([_seconds(outcome)] if timed else []),
        )
        for outcome in outcomes
    ]
    return Table("Cells", (*columns, *(["s per patient"] if timed else [])), rows)


def state(outcome: Outcome) -> str:
    """measured, UNTRAINED, or why it is not there."""
    if outcome.result is None:
        return outcome.why
    return "measured, UNTRAINED" if outcome.result.untrained else "measured"


def correlation_table(outcomes: Sequence[Outcome], printed: Printed, policy: str) -> Table:
    """Spearman's correlation of lesion size and Dice, as the paper's Table 3: a row a setup."""
    methods = {o.cell.method: o.cell.title.split(", ")[0] for o in outcomes}
    setups = list(dict.fromkeys(o.cell.setup for o in outcomes))
    by_place = {(o.cell.setup, o.cell.method): o for o in outcomes}
    rows = []
    for setup in setups:
        row = [setup]
        for method in methods:
            held = by_place.get((setup, method))
            ours = (
                [NOTHING] * 2
                if held is None
                else [
                    _ours(held, policy, name, printed) for name in ("spearman", "spearman_volumes")
                ]
            )
            row += [*ours, printed.text(method, setup, "spearman")]
        rows.append(tuple(row))
    columns = [f"{t}{more}" for t in methods.values() for more in ("", ", volumes", ", paper")]
    return Table(
        "Spearman's correlation of lesion size and Dice",
        ("Setup", *columns),
        rows,
        "Over slices with a lesion, and over volumes; the paper does not say which.",
    )


def markdown(table: Table) -> str:
    """A table as Markdown."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"

    lines = [f"## {table.title}", "", line(table.columns), line(["---"] * len(table.columns))]
    lines += [line(row) for row in table.rows]
    return "\n".join([*lines, *(["", table.note] if table.note else []), ""])


def _model(outcome: Outcome) -> str:
    name = outcome.cell.title.split(", ")[0]
    untrained = outcome.result is not None and outcome.result.untrained
    return f"{name} (UNTRAINED)" if untrained else name


def _seconds(outcome: Outcome) -> str:
    spent = None if outcome.result is None else outcome.result.seconds.get("detection")
    return NOTHING if spent is None else f"{spent:.1f}"


def _ours(outcome: Outcome, policy: str, name: str, printed: Printed) -> str:
    if outcome.result is None:
        return NOT_RUN
    held = outcome.result.figures.get(policy, {}).get(name)
    if held is None:
        return NOTHING
    scaled = Figure(mean=held.mean * printed.scale, sd=held.sd and held.sd * printed.scale)
    return scaled.text(printed.digits)


def _mean(outcomes: Sequence[Outcome], policy: str, name: str, printed: Printed) -> str:
    held = [o.result.figures.get(policy, {}).get(name) for o in outcomes if o.result is not None]
    means = [figure.mean for figure in held if figure is not None]
    if len(means) < len(outcomes):
        return NOTHING
    return Figure(mean=printed.scale * sum(means) / len(means)).text(printed.digits)
