"""A detection as files: maps and mask on the source's grid, tables, record."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from napari_medad.atomic import replacing, replacing_files
from napari_medad.errors import MedadError
from napari_medad.results.detection import Detection
from napari_medad.results.findings import Finding
from napari_medad.results.outputs import category
from napari_medad.volumes.nifti import write_nifti

FINDING_COLUMNS = tuple(Finding(1, 0, 0, 0, (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0), "").row())


def save_detection(detection: Detection, folder: Path) -> list[Path]:
    """Write a detection into a folder.

    For a study called CASE and a detector NAME: `CASE_NAME_<map>.nii.gz` (float32) for
    every map, `CASE_NAME_mask.nii.gz` (uint8; uint16 with more than 255 findings),
    `CASE_NAME_findings.csv`, `CASE_NAME_slices.csv`, `CASE_NAME_record.json`. All appear
    together or none; the record comes last.

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
    with replacing_files(folder) as parts:
        for name, values in images.items():
            map_path = parts / names[name].name
            write_nifti(values.astype(np.float32, copy=False), detection.volume, map_path)
        kind = np.uint8 if len(detection.findings) <= 255 else np.uint16
        mask = detection.mask.astype(kind)
        write_nifti(mask, detection.volume, parts / mask_path.name, labels=True)
        findings = (finding.row() for finding in detection.findings)
        write_csv(parts / tables[0].name, FINDING_COLUMNS, findings)
        write_csv(parts / tables[1].name, *slice_table(detection))
        record = detection.record.model_dump_json(indent=2) + "\n"
        with replacing(parts / record_path.name) as part:
            part.write_text(record, encoding="utf-8")
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


def slice_table(detection: Detection) -> tuple[list[str], Iterator[dict[str, object]]]:
    """Columns and rows of the slices that were looked at.

    For each abnormality that the detector tells apart there are its score, `category:<name>`,
    its probability, `chance:<name>`, and the decision, 0 or 1, `present:<name>`.
    """
    named = {category(name).name: values for name, values in detection.category_scores.items()}
    chances = {f"chance:{name}": values for name, values in detection.category_chances.items()}
    scores = {"score": detection.slice_scores, **named, **chances}
    present = {f"present:{name}": given for name, given in detection.category_present.items()}

    def rows() -> Iterator[dict[str, object]]:
        for index in np.flatnonzero(np.isfinite(detection.slice_scores)):
            row: dict[str, object] = {"slice": int(index)}
            row |= {name: f"{values[index]:.6g}" for name, values in scores.items()}
            yield row | {name: int(values[index]) for name, values in present.items()}

    return ["slice", *scores, *present], rows()


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a table; rows are read one by one."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(columns))
        writer.writeheader()
        writer.writerows(rows)
