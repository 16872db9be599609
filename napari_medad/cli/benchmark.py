"""`medad benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_medad.cli.console import progress_bar, say, show_table, warn
from napari_medad.cli.options import Device, Precision, Set, assignments, given
from napari_medad.errors import MedadError

OF_A_MANIFEST = "sdmad"
"""The detector that a manifest of slices and their categories measures."""


def benchmark(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="zsad, table1-moe, table1-rasalore or sdmad."),
    ],
    data: Annotated[
        list[Path],
        typer.Option(
            metavar="FOLDER|MANIFEST",
            help="A dataset as its authors lay it out; where the paper has several, repeat it or "
            "give the folder that they lie in. Of sdmad instead a manifest with the columns image, "
            "axis, slice, categories.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder to write into; the same again goes on.")
    ],
    method: Annotated[
        list[str] | None, typer.Option("--methods", help="Only this one; may be repeated.")
    ] = None,
    setup: Annotated[
        list[str] | None,
        typer.Option("--setups", help="Only this setup or dataset; may be repeated."),
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help="Threshold policy to tell: validation, fixed, or the oracles test-pool and "
            "each-volume; may be repeated. Default: all."
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", help="Patients of each part at most; not the protocol."),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="Of a manifest: default the best installed."),
    ] = None,
    device: Device = None,
    precision: Precision = None,
    settings: Set = None,
) -> None:
    """Measure methods as their papers did, beside the papers' figures.

    A run that was killed goes on with the same command. --set KEY=VALUE changes a setting, and
    --set WHERE.KEY=VALUE that of one method or setup; the tables then say that they are not the
    protocol.
    """
    if name == OF_A_MANIFEST and len(data) == 1 and data[0].is_file():
        loading = given(weights=weights, device=device, precision=precision)
        _refuse(" is for benchmarks of datasets; a manifest", method, setup, policy, limit)
        _manifest(name, data[0], out, assignments(settings), loading)
        return
    if weights is not None or precision is not None:
        raise MedadError(
            "--weights and --precision are for a manifest; write --set METHOD.weights=NAME."
        )
    from napari_medad.benchmarks.run import Asked, run_benchmark

    asked = Asked(
        methods=method or (),
        setups=setup or (),
        policies=[one.replace("-", " ") for one in policy or ()],
        limit=limit,
        changes=assignments(settings),
        **given(device=device),
    )
    with progress_bar(f"benchmark {name}") as bar:
        report = run_benchmark(
            name, data, out, asked, progress=lambda now: bar(now, getattr(now, "where", ""))
        )
    for table in report.tables[:2]:
        rows = ([cell.split(" ± ")[0] for cell in row] for row in table.rows)
        show_table(table.columns, rows, title=f"{table.title} (SDs and notes: report.html)")
    for path in ("report.html", "table.md", "table.csv", "results.json"):
        say(str(out / path))
    for text in report.warnings:
        warn(text)


def _refuse(why: str, *options: object) -> None:
    named = ("--methods", "--setups", "--policy", "--limit")
    for option, value in zip(named, options, strict=True):
        if value:
            raise MedadError(f"{option}{why} has none.")


def _manifest(
    name: str, data: Path, out: Path, settings: dict[str, str], loading: dict[str, Any]
) -> None:
    """The three protocols of SD-MAD on slices of one's own.

    Signs are selected in one run and all used in another, unless a setting chooses.
    """
    from napari_medad.evaluation.benchmark import benchmark as measure
    from napari_medad.evaluation.multi_label import table
    from napari_medad.training.dataset import examples_from

    examples = examples_from(data, test=True)
    with progress_bar(f"benchmark {name}") as report:
        found = measure(name, examples, settings=settings, progress=report, **loading)
    rows = table(found.runs)
    slices = next(iter(found.runs.values())).slices
    show_table(
        ["Figure", *found.runs],
        ([_text(value) for value in row.values()] for row in rows),
        title=f"{name}, weights {found.weights.name}: {slices} slices of {found.images} images",
    )
    for path in found.save(out):
        say(str(path))
    if found.weights.state == "untrained":
        warn(f"UNTRAINED: {name} ran with random weights; these figures mean nothing.")


def _text(value: object) -> str:
    if value is None:
        return "undefined"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
