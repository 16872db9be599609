"""A folder of maps against a folder of truths."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_medad.atomic import replacing
from napari_medad.errors import MedadError
from napari_medad.evaluation.evaluation import Evaluation, PatientFigures, Policy
from napari_medad.evaluation.pairing import (
    AS_THEY_ARE,
    MapFile,
    Pair,
    Reading,
    find_maps,
    find_pairs,
    read_pair,
    refuse_shared_patients,
)
from napari_medad.evaluation.patients import EvaluationCase, calibrated_threshold, evaluate_cases
from napari_medad.inference.progress import Callback

COLUMNS = tuple(name for name in PatientFigures.model_fields if name != "slices")


@dataclass(frozen=True)
class FolderEvaluation:
    """An evaluation and the files it was made of.

    Attributes
    ----------
    evaluation : Evaluation
    pairs : tuple of Pair
        In the order of the evaluation's patients.
    reading : Reading
    """

    evaluation: Evaluation
    pairs: tuple[Pair, ...]
    reading: Reading

    def case(self, row: int) -> EvaluationCase:
        """One case, read again."""
        return read_pair(self.pairs[row], self.reading)


def evaluate_folder(
    maps: str | Path,
    truth: str | Path,
    *,
    policy: Policy | None = None,
    threshold: float | None = None,
    mask: str | Path | None = None,
    validation: tuple[str | Path, str | Path] | None = None,
    reading: Reading = AS_THEY_ARE,
    detector: str | None = None,
    name: str | None = None,
    surface: bool = True,
    seed: int = 0,
    progress: Callback | None = None,
) -> FolderEvaluation:
    """Measure every map of a folder against the truth of its patient.

    Parameters
    ----------
    maps, truth : path
        Folders, or one file each.
    policy : str, optional
        Default: "validation" where validation folders are given, "fixed" where a threshold
        is, else "run", the threshold of each run's record.
    threshold : float, optional
        For "fixed"; scores at or above it are found.
    mask : path, optional
        Folder of masks (or one file); only voxels inside count.
    validation : pair of paths, optional
        Maps and truths of other patients, on which the threshold is chosen.
    reading : Reading
    detector : str, optional
        Whose maps, where the folder holds those of several.
    name : str, optional
        In tables and figures. Default: the detector's, or the folder's.

    Raises
    ------
    MedadError
        As `find_maps`, `find_pairs`, `read_pair` and `evaluate_cases`; if a patient is in
        both parts, or the policy lacks what it needs.
    Cancelled
    """
    found = find_maps(Path(maps), detector)
    pairs = find_pairs(found, Path(truth), None if mask is None else Path(mask))
    chosen = policy or _policy_of(threshold, validation)
    at: float | Mapping[str, float] | None = threshold
    if chosen == "validation":
        at = _validated(found, validation, reading, detector)
    elif chosen == "run":
        at = _recorded(found)

    def cases() -> Iterator[EvaluationCase]:
        return (read_pair(pair, reading) for pair in pairs)

    told = evaluate_cases(
        name or _name_of(found, Path(maps)),
        cases,
        policy=chosen,
        threshold=at,
        surface=surface,
        seed=seed,
        progress=progress,
    )
    notes = (*told.notes, *_notes(found, reading, mask is not None))
    return FolderEvaluation(told.model_copy(update={"notes": notes}), tuple(pairs), reading)


def write_patients(evaluation: Evaluation, path: Path) -> Path:
    """One row a patient, empty where a figure is not defined."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        for patient in evaluation.patients:
            row = patient.model_dump(exclude={"slices"})
            writer.writerow({k: "" if v is None else v for k, v in row.items()})
    return path


def write_slices(evaluation: Evaluation, path: Path) -> Path:
    """One row an axial slice with a lesion."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("patient", "z", "distance", "lesion_mm2", "dice"))
        for patient in evaluation.patients:
            for one in patient.slices:
                writer.writerow((patient.patient, one.z, one.distance, one.lesion_mm2, one.dice))
    return path


def _policy_of(threshold: float | None, validation: object) -> Policy:
    if validation is not None:
        return "validation"
    return "run" if threshold is None else "fixed"


def _validated(
    test: Sequence[MapFile],
    validation: tuple[str | Path, str | Path] | None,
    reading: Reading,
    detector: str | None,
) -> float:
    if validation is None:
        raise MedadError(
            "The policy 'validation' needs maps and truths of other patients; give "
            "--validation-map and --validation-truth."
        )
    maps = find_maps(Path(validation[0]), detector)
    refuse_shared_patients((m.patient for m in test), (m.patient for m in maps))
    pairs = find_pairs(maps, Path(validation[1]))
    return calibrated_threshold(read_pair(pair, reading) for pair in pairs)


def _recorded(maps: Sequence[MapFile]) -> dict[str, float]:
    """Each run's threshold; voxels strictly above it are a run's findings."""
    for found in maps:
        if found.record is None:
            raise MedadError(
                f"{found.path} has no run record beside it, so its threshold is not known; give "
                "--threshold, or another --policy."
            )
    return {m.patient: _next_above(m.record.threshold_value) for m in maps if m.record}


def _next_above(threshold: float) -> float:
    import numpy as np

    return float(np.nextafter(np.float32(threshold), np.float32(np.inf)))


def _name_of(maps: Sequence[MapFile], folder: Path) -> str:
    named = {m.record.detector for m in maps if m.record is not None}
    return named.pop() if len(named) == 1 else folder.resolve().name


def _notes(maps: Sequence[MapFile], reading: Reading, masked: bool) -> list[str]:
    notes = []
    if masked:
        notes.append("Voxels inside the given masks count.")
    elif reading.whole_grid:
        notes.append("Every voxel counts, air included.")
    else:
        notes.append("Voxels where the map is not 0, and lesions, count; air does not.")
    if reading.labels:
        notes.append(f"Labels {', '.join(map(str, reading.labels))} of the truth are lesion.")
    untrained = sum(m.record is not None and m.record.untrained for m in maps)
    if untrained:
        notes.append(
            f"UNTRAINED: {untrained} of {len(maps)} maps come from random weights; their figures "
            "mean nothing."
        )
    return notes
