"""A folder of maps against a folder of truths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_medad.errors import MedadError
from napari_medad.evaluation.evaluation import Evaluation, Policy
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
from napari_medad.inference.progress import Callback, Progress, Reporter


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


@dataclass(frozen=True)
class Maps:
    """Which maps are measured.

    Attributes
    ----------
    folder : path
        Or one file.
    detector : str, optional
        Whose, where the folder holds those of several.
    validation : path, optional
        The same detector's maps of other patients.
    """

    folder: str | Path
    detector: str | None = None
    validation: str | Path | None = None


def evaluate_several(
    maps: Sequence[Maps],
    truth: str | Path,
    *,
    policies: Sequence[Policy | None] = (None,),
    threshold: float | None = None,
    validation_truth: str | Path | None = None,
    progress: Callback | None = None,
    **options: Any,
) -> list[FolderEvaluation]:
    """Measure the maps of several detectors on the same patients, or under several policies.

    Parameters
    ----------
    maps : sequence of Maps
        Detectors that share a name are told apart by their folders.
    truth : path
    policies : sequence of str
        As in `evaluate_folder`; each detector is measured under each.
    threshold : float, optional
        For "fixed".
    validation_truth : path, optional
    progress : callable, optional
        Takes a `Progress` counted in volumes, each looked at twice an evaluation; answers
        "stop" to cancel.
    **options
        Of `evaluate_folder`: mask, reading, surface, seed.

    Raises
    ------
    MedadError
        As `evaluate_folder`; if the detectors' patients are not the same, or a threshold is
        given that no policy takes.
    Cancelled
    """
    if threshold is not None and not {None, "fixed"} & set(policies):
        raise MedadError("A threshold is given, but only the policy 'fixed' takes one; ask for it.")
    names = _names(maps)
    count = len(maps) * len(policies)
    report = Reporter(progress, 0, "volumes")
    told: list[FolderEvaluation] = []
    for one, name in zip(maps, names, strict=True):
        held_out = None
        if one.validation is not None and validation_truth is not None:
            held_out = one.validation, validation_truth
        for policy in policies:
            before = len(told)

            def step(now: Progress, before: int = before) -> None:
                report(before * now.total + now.done, total=count * now.total)

            found = evaluate_folder(
                one.folder,
                truth,
                policy=policy,
                threshold=threshold if policy in (None, "fixed") else None,
                validation=held_out,
                detector=one.detector,
                name=name,
                progress=step,
                **options,
            )
            told.append(found)
    return told


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
    if threshold is not None and chosen != "fixed":
        raise MedadError(
            f"The policy '{chosen}' takes no threshold; leave it out, or take 'fixed'."
        )
    held_out = _held_out(found, validation, detector) if chosen == "validation" else []
    report = Reporter(progress, len(held_out) + 2 * len(pairs), "volumes")
    at: float | Mapping[str, float] | None = threshold
    if chosen == "validation":
        at = calibrated_threshold(_told(held_out, reading, report))
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
        progress=lambda now: report(len(held_out) + now.done),
    )
    notes = (*told.notes, *_notes(found, reading, mask is not None))
    return FolderEvaluation(told.model_copy(update={"notes": notes}), tuple(pairs), reading)


def _names(maps: Sequence[Maps]) -> list[str]:
    """What each detector is called, after a look that all have the same patients."""
    found = [find_maps(Path(one.folder), one.detector) for one in maps]
    names = [_name_of(held, Path(one.folder)) for held, one in zip(found, maps, strict=True)]
    patients = [{held.patient for held in each} for each in found]
    for name, own in zip(names[1:], patients[1:], strict=True):
        if own != patients[0]:
            raise MedadError(
                f"{names[0]} and {name} are not of the same patients: "
                f"{sorted(own ^ patients[0])[0]} is in one alone; measure both on the same."
            )
    if len(set(names)) < len(names):
        named = [Path(one.folder).resolve().name for one in maps]
        told = named if len(set(named)) == len(named) else [str(n + 1) for n in range(len(maps))]
        names = [f"{name} ({more})" for name, more in zip(names, told, strict=True)]
    return names


def _policy_of(threshold: float | None, validation: object) -> Policy:
    if validation is not None:
        return "validation"
    return "run" if threshold is None else "fixed"


def _held_out(
    test: Sequence[MapFile],
    validation: tuple[str | Path, str | Path] | None,
    detector: str | None,
) -> list[Pair]:
    """Maps and truths of the patients on whom the threshold is chosen."""
    if validation is None:
        raise MedadError(
            "The policy 'validation' needs maps and truths of other patients; give "
            "--validation-map and --validation-truth."
        )
    maps = find_maps(Path(validation[0]), detector)
    refuse_shared_patients((m.patient for m in test), (m.patient for m in maps))
    return find_pairs(maps, Path(validation[1]))


def _told(pairs: Sequence[Pair], reading: Reading, report: Reporter) -> Iterator[EvaluationCase]:
    """The cases one by one, each told when it is done with."""
    for number, pair in enumerate(pairs, 1):
        yield read_pair(pair, reading)
        report(number)


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
