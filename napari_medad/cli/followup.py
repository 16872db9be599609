"""`medad followup`: two masks of one patient, finding by finding."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_medad.cli.console import say, show_table

HEADINGS = (
    "Change",
    "Before",
    "After",
    "Before (mL)",
    "After (mL)",
    "Growth (mL)",
    "Growth (%)",
)


def followup(
    before: Annotated[Path, typer.Option(help="Mask of the earlier scan, e.g. *_mask.nii.gz.")],
    after: Annotated[Path, typer.Option(help="Mask of the later scan, registered to it.")],
    out: Annotated[Path, typer.Option(help="CSV file to write.")],
    nearest: Annotated[
        float, typer.Option(help="mm between the middles of findings that do not overlap.")
    ] = 10.0,
) -> None:
    """Compare the findings of two time points: growth in mL and %, new, gone."""
    from napari_medad import follow_up
    from napari_medad.results.followup import save_follow_up
    from napari_medad.volumes.reader import read_volume

    changes = follow_up(read_volume(before), read_volume(after), nearest_mm=nearest)
    save_follow_up(changes, out)
    show_table(HEADINGS, (list(change.row().values()) for change in changes))
    say(str(out))
