"""What a detection measures against a reader's mask, as files."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from napari_medad.atomic import replacing, replacing_files
from napari_medad.evaluation.evaluation import Evaluation
from napari_medad.evaluation.intervals import spread
from napari_medad.evaluation.patients import FIGURES
from napari_medad.evaluation.reference import Measured

BY_HAND = "set by the user"
LESION_COLUMNS = ("lesion", "volume_ml", "found_share", "dice", "first", "last", "z", "y", "x")


def save_measured(measured: Measured, folder: str | Path) -> list[Path]:
    """Write `CASE_DETECTOR_metrics.json`, an `Evaluation`, and `CASE_DETECTOR_lesions.csv`.

    Raises
    ------
    MedadError
        If a file cannot be written.
    """
    detection, folder = measured.reference.detection, Path(folder)
    stem = f"{detection.study.name}_{detection.detector}"
    written = [folder / f"{stem}_metrics.json", folder / f"{stem}_lesions.csv"]
    with replacing_files(folder) as parts:
        with replacing(parts / written[1].name) as part, part.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(LESION_COLUMNS)
            for lesion in measured.lesions:
                about = (lesion.id, f"{lesion.volume_ml:.6g}", f"{lesion.found_share:.6g}")
                place = (*lesion.slices, *lesion.place_zyx)
                writer.writerow((*about, f"{lesion.dice:.6g}", *place))
        with replacing(parts / written[0].name) as part:
            told = evaluation_of(measured).model_dump_json(indent=2) + "\n"
            part.write_text(told, encoding="utf-8")
    return written


def evaluation_of(measured: Measured) -> Evaluation:
    """The same as an evaluation of one patient, as `medad evaluate` writes it."""
    detection, by_hand = measured.reference.detection, measured.threshold_source == BY_HAND
    values = ((name, getattr(measured.figures, name)) for name in FIGURES)
    return Evaluation(
        name=detection.detector,
        policy="fixed" if by_hand else "run",
        patients=(measured.figures,),
        pooled=measured.reference.pooled,
        spreads={
            name: spread(np.array([np.nan if value is None else value], float))
            for name, value in values
        },
        notes=notes_of(measured),
    )


def notes_of(measured: Measured) -> tuple[str, ...]:
    """What a reader of the figures must know, one sentence each."""
    notes = [
        f"Against {measured.reference.name}.",
        "Voxels where the map is not 0, and lesions, count; air does not.",
    ]
    if measured.reference.detection.record.untrained:
        notes.append("UNTRAINED: the map comes from random weights; its figures mean nothing.")
    if measured.corrected:
        notes.append("The mask was corrected by a reader; AUROC and AP are the detector's own.")
    elif measured.threshold_source == BY_HAND:
        notes.append(
            "The threshold was set by hand; if the reference was in view then, the figures at "
            "it are a bound and no result."
        )
    return tuple(notes)
