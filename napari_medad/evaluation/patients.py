"""A detector's maps against the truth: every patient, and all voxels together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import cc3d
import numpy as np

from napari_medad.errors import MedadError
from napari_medad.evaluation.evaluation import (
    ORACLES,
    TITLES,
    Evaluation,
    PatientFigures,
    Policy,
    PooledFigures,
    Spread,
)
from napari_medad.evaluation.image_level import image_metrics
from napari_medad.evaluation.intervals import spread
from napari_medad.evaluation.lesions import RegionOverlap, lesion_figures
from napari_medad.evaluation.overlap import Confusion
from napari_medad.evaluation.pooled import StreamedRanking
from napari_medad.evaluation.slices import slice_figures
from napari_medad.evaluation.surface import surface_figures
from napari_medad.evaluation.voxel_metrics import Ranking
from napari_medad.inference.progress import Callback, Reporter

FIGURES = tuple(TITLES)
"""Figures of a patient that are averaged over patients."""


@dataclass(frozen=True, eq=False)
class EvaluationCase:
    """One patient's map and truth, on one grid.

    Attributes
    ----------
    patient : str
    scores : ndarray [z, y, x] float32
        Higher is more abnormal.
    truth : ndarray [z, y, x] bool
    spacing : (z, y, x) in mm
    counted : ndarray [z, y, x] bool, optional
        Voxels that count; default: all, air included, as in the zero-shot benchmark.
    brain : ndarray [z, y, x] bool, optional
        Gives the distance of a slice from the centre; default: scores that are not 0, and
        the truth.
    """

    patient: str
    scores: np.ndarray
    truth: np.ndarray
    spacing: tuple[float, float, float]
    counted: np.ndarray | None = None
    brain: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in ("truth", "counted", "brain"):
            array = getattr(self, name)
            if array is not None and array.shape != self.scores.shape:
                raise MedadError(
                    f"{self.patient}: the {name} has shape {array.shape} but the map has "
                    f"{self.scores.shape}; give images on one grid."
                )
        if not np.isfinite(self.scores).all():
            raise MedadError(
                f"{self.patient}: the map holds NaN or infinite voxels; make it again without them."
            )
        if self.counted is not None and not self.counted.any():
            raise MedadError(f"{self.patient}: the mask is empty, so no voxel is counted.")

    @property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores and truth of the counted voxels, [n] each."""
        if self.counted is None:
            return self.scores.ravel(), self.truth.ravel()
        return self.scores[self.counted], self.truth[self.counted]


Cases = Callable[[], Iterable[EvaluationCase]]
"""Called once a pass, so that no more than one volume is held at a time."""
Threshold = float | Mapping[str, float] | None
"""One number, or one of each patient, or none where the policy finds it."""


def evaluate_cases(
    name: str,
    cases: Cases,
    *,
    policy: Policy = "fixed",
    threshold: Threshold = None,
    minimum_ml: float = 0.0,
    surface: bool = True,
    seed: int = 0,
    progress: Callback | None = None,
) -> Evaluation:
    """Measure maps of many patients.

    Parameters
    ----------
    name : str
        Of the detector, for tables and figures.
    cases : callable
        Gives the cases, in the same order at each call; it is called twice.
    policy : str
        "fixed" and "validation": at `threshold`, chosen beforehand or on other patients; "run":
        at each run's own; "test pool": at the best F1 of all voxels; "each volume": at each
        volume's own best. The last two have seen the truth and are bounds, not results.
    threshold : float, or mapping of str to float, optional
        Scores at or above it are found; for "run" by patient.
    minimum_ml : float
        Smaller components of what is found are dropped.
    surface : bool
        Whether to measure distances of outlines, which takes longest.
    seed : int
        Of the bootstrap.

    Raises
    ------
    MedadError
        If there is no case, a patient comes twice, a threshold is missing or not wanted, or
        a case is not sound.
    Cancelled
    """
    told = evaluate_policies(
        name,
        cases,
        {policy: threshold},
        minimum_ml=minimum_ml,
        surface=surface,
        seed=seed,
        progress=progress,
    )
    return told[policy]


def evaluate_policies(
    name: str,
    cases: Cases,
    thresholds: Mapping[Policy, Threshold],
    *,
    minimum_ml: float = 0.0,
    surface: bool = True,
    seed: int = 0,
    progress: Callback | None = None,
) -> dict[Policy, Evaluation]:
    """Measure the same maps under several threshold policies, reading each map only twice.

    Parameters
    ----------
    thresholds : mapping of str to float, mapping or None
        The policies, and for each what `evaluate_cases` takes as its threshold.
    name, cases, minimum_ml, surface, seed, progress
        As in `evaluate_cases`.

    Raises
    ------
    MedadError
        As `evaluate_cases`.
    Cancelled
    """
    _refuse_thresholds(thresholds)
    ranking, patients = StreamedRanking(), []
    report = Reporter(progress, 0, "patients")
    for count, case in enumerate(_each_once(cases()), 1):
        ranking.add(*case.pairs)
        patients.append(case.patient)
        report(count, total=2 * count)
    if not patients:
        raise MedadError(f"There is no case of {name} to measure.")
    cuts = {policy: _cut(policy, wanted, ranking) for policy, wanted in thresholds.items()}
    regions = RegionOverlap(ranking)
    figures: dict[Policy, list[PatientFigures]] = {policy: [] for policy in cuts}
    for number, case in enumerate(cases(), 1):
        for policy, cut in cuts.items():
            own = cut[case.patient] if isinstance(cut, Mapping) else cut
            at = _own_best(case) if own is None else own
            told = patient_figures(case, at, minimum_ml=minimum_ml, surface=surface)
            figures[policy].append(told)
        counted = case.counted
        regions.add(case.scores, case.truth if counted is None else case.truth & counted)
        report(len(patients) + number, total=2 * len(patients))
    pooled = ranking.figures(regions.value())
    notes = _notes(next(iter(figures.values())), minimum_ml)
    return {
        policy: _evaluation(name, policy, held, pooled, notes, seed)
        for policy, held in figures.items()
    }


