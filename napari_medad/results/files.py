"""A detection as files: maps and mask on the source's grid, tables, record."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from napari_medad.atomic import replacing
from napari_medad.errors import MedadError
from napari_medad.results.detection import Detection
from napari_medad.results.findings import Finding
from napari_medad.volumes.nifti import write_nifti

FINDING_COLUMNS = tuple(Finding(1, 0, 0, 0, (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0), "").row())


def save_detection(detection: Detection, folder: Path) -> list[Path]:
    """Write a detection into a folder.

    For a study called CASE and a detector NAME: `CASE_NAME_<map>.nii.gz` (float32) for
    every map, `CASE_NAME_mask.nii.gz` (uint8; uint16 with more than 255 findings),
    `CASE_NAME_findings.csv`, `CASE_NAME_slices.csv`, `CASE_NAME_record.json`. The record
    comes last, so that its presence says the folder is complete.

    Raises
    ------
    MedadError
        If a file would replace one of the study's own, or cannot be written.
    """
    stem = f"{detection.study.name}_{detection.detector}"
    images = dict(detection.maps.items())
    names = {name: folder / f"{stem}_{name.replace(':', '-')}.nii.gz" for name in images}
    mask_path = folder / f"{stem}_mask.nii.gz"
    tables = [folder / f"{stem}_{table}.csv" for table in ("findings", "slices")]
    record_path = folder / f"{stem}_record.json"
    written = [*names.values(), mask_path, *tables, record_path]
    _spare_sources(detection, written)
    for name, values in images.items():
        write_nifti(values.astype(np.float32, copy=False), detection.volume, names[name])
    kind = np.uint8 if len(detection.findings) <= 255 else np.uint16
    write_nifti(detection.mask.astype(kind), detection.volume, mask_path, labels=True)
    _write_csv(tables[0], FINDING_COLUMNS, (f.row() for f in detection.findings))
    scores = (
        {"slice": i, "score": f"{s:.6g}"}
        for i, s in enumerate(detection.slice_scores)
        if np.isfinite(s)
    )
    _write_csv(tables[1], ("slice", "score"), scores)
    with replacing(record_path) as part:
        part.write_text(detection.record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return written


def _spare_sources(detection: Detection, written: list[Path]) -> None:
    sources = {
        v.source.path.resolve()
        for v in detection.study.volumes.values()
        if v.source and v.source.path
    }
    for path in written:
        if path.resolve() in sources:
            raise MedadError(
                f"{path} is one of the study's own files and is never overwritten; "
                "choose another output folder."
            )


def _write_csv(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, object]]) -> None:
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(columns))
        writer.writeheader()
        writer.writerows(rows)
