"""`medad benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_medad.cli.console import progress_bar, say, show_table, warn
from napari_medad.cli.options import Device, Precision, Set, assignments, given


def benchmark(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A detector that tells categories apart: sdmad.")
    ],
    data: Annotated[
        Path,
        typer.Option(
            metavar="MANIFEST",
            help="Columns image, axis, slice, categories; its rows of the split test, or all.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write into.")],
    weights: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="Default: the best installed."),
    ] = None,
    device: Device = None,
    precision: Precision = None,
    settings: Set = None,
) -> None:
    """Measure how well a detector tells several abnormalities apart, slice by slice.

    The three protocols of SD-MAD: normal against abnormal, every decision, each category. Signs
    are selected in one run and all used in another, unless --set select_signs=... chooses.
    """
    from napari_medad.evaluation.benchmark import benchmark as measure
    from napari_medad.evaluation.multi_label import table
    from napari_medad.training.dataset import examples_from

    examples = examples_from(data, test=True)
    loading = given(weights=weights, device=device, precision=precision)
    with progress_bar(f"benchmark {name}") as report:
        found = measure(name, examples, settings=assignments(settings), progress=report, **loading)
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
