"""A detection or its correction in the formats that others read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from napari_medad.atomic import replacing_files
from napari_medad.corrections.correction import Correction
from napari_medad.errors import MedadError
from napari_medad.export.outcome import Outcome
from napari_medad.inference.progress import Callback, Reporter
from napari_medad.results.detection import Detection


@dataclass(frozen=True)
class Format:
    """One kind of file that a result is exported as.

    Attributes
    ----------
    name : str
        As the command line takes it.
    title : str
        For people.
    about : str
        What is written, in one sentence.
    home : str
        Module and function that write it.
    dicom : bool
        Whether it is attached to the DICOM series that the scan came from.
    """

    name: str
    title: str
    about: str
    home: str
    dicom: bool = False

    @property
    def write(self) -> Callable[..., None]:
        """The function, imported when it is needed."""
        from importlib import import_module

        module, name = self.home.split(":")
        return getattr(import_module(f"napari_medad.export.{module}"), name)


FORMATS = {
    held.name: held
    for held in (
        Format(
            "nifti", "NIfTI", "Maps and mask on the scan's voxels.", "images:write_images_nifti"
        ),
        Format("nrrd", "NRRD", "Maps and mask on the scan's voxels.", "images:write_images_nrrd"),
        Format(
            "dicom-seg",
            "DICOM segmentation",
            "A segment for each finding, attached to the scan's series.",
            "dicom:write_segmentation",
            dicom=True,
        ),
        Format(
            "dicom-map",
            "DICOM parametric maps",
            "The maps' scores, attached to the scan's series.",
            "dicom:write_parametric_maps",
            dicom=True,
        ),
        Format(
            "rtstruct",
            "DICOM RT structures",
            "Outlines of each finding, attached to the scan's series.",
            "rtstruct:write_structures",
            dicom=True,
        ),
        Format("csv", "CSV table", "The findings, a row each.", "tables:write_csv_table"),
        Format("json", "JSON", "The findings and what they rest on.", "tables:write_json"),
        Format(
            "png",
            "Key images (PNG)",
            "Each finding in three planes, with cross-hair, scale and legend.",
            "pictures:write_key_images",
        ),
        Format("montage", "Montage (PNG)", "Twenty slices side by side.", "pictures:write_montage"),
        Format("gif", "Scroll (GIF)", "All slices one after another.", "scroll:write_gif"),
        Format("mp4", "Scroll (MP4)", "All slices one after another.", "scroll:write_mp4"),
        Format("html", "Report (HTML)", "One page to read or print.", "report:write_html"),
        Format("pdf", "Report (PDF)", "The same to send.", "report_pdf:write_pdf"),
        Format(
            "bids",
            "BIDS derivatives",
            "A folder of derivatives with BIDS names and sidecars.",
            "bids:write_bids",
        ),
    )
}
"""What there is, in the order in which it is offered."""


def export(
    result: Detection | Correction,
    folder: str | Path,
    formats: Sequence[str] = ("nifti", "csv", "html"),
    *,
    series: str | Path | None = None,
    keep_patient: bool = False,
    progress: Callback | None = None,
) -> list[Path]:
    """Write a result for other programs and people.

    Everything appears together or not at all.

    Parameters
    ----------
    result : Detection or Correction
        Of a correction its mask and findings are written, and everything says so.
    folder : path
    formats : sequence of str
        Names from `FORMATS`.
    series : path, optional
        DICOM series to attach to, where the scan was converted from it. Default: the one that
        the scan was read from.
    keep_patient : bool
        Carry the patient's and the study's fields of the source into DICOM objects. Default:
        only geometry and the UIDs that tie them to the series.
    progress : callable, optional
        Takes a `Progress` after every step; answers "stop" to cancel.

    Returns
    -------
    list of Path
        The files, in the order of writing.

    Raises
    ------
    MedadError
        If a format is unknown or cannot hold the result, the series is gone or lacks slices,
        or the folder cannot be written.
    Cancelled
        If `progress` answered "stop".
    """
    wanted = [_format(name) for name in dict.fromkeys(formats)]
    if not wanted:
        raise MedadError(f"No format was chosen; choose some of {', '.join(FORMATS)}.")
    outcome, folder = Outcome.of(result), Path(folder).expanduser()
    report = Reporter(progress, len(wanted), "formats")
    report(0)
    source: tuple[Any, ...] = ()
    if any(held.dicom for held in wanted):
        from napari_medad.export.source_series import source_series

        path = None if series is None else Path(series)
        source = (source_series(outcome.volume, path, keep_patient=keep_patient),)
    with replacing_files(folder) as parts:
        for done, held in enumerate(wanted):
            tick = partial(report, done)
            held.write(outcome, *(source if held.dicom else ()), parts, tick)
            report(done + 1)
        files = [p for p in parts.rglob("*") if p.is_file()]
        files.sort(key=lambda p: p.stat().st_mtime_ns)
        written = [folder / path.relative_to(parts) for path in files]
        _spare_sources(outcome, written)
    return written


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise MedadError(f"The format '{name}' is unknown; there are: {', '.join(FORMATS)}.")
    return FORMATS[name]


def _spare_sources(outcome: Outcome, written: Sequence[Path]) -> None:
    """Raise where a file of the scan itself would be replaced."""
    for volume in outcome.detection.study.volumes.values():
        path = volume.source.path if volume.source else None
        if path is not None and path.resolve() in {p.resolve() for p in written}:
            raise MedadError(
                f"{path} is one of the study's own files and is never overwritten; choose another "
                "output folder."
            )
