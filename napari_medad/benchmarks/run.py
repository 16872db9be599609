"""`medad benchmark`: a paper's protocol from a folder of data to its tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from napari_medad.benchmarks.category_measuring import CATEGORIES
from napari_medad.benchmarks.image_table import ImageTable
from napari_medad.benchmarks.matrix import Matrix, Outcome, names_of
from napari_medad.benchmarks.paper_table import PaperTable
from napari_medad.benchmarks.protocol import Protocol
from napari_medad.benchmarks.report import Report
from napari_medad.benchmarks.sign_table import SignTable
from napari_medad.benchmarks.tables import (
    Printed,
    category_table,
    correlation_table,
    figure_table,
    mean_table,
    others_table,
    state_table,
)
from napari_medad.benchmarks.weak_table import WeakTable
from napari_medad.benchmarks.work import IMAGES
from napari_medad.benchmarks.zsad import split, zsad_cells
from napari_medad.errors import MedadError
from napari_medad.evaluation.evaluation import POLICY_TEXTS, Policy
from napari_medad.evaluation.tables import Table
from napari_medad.inference.progress import Callback

POLICIES: tuple[Policy, ...] = ("validation", "fixed", "test pool", "each volume")
"""Of the zero-shot benchmark, the one without a look at the test patients first."""
TEXTS = {**POLICY_TEXTS, "fixed": "fixed, where the mean probability is 0.5"}
SLICE_POLICIES: tuple[Policy, ...] = ("fixed", "test pool")
"""Of methods without masks, who have nothing to choose a threshold by."""
SLICE_TEXTS = {**POLICY_TEXTS, "fixed": "fixed, 0.5 or the detector's own"}


@dataclass(frozen=True)
class Asked:
    """What of a benchmark is wanted.

    Attributes
    ----------
    methods, setups : sequence of str
        Empty for all.
    policies : sequence of str
        Threshold policies that are told; empty for all.
    limit : int or None
        Patients of each part at most, which is not the protocol.
    changes : mapping of str to str
        Settings by `KEY` or `WHERE.KEY`, which is not the protocol either.
    device : str
    """

    methods: Sequence[str] = ()
    setups: Sequence[str] = ()
    policies: Sequence[str] = ()
    limit: int | None = None
    changes: Mapping[str, str] = field(default_factory=dict)
    device: str = "auto"


def run_benchmark(
    name: str,
    data: Sequence[str | Path],
    out: str | Path,
    asked: Asked | None = None,
    *,
    progress: Callback | None = None,
) -> Report:
    """A paper's benchmark, from the data to tables, figures and a page.

    A run that was killed goes on when it is asked for again with the same folder.

    Parameters
    ----------
    name : str
        One of `BENCHMARKS`.
    data : sequence of path
        Folders of the datasets as their authors lay them out.
    out : path
    asked : Asked, optional
        Default: everything.
    progress : callable, optional
        Takes a `MatrixProgress`; answers "stop" to cancel.

    Returns
    -------
    Report
        As it was written: table.md, table.csv, results.json, report.html, figures/.

    Raises
    ------
    MedadError
        If there is no such benchmark, the data are not its datasets or lack test patients, a
        method, setup, policy or setting is unknown, or `out` holds another run.
    Cancelled
        What was done is kept.
    """
    report = measure_benchmark(name, data, out, asked, progress=progress)
    report.write(out)
    return report


def measure_benchmark(
    name: str,
    data: Sequence[str | Path],
    out: str | Path,
    asked: Asked | None = None,
    *,
    progress: Callback | None = None,
) -> Report:
    """As `run_benchmark`, but the report is not written; `out` holds what a later run goes on from.

    Raises
    ------
    MedadError
        As `run_benchmark`.
    Cancelled
        What was done is kept.
    """
    if name not in BENCHMARKS:
        raise MedadError(f"There is no benchmark '{name}'; choose {', '.join(BENCHMARKS)}.")
    return BENCHMARKS[name](data, Path(out), asked or Asked(), progress)


def _zsad(data: Sequence[str | Path], out: Path, asked: Asked, progress: Callback | None) -> Report:
    """Four methods in four setups on brain metastases."""
    if len(data) != 1:
        raise MedadError("The benchmark zsad is of one dataset; give --data once.")
    protocol = Protocol.read("zsad")
    policies = _policies(asked.policies)
    parts = split(protocol, data[0], asked.limit)
    cells = zsad_cells(protocol, parts, asked.changes)
    wanted = names_of(cells, asked.methods, asked.setups)
    outcomes = Matrix(protocol.name, cells, out).run(wanted, device=asked.device, progress=progress)
    deviations = [*parts.notes, *_told(asked.changes)]
    return _report(protocol, outcomes, policies, deviations)


def _report(
    protocol: Protocol,
    outcomes: Sequence[Outcome],
    policies: Sequence[Policy],
    deviations: Sequence[str],
) -> Report:
    printed = Printed(protocol.paper, protocol.all_flags, protocol.figures)
    tables = [state_table(outcomes)]
    tables += [
        figure_table(outcomes, printed, policy, f"Table 1. Threshold: {TEXTS[policy]}")
        for policy in policies
    ]
    tables.append(correlation_table(outcomes, printed, policies[0]))
    return Report(
        name=protocol.name,
        title=protocol.title,
        about=protocol.about,
        citation=protocol.citation,
        outcomes=outcomes,
        printed=printed,
        tables=tables,
        policies=policies,
        shown=policies[0],
        deviations=deviations,
        choices=(*protocol.choices, *protocol.remarks),
    )


def _table1_moe(
    data: Sequence[str | Path], out: Path, asked: Asked, progress: Callback | None
) -> Report:
    """Images told normal from abnormal, on each dataset that is given."""
    _no_policies("table1-moe", asked)
    table = ImageTable.read("table1-moe")
    report = _table(table, data, out, asked, progress, {IMAGES: "Table 1, in percent"})
    text = f"Means over {', '.join(table.datasets)}"
    means = mean_table(report.outcomes, report.printed, IMAGES, list(table.datasets), text)
    return _with_tables(report, [means])


def _table1_rasalore(
    data: Sequence[str | Path], out: Path, asked: Asked, progress: Callback | None
) -> Report:
    """Tumours outlined after labels of slices, on each dataset that is given."""
    policies = _policies(asked.policies, SLICE_POLICIES)
    text = "Table 1, in percent. Threshold:"
    titles: dict[str, str] = {p: f"{text} {SLICE_TEXTS[p]}" for p in policies}
    return _table(WeakTable.read("table1-rasalore"), data, out, asked, progress, titles)


def _sdmad(
    data: Sequence[str | Path], out: Path, asked: Asked, progress: Callback | None
) -> Report:
    """Several abnormalities told apart, on each dataset that is given."""
    _no_policies("sdmad", asked)
    table = SignTable.read("sdmad")
    titles = {CATEGORIES: "Tables 1 to 4, in percent"}
    report = _table(table, data, out, asked, progress, titles)
    each = []
    for setup in dict.fromkeys(outcome.cell.setup for outcome in report.outcomes):
        names = table.datasets[setup].shown.categories
        own = [outcome for outcome in report.outcomes if outcome.cell.setup == setup]
        title = f"AUROC by abnormality, {setup}, in percent"
        each.append(category_table(own, report.printed, CATEGORIES, names, title))
    return _with_tables(report, each)


def _with_tables(report: Report, more: Sequence[Table]) -> Report:
    """More tables, before that of the paper's other rows."""
    *own, others = report.tables
    return replace(report, tables=[*own, *more, others])


