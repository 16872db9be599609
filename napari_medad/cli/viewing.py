"""`medad demo` and `medad open`: the commands that start napari."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from napari_medad.errors import MedadError


def demo() -> None:
    """Open napari on the sample study with a detection run."""
    _viewer().demo()


def open_input(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="Image file, study folder, DICOM series, saved session, or a cohort's results.",
        ),
    ],
) -> None:
    """Open a scan, a saved session or a cohort in napari with the MedAD docks."""
    from napari_medad.cohorts.summary import SUMMARY
    from napari_medad.export.session_file import is_session

    viewer = _viewer()
    if is_session(source):
        viewer.open_saved(source)
    elif (source / SUMMARY).is_file():
        viewer.open_cohort(source)
    else:
        viewer.open_study(source)


def _viewer() -> ModuleType:
    """The viewer, imported only here, so that servers without Qt have every other command."""
    shown = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform == "linux" and not any(os.environ.get(name) for name in shown):
        raise MedadError(
            "There is no display here for napari; start it on a desktop, over ssh -X, or under "
            "xvfb-run."
        )
    try:
        from napari_medad.viewer import app
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("napari_medad"):
            raise
        raise MedadError(
            f"The viewer needs {error.name}, which is not installed; run pip install "
            '"napari-medad[all]".'
        ) from None
    return app
