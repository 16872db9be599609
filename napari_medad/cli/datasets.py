"""`medad datasets`: the layouts that are read, what a folder holds, and its manifest."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_medad.cli.console import note, progress_bar, say, show_table
from napari_medad.errors import MedadError

if TYPE_CHECKING:
    from napari_medad.datasets import Dataset, DatasetCase


def datasets(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="A dataset as it was unpacked.")
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            help="Which one it is; found from the folder by default. Without FOLDER: describe it."
        ),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Write a table for medad train --data.")
    ] = None,
    volume: Annotated[
        str | None, typer.Option(help="With --manifest: the one volume to take, such as t2f.")
    ] = None,
    normal_only: Annotated[
        bool, typer.Option("--normal-only", help="With --manifest: only normal images to train on.")
    ] = False,
) -> None:
    """List the datasets that can be read, describe one, or say what a folder holds."""
    if folder is None:
        if manifest is not None:
            raise MedadError("Name the folder of the dataset: medad datasets FOLDER.")
        _list() if layout is None else _describe(layout)
        return
    from napari_medad.datasets import read_dataset

    dataset = read_dataset(folder, layout)
    _show(dataset)
    if manifest is not None:
        _write(dataset, manifest, volume, normal_only)


def _list() -> None:
    from napari_medad.datasets import facts

    rows = ((name, f.title, f.truth, f.licence) for name, f in sorted(facts().items()))
    show_table(("Layout", "Dataset", "Truth", "Terms"), rows)
    note("medad datasets --layout NAME says more of one: where to get it and how it must lie.")


def _describe(layout: str) -> None:
    from napari_medad.datasets import facts

    if layout not in facts():
        raise MedadError(
            f"There is no layout '{layout}'; choose from {', '.join(sorted(facts()))}."
        )
    about = facts()[layout]
    say(f"{about.title}: {about.about}.")
    say(f"Truth: {about.truth}. Terms: {about.licence}.")
    say(f"{about.citation}. {about.link}")
    for line in about.folder.rstrip().splitlines():
        say(f"    {line}")


def _show(dataset: Dataset) -> None:
    from napari_medad.datasets import facts

    about = facts()[dataset.layout]
    say(f"{about.title} ({dataset.layout}): {_count(len(dataset.cases), 'case')}.")
    say(f"Terms: {about.licence}. {about.link}")
    parts = dict.fromkeys(case.split for case in dataset.cases)
    columns = ("Part", "Cases", "Patients", "Normal", "Abnormal", "Masks", "Boxes")
    show_table(columns, (_row(part, dataset.part(part)) for part in parts))
    labels = Counter(label for case in dataset.cases for label in case.labels)
    if labels:
        show_table(("Label", "Cases"), labels.most_common())
    for sentence in dataset.notes:
        note(sentence)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _row(part: str, cases: tuple[DatasetCase, ...]) -> tuple[object, ...]:
    return (
        part or "(not split)",
        len(cases),
        len({case.patient for case in cases}),
        sum(case.abnormal is False for case in cases),
        sum(case.abnormal is True for case in cases),
        sum(bool(case.masks) for case in cases),
        sum(bool(case.boxes) for case in cases),
    )


def _write(dataset: Dataset, path: Path, volume: str | None, normal_only: bool) -> None:
    from napari_medad.datasets import write_manifest

    with progress_bar("manifest") as report:
        written = write_manifest(
            dataset, path, volume=volume, normal_only=normal_only, progress=report
        )
    for sentence in written.notes:
        note(sentence)
    if written.masks is not None:
        say(str(written.masks))
    say(str(written.path))
