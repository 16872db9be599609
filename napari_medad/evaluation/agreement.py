"""Detections of one scan beside each other: where they agree, where not, and all as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, get_args

import numpy as np
from scipy.stats import rankdata

from napari_medad.errors import MedadError
from napari_medad.inference.progress import Callback, Reporter
from napari_medad.results.detection import Detection
from napari_medad.results.findings import Finding
from napari_medad.results.run_record import RunRecord, WeightsRecord

Rule = Literal["mean", "max", "vote"]
RULES: tuple[Rule, ...] = get_args(Rule)
CUT = 0.5
"""Where every detector's own threshold lies on the comparable scale."""


@dataclass(frozen=True, eq=False)
class Agreement:
    """Two detections of one scan.

    Attributes
    ----------
    dice : float or None
        Of the two masks; None where both are empty.
    correlation : float or None
        Spearman's, of the scores where both looked; None where one of them is constant.
    both_ml, first_ml, second_ml : float
        Found by both, by the first alone, by the second alone.
    first_only, second_only : list of Finding
        Findings that share no voxel with the other's mask.
    difference : ndarray [z, y, x] float32
        First less second on the comparable scale, -1..1.
    """

    dice: float | None
    correlation: float | None
    both_ml: float
    first_ml: float
    second_ml: float
    first_only: list[Finding]
    second_only: list[Finding]
    difference: np.ndarray


def comparable(detection: Detection) -> np.ndarray:
    """A detection's anomaly map on a scale that is the same for every detector.

    A voxel's score becomes the share of the foreground that scores no higher, and the
    detector's own threshold is moved to 0.5, so that a mask of voxels strictly above 0.5 is
    the detector's own.

    Returns
    -------
    ndarray [z, y, x] float32
        0..1; 0 outside the foreground.
    """
    inside = detection.foreground | (detection.maps["anomaly"] > detection.threshold)
    scores = detection.maps["anomaly"][inside]
    placed = np.zeros(inside.shape, np.float32)
    if not scores.size:
        return placed
    share = rankdata(scores, "average") / scores.size
    at = (np.count_nonzero(scores <= detection.threshold) + 0.5) / (scores.size + 1)
    share *= scores.size / (scores.size + 1)
    low, high = CUT * share / at, CUT + CUT * (share - at) / (1 - at)
    placed[inside] = np.where(share > at, high, low)
    return placed


def agreement(
    first: Detection, second: Detection, *, progress: Callback | None = None
) -> Agreement:
    """How two detections of one scan agree.

    Raises
    ------
    MedadError
        If they are not of one scan.
    Cancelled
    """
    _of_one_scan((first, second))
    report = Reporter(progress, 4, "steps")
    scores = []
    for step, detection in enumerate((first, second), 1):
        scores.append(comparable(detection))
        report(step)
    found = first.mask > 0, second.mask > 0
    voxel_ml = first.volume.voxel_volume
    both = int(np.count_nonzero(found[0] & found[1]))
    sizes = [int(np.count_nonzero(mask)) for mask in found]
    report(3)
    looked = first.foreground & second.foreground
    correlation = _spearman(first.maps["anomaly"][looked], second.maps["anomaly"][looked])
    report(4)
    return Agreement(
        dice=2 * both / sum(sizes) if sum(sizes) else None,
        correlation=correlation,
        both_ml=both * voxel_ml,
        first_ml=(sizes[0] - both) * voxel_ml,
        second_ml=(sizes[1] - both) * voxel_ml,
        first_only=_alone(first, found[1]),
        second_only=_alone(second, found[0]),
        difference=scores[0] - scores[1],
    )


def consensus(
    detections: Sequence[Detection], rule: Rule = "mean", *, progress: Callback | None = None
) -> Detection:
    """Several detections of one scan as one, which every later step takes.

    Parameters
    ----------
    detections : sequence of Detection
        Two or more.
    rule : str
        "mean" or "max" of the comparable scores; "vote": the share of detectors that find the
        voxel. A voxel is found above 0.5: with "max" where any detector finds it, with "vote"
        where more than half do.

    Raises
    ------
    MedadError
        If there are fewer than two, the rule is unknown, or they are not of one scan.
    Cancelled
    """
    if rule not in RULES:
        raise MedadError(f"There is no consensus '{rule}'; choose {', '.join(RULES)}.")
    if len(detections) < 2:
        raise MedadError("A consensus needs two detections or more of one scan.")
    _of_one_scan(detections)
    report = Reporter(progress, len(detections), "detections")
    joined = np.zeros(detections[0].maps["anomaly"].shape, np.float32)
    for step, detection in enumerate(detections, 1):
        scores = comparable(detection)
        if rule == "max":
            np.maximum(joined, scores, out=joined)
        else:
            joined += (scores > CUT) if rule == "vote" else scores
        report(step)
    if rule != "max":
        joined /= len(detections)
    foreground = np.logical_or.reduce([d.foreground for d in detections])
    looked = foreground.any(axis=(1, 2))
    return replace(
        detections[0],
        detector=f"consensus {rule}",
        maps={"anomaly": joined},
        slice_scores=np.where(looked, joined.max(axis=(1, 2)), np.nan).astype(np.float32),
        foreground=foreground,
        threshold=CUT,
        minimum_ml=min(d.minimum_ml for d in detections),
        record=_record(detections, rule),
        category_scores={},
        category_chances={},
        category_present={},
    )


def _record(detections: Sequence[Detection], rule: Rule) -> RunRecord:
    names = [d.detector for d in detections]
    untrained = [d.detector for d in detections if d.record.untrained]
    notes = [f"Made of {', '.join(names)}, each on its own scale of ranks."]
    if untrained:
        notes.append(f"Untrained, so meaningless: {', '.join(untrained)}.")
    return detections[0].record.model_copy(
        update={
            "detector": f"consensus {rule}",
            "settings": {"rule": rule, "of": names},
            "prompt": None,
            "axis": "axial",
            "threshold": CUT,
            "threshold_value": CUT,
            "threshold_source": "where each detector's own threshold lies",
            "minimum_ml": min(d.minimum_ml for d in detections),
            "weights": WeightsRecord(state="untrained" if untrained else "none"),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "duration_s": 0.0,
            "notes": notes,
            "evidence": {
                "detections": [
                    {"detector": d.detector, "threshold": d.threshold, "started": d.record.started}
                    for d in detections
                ]
            },
        }
    )


def _of_one_scan(detections: Sequence[Detection]) -> None:
    first = detections[0]
    for other in detections[1:]:
        if other.study.name != first.study.name:
            raise MedadError(
                f"{first.detector} looked at {first.study.name} but {other.detector} at "
                f"{other.study.name}; choose detections of one scan."
            )
        if not other.volume.grid.same_as(first.volume.grid):
            raise MedadError(
                f"{first.detector} and {other.detector} looked at {first.study.name} on other "
                "voxels; run both on the same volume."
            )


def _spearman(first: np.ndarray, second: np.ndarray) -> float | None:
    if first.size < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


def _alone(detection: Detection, other: np.ndarray) -> list[Finding]:
    met = set(np.unique(detection.mask[other]).tolist())
    return [finding for finding in detection.findings if finding.id not in met]