def _table(
    table: PaperTable,
    data: Sequence[str | Path],
    out: Path,
    asked: Asked,
    progress: Callback | None,
    titles: Mapping[str, str],
) -> Report:
    """Run a table over several datasets; one figure table a policy."""
    parts = table.parts(data, asked.limit)
    cells = table.cells(parts, asked.changes)
    wanted = names_of(cells, asked.methods, asked.setups)
    outcomes = Matrix(table.name, cells, out).run(wanted, device=asked.device, progress=progress)
    missing = [name for name in table.datasets if name not in parts]
    deviations = [note for held in parts.values() for note in held.notes]
    if missing:
        deviations.append(f"Datasets that are not given: {', '.join(missing)}.")
    printed = Printed(table.paper, table.all_flags, table.figures, scale=100)
    return Report(
        name=table.name,
        title=table.title,
        about=table.about,
        citation=table.citation,
        outcomes=outcomes,
        printed=printed,
        tables=[
            state_table(outcomes),
            *(figure_table(outcomes, printed, policy, text) for policy, text in titles.items()),
            others_table(outcomes, printed, "Other rows of the paper's table"),
        ],
        policies=tuple(titles),
        shown=next(iter(titles)),
        deviations=[*deviations, *_told(asked.changes)],
        choices=table.choices,
    )


def _no_policies(name: str, asked: Asked) -> None:
    if asked.policies:
        raise MedadError(f"The benchmark {name} has no threshold policies; leave out --policy.")


def _told(changes: Mapping[str, str]) -> list[str]:
    told = ", ".join(f"{name}={value}" for name, value in changes.items())
    return [f"These settings were changed: {told}."] if changes else []


def _policies(asked: Sequence[str], known: Sequence[Policy] = POLICIES) -> tuple[Policy, ...]:
    for policy in asked:
        if policy not in known:
            raise MedadError(f"There is no policy '{policy}'; choose {', '.join(known)}.")
    return tuple(policy for policy in known if policy in asked or not asked)


BENCHMARKS: dict[str, Callable[[Sequence[str | Path], Path, Asked, Callback | None], Report]] = {
    "zsad": _zsad,
    "table1-moe": _table1_moe,
    "table1-rasalore": _table1_rasalore,
    "sdmad": _sdmad,
}
"""By the name that users type."""
