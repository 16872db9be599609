"""A folder of maps against a folder of truths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
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
from napari_medad.evaluation.patients import (
    Cases,
    EvaluationCase,
    Threshold,
    calibrated_threshold,
    evaluate_policies,
)
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
    minimum_ml : float
    """

    evaluation: Evaluation
    pairs: tuple[Pair, ...]
    reading: Reading
    minimum_ml: float = 0.0

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
        The same detector's maps of other patients, on which a threshold can be chosen.
    name : str, optional
        In tables and figures. Default: the detector's, or the folder's.
    """

    folder: str | Path
    detector: str | None = None
    validation: str | Path | None = None
    name: str | None = None


def evaluate_folder(
    maps: str | Path,
    truth: str | Path,
    *,
    policy: Policy | None = None,
    validation: tuple[str | Path, str | Path] | None = None,
    detector: str | None = None,
    name: str | None = None,
    **options: Any,
) -> FolderEvaluation:
    """Measure every map of a folder against the truth of its patient.

    Parameters
    ----------
    maps, truth : path
        Folders, or one file each.
    policy : str, optional
        Where the threshold comes from: "fixed", "validation", "run", "test pool" or "each
        volume"; see `evaluate_cases`. Default: "validation" where validation folders are
        given, "fixed" where a threshold is, else "run", the threshold of each run's record.
    validation : pair of paths, optional
        Maps and truths of other patients.
    detector : str, optional
        Whose maps, where the folder holds those of several.
    name : str, optional
        In tables and figures. Default: the detector's, or the folder's.
    **options
        Of `evaluate_several`: threshold, mask, reading, minimum_ml, surface, seed, progress.

    Raises
    ------
    MedadError
        As `evaluate_several`.
    Cancelled
    """
    own, other = validation or (None, None)
    asked = [Maps(maps, detector, own, name)]
    return evaluate_several(asked, truth, policies=(policy,), validation_truth=other, **options)[0]


def evaluate_several(
    maps: Sequence[Maps],
    truth: str | Path,
    *,
    policies: Sequence[Policy | None] = (None,),
    threshold: float | None = None,
    validation_truth: str | Path | None = None,
    mask: str | Path | None = None,
    reading: Reading = AS_THEY_ARE,
    minimum_ml: float = 0.0,
    surface: bool = True,
    seed: int = 0,
    progress: Callback | None = None,
) -> list[FolderEvaluation]:
    """Measure the maps of several detectors on the same patients, or under several policies.

    Parameters
    ----------
    maps : sequence of Maps
        Detectors that share a name are told apart by their folders.
    truth : path
        Folder, or one file.
    policies : sequence of str
        As in `evaluate_folder`; each detector is measured under each.
    threshold : float, optional
        For "fixed"; scores at or above it are found.
    validation_truth : path, optional
        Of the maps' `validation`.
    mask : path, optional
        Folder of masks (or one file); only voxels inside count.
    reading : Reading
        Labels, other grids, and whether air counts.
    minimum_ml : float
        Smaller components of what is found are dropped.
    surface : bool
        Whether to measure distances of outlines, which takes longest.
    seed : int
        Of the bootstrap.
    progress : callable, optional
        Takes a `Progress` counted in volumes, each looked at twice; answers "stop" to cancel.

    Raises
    ------
    MedadError
        As `find_maps`, `find_pairs`, `read_pair` and `evaluate_cases`; if the detectors'
        patients are not the same, a patient is in both parts, or a policy lacks what it needs.
    Cancelled
    """
    if threshold is not None and not {None, "fixed"} & set(policies):
        raise MedadError("A threshold is given, but only the policy 'fixed' takes one; ask for it.")
    found = [find_maps(Path(one.folder), one.detector) for one in maps]
    names, told = _names(maps, found), list[FolderEvaluation]()
    report = Reporter(progress, 0, "volumes")
    for number, (one, held, name) in enumerate(zip(maps, found, names, strict=True)):
        pairs = find_pairs(held, Path(truth), None if mask is None else Path(mask))
        chosen = [policy or _policy_of(threshold, one.validation) for policy in policies]
        others = _held_out(held, one, validation_truth) if "validation" in chosen else []
        whole = len(others) + 2 * len(pairs)
        first = number * whole
        step = partial(_step, report, len(maps) * whole, first)
        thresholds = _thresholds(chosen, held, threshold, _told(others, reading, step))
        measured = evaluate_policies(
            name,
            _cases(pairs, reading),
            thresholds,
            minimum_ml=minimum_ml,
            surface=surface,
            seed=seed,
            progress=partial(_step, report, len(maps) * whole, first + len(others)),
        )
        notes = _notes(held, reading, mask is not None)
        for evaluation in measured.values():
            noted = evaluation.model_copy(update={"notes": (*evaluation.notes, *notes)})
            told.append(FolderEvaluation(noted, tuple(pairs), reading, minimum_ml))
    return told


def _step(report: Reporter, total: int, first: int, now: Progress | int) -> None:
    """Report a step of one detector among those of all."""
    report(first + (now if isinstance(now, int) else now.done), total=total)


def _cases(pairs: Sequence[Pair], reading: Reading) -> Cases:
    return lambda: (read_pair(pair, reading) for pair in pairs)


def _thresholds(
    policies: Sequence[Policy],
    maps: Sequence[MapFile],
    threshold: float | None,
    others: Iterator[EvaluationCase],
) -> dict[Policy, Threshold]:
    """What each policy cuts at, as far as it is known beforehand."""
    known: dict[Policy, Threshold] = {}
    for policy in policies:
        known[policy] = None
        if policy == "fixed":
            known[policy] = threshold
        elif policy == "validation":
            known[policy] = calibrated_threshold(others)
        elif policy == "run":
            known[policy] = _recorded(maps)
    return known


def _names(maps: Sequence[Maps], found: Sequence[Sequence[MapFile]]) -> list[str]:
    """What each detector is called, after a look that all have the same patients."""
    names = [
        one.name or _name_of(held, Path(one.folder)) for held, one in zip(found, maps, strict=True)
    ]
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
    if validation is not None and threshold is not None:
        raise MedadError(
            "Give a threshold or validation maps, not both; or name the policies with --policy."
        )
    if validation is not None:
        return "validation"
    return "run" if threshold is None else "fixed"


def _held_out(
    test: Sequence[MapFile], one: Maps, validation_truth: str | Path | None
) -> list[Pair]:
    """Maps and truths of the patients on whom the threshold is chosen."""
    if one.validation is None or validation_truth is None:
        raise MedadError(
            "The policy 'validation' needs maps and truths of other patients; give "
            "--validation-map and --validation-truth."
        )
    maps = find_maps(Path(one.validation), one.detector)
    refuse_shared_patients((m.patient for m in test), (m.patient for m in maps))
    return find_pairs(maps, Path(validation_truth))


def _told(
    pairs: Sequence[Pair], reading: Reading, step: Callable[[int], None]
) -> Iterator[EvaluationCase]:
    """The cases one by one, each told when it is done with."""
    for number, pair in enumerate(pairs, 1):
        yield read_pair(pair, reading)
        step(number)


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