def _refuse_thresholds(thresholds: Mapping[Policy, Threshold]) -> None:
    for policy, threshold in thresholds.items():
        if (policy in ORACLES) == (threshold is not None):
            told = "takes no threshold" if policy in ORACLES else "needs a threshold"
            raise MedadError(f"The policy '{policy}' {told}.")
        if isinstance(threshold, Mapping) != (policy == "run"):
            raise MedadError(
                "The policy 'run' takes the threshold of each patient's run, the others one number."
            )


def _cut(policy: Policy, threshold: Threshold, ranking: StreamedRanking) -> Threshold:
    """The threshold of a policy, found on the pool where it is; None: each volume's own."""
    if policy != "test pool":
        return threshold
    best = ranking.best_f1()
    if best is None:
        raise MedadError("No volume has a lesion, so no threshold is best; use the policy 'fixed'.")
    return best[1]


def _evaluation(
    name: str,
    policy: Policy,
    figures: list[PatientFigures],
    pooled: PooledFigures,
    notes: tuple[str, ...],
    seed: int,
) -> Evaluation:
    return Evaluation(
        name=name,
        policy=policy,
        patients=tuple(figures),
        pooled=pooled,
        spreads=_spreads(figures, seed),
        images=image_metrics(
            np.array([patient.image_score for patient in figures]),
            np.array([patient.lesions > 0 for patient in figures]),
        ),
        notes=notes,
    )


def calibrated_threshold(cases: Iterable[EvaluationCase]) -> float:
    """The threshold with the best F1 over all counted voxels, for use on other patients.

    Raises
    ------
    MedadError
        If no case has a lesion.
    """
    ranking = StreamedRanking()
    for case in _each_once(cases):
        ranking.add(*case.pairs)
    best = ranking.best_f1()
    if best is None:
        raise MedadError("No validation volume has a lesion; choose others, or a fixed threshold.")
    return best[1]


def patient_figures(
    case: EvaluationCase, threshold: float, *, minimum_ml: float = 0.0, surface: bool = True
) -> PatientFigures:
    """Figures of one volume; scores at or above the threshold are found."""
    found, truth = found_mask(case, threshold, minimum_ml), case.truth
    if case.counted is not None:
        truth = truth & case.counted
    inside = slice(None) if case.counted is None else case.counted
    counts, lesions = Confusion.of(found[inside], truth[inside]), lesion_figures(found, truth)
    far, near = surface_figures(found, truth, case.spacing) if surface else (None, None)
    brain = (case.scores != 0) | truth if case.brain is None else case.brain
    return PatientFigures(
        patient=case.patient,
        threshold=threshold,
        lesion_ml=float(np.count_nonzero(truth) * np.prod(case.spacing) / 1000),
        dice=counts.dice,
        sensitivity=counts.sensitivity,
        specificity=counts.specificity,
        ppv=counts.ppv,
        lesion_dice=lesions.dice,
        lesion_recall=lesions.recall,
        lesions=lesions.lesions,
        false_positives=lesions.false_positives,
        hausdorff95_mm=far,
        surface_dice=near,
        image_score=float(case.scores[inside].max()),
        slices=slice_figures(found, truth, brain, case.spacing),
    )


def found_mask(case: EvaluationCase, threshold: float, minimum_ml: float = 0.0) -> np.ndarray:
    """What is found of one volume, [z, y, x] bool: counted voxels at or above the threshold.

    26-connected components smaller than `minimum_ml` are dropped.
    """
    found = case.scores >= threshold
    if case.counted is not None:
        found &= case.counted
    voxels = int(np.ceil(minimum_ml * 1000 / float(np.prod(case.spacing)) - 1e-6))
    if voxels > 1:
        found = cc3d.dust(found, threshold=voxels, connectivity=26).astype(bool)
    return found


def _each_once(cases: Iterable[EvaluationCase]) -> Iterator[EvaluationCase]:
    seen: set[str] = set()
    for case in cases:
        if case.patient in seen:
            raise MedadError(
                f"Patient {case.patient} comes twice; keep one map of each, or give the others "
                "another name."
            )
        seen.add(case.patient)
        yield case


def _own_best(case: EvaluationCase) -> float:
    """The volume's own best threshold; above everything where it has no lesion."""
    scores, truth = case.pairs
    best = Ranking.of(scores, truth).best_f1
    if best is None:
        return float(np.nextafter(scores.max(), np.float32(np.inf)))
    return float(np.nextafter(np.float32(best[1]), np.float32(np.inf)))


def _spreads(figures: list[PatientFigures], seed: int) -> dict[str, Spread]:
    def values(name: str) -> np.ndarray:
        held = (getattr(patient, name) for patient in figures)
        return np.array([np.nan if value is None else value for value in held], float)

    return {name: spread(values(name), seed=seed) for name in FIGURES}


def _notes(figures: list[PatientFigures], minimum_ml: float) -> tuple[str, ...]:
    notes = []
    healthy = sum(not patient.lesions for patient in figures)
    if healthy:
        notes.append(
            f"{healthy} of {len(figures)} volumes have no lesion: their Dice is 1 where nothing is "
            "found and else 0, and they have no sensitivity."
        )
    if minimum_ml:
        notes.append(f"Components of what is found that are below {minimum_ml:g} mL are dropped.")
    return tuple(notes)
