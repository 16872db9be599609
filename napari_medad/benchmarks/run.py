"""`medad benchmark`: a paper's protocol from a folder of data to its tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_medad.benchmarks.matrix import Matrix, Outcome, names_of
from napari_medad.benchmarks.protocol import Protocol
from napari_medad.benchmarks.report import Report
from napari_medad.benchmarks.tables import Printed, correlation_table, figure_table, state_table
from napari_medad.benchmarks.zsad import split, zsad_cells
from napari_medad.errors import MedadError
from napari_medad.evaluation.evaluation import POLICY_TEXTS, Policy
from napari_medad.inference.progress import Callback

POLICIES: tuple[Policy, ...] = ("validation", "fixed", "test pool", "each volume")
"""Of the zero-shot benchmark, the one without a look at the test patients first."""


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
    changes: Mapping[str, str] | None = None
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
    if name not in BENCHMARKS:
        raise MedadError(f"There is no benchmark '{name}'; choose {', '.join(BENCHMARKS)}.")
    report = BENCHMARKS[name](data, Path(out), asked or Asked(), progress)
    report.write(out)
    return report


def _zsad(data: Sequence[str | Path], out: Path, asked: Asked, progress: Callback | None) -> Report:
    """Four methods in four setups on brain metastases."""
    if len(data) != 1:
        raise MedadError("The benchmark zsad is of one dataset; give --data once.")
    protocol = Protocol.read("zsad")
    policies = _policies(asked.policies)
    parts = split(protocol, data[0], asked.limit)
    changes = dict(asked.changes or {})
    cells = zsad_cells(protocol, parts, changes)
    wanted = names_of(cells, asked.methods, asked.setups)
    outcomes = Matrix(protocol.name, cells, out).run(wanted, device=asked.device, progress=progress)
    deviations = [*parts.notes]
    if changes:
        told = ", ".join(f"{name}={value}" for name, value in changes.items())
        deviations.append(f"These settings were changed: {told}.")
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
        figure_table(outcomes, printed, policy, f"Table 1. Threshold: {POLICY_TEXTS[policy]}")
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


def _policies(asked: Sequence[str]) -> tuple[Policy, ...]:
    for policy in asked:
        if policy not in POLICIES:
            raise MedadError(f"There is no policy '{policy}'; choose {', '.join(POLICIES)}.")
    return tuple(policy for policy in POLICIES if policy in asked or not asked)


BENCHMARKS: dict[str, Callable[[Sequence[str | Path], Path, Asked, Callback | None], Report]] = {
    "zsad": _zsad
}
"""By the name that users type."""
