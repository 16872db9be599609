"""`medad export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_medad.cli.console import progress_bar, say, warn
from napari_medad.cli.options import given

NAMES = (
    "nifti, nrrd, dicom-seg, dicom-map, rtstruct, csv, json, png, montage, gif, mp4, html, pdf, "
    "bids"
)


def export(
    detection: Annotated[
        Path,
        typer.Argument(
            metavar="DETECTION_DIR",
            help="Folder that medad detect wrote into, or a *_record.json in it.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write into.")],
    formats: Annotated[
        str, typer.Option("--format", metavar="NAMES", help=f"Some of {NAMES}; or all.")
    ] = "nifti,csv,html",
    source: Annotated[
        Path | None, typer.Option(metavar="INPUT", help="Where the scan lies now, if it moved.")
    ] = None,
    series: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="DICOM series to attach to, where the scan was converted from it."
        ),
    ] = None,
    keep_patient: Annotated[
        bool,
        typer.Option(
            "--keep-patient", help="Carry the source's patient and study fields into DICOM objects."
        ),
    ] = False,
    as_detected: Annotated[
        bool,
        typer.Option("--as-detected", help="Leave a correction that lies in the folder aside."),
    ] = False,
) -> None:
    """Write a saved detection, or its correction, for other programs and people."""
    from napari_medad import load_detection
    from napari_medad.corrections.files import correction_files, load_correction
    from napari_medad.export.run import FORMATS
    from napari_medad.export.run import export as write

    held = load_detection(detection, **given(source=source))
    folder = detection if detection.is_dir() else detection.parent
    corrected = not as_detected and all(p.is_file() for p in correction_files(held, folder))
    result = load_correction(held, folder) if corrected else held
    names = list(FORMATS) if formats.strip() == "all" else formats.split(",")
    with progress_bar("export") as report:
        written = write(
            result,
            out,
            [name.strip() for name in names],
            series=series,
            keep_patient=keep_patient,
            progress=report,
        )
    for path in written:
        say(str(path))
    if corrected:
        warn("The findings are those of the correction in the folder, not the detector's.")
    if held.record.untrained:
        warn(f"UNTRAINED: {held.detector} ran with random weights; these files mean nothing.")
