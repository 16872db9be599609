"""What a lesson has changed: on the corrected scans, and on synthetic ones it must not forget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_medad.detectors.detector import Detector
from napari_medad.detectors.example_masks import mask_of
from napari_medad.detectors.recipe import Example
from napari_medad.detectors.registry import load_detector
from napari_medad.evaluation.case import CaseMetrics, evaluate
from napari_medad.inference.progress import Progress
from napari_medad.inference.run import detect
from napari_medad.volumes.phantom import make_brain
from napari_medad.volumes.phantom.contrast import contrasts
from napari_medad.volumes.study import Study

UNSEEN_SEEDS = (9_000_001, 9_000_002)
"""Synthetic patients that no training uses."""
SPACING = 1.5
LESIONS = ("tumour", "patches")


@dataclass(frozen=True)
class Change:
    """One scan before and after.

    Attributes
    ----------
    case : str
    corrected : bool
        Whether the scan was corrected; else it is synthetic, and its truth exact.
    before, after : CaseMetrics
        Against the corrected mask, or the truth; each at its own run's threshold.
    """

    case: str
    corrected: bool
    before: CaseMetrics
    after: CaseMetrics


def before_and_after(
    name: str,
    old: str,
    new: str,
    examples: Sequence[Example],
    *,
    device: str = "auto",
    progress: Callable[[Progress], object] | None = None,
) -> list[Change]:
    """Run a detector with old and new weights over corrected scans and synthetic ones.

    Parameters
    ----------
    name : str
    old, new : str
        Names or paths of weights.
    examples : sequence of Example
        Scans with corrected masks.
    device : str
    progress : callable, optional
        Takes the progress of each run; answers "stop" to cancel.

    Raises
    ------
    MedadError
        As `load_detector` and `detect`.
    Cancelled
    """
    detectors = [load_detector(name, weights=weights, device=device) for weights in (old, new)]
    changes = []
    for case, study, truth, corrected in _scans(examples):
        before, after = (_measured(study, truth, detector, progress) for detector in detectors)
        changes.append(Change(case, corrected, before, after))
    return changes


def _scans(examples: Sequence[Example]) -> Iterator[tuple[str, Study, np.ndarray, bool]]:
    """Name, study, mask, and whether a person has corrected it."""
    modalities = []
    for number, example in enumerate(examples, start=1):
        study = example.study()
        mask = mask_of(example, study)
        modalities.append(study.volume().modality)
        if mask is not None and mask.any():
            yield example.patient or f"scan {number}", study, mask, True
    known = [m for m in modalities if m in contrasts()] or ["t2f"]
    for seed in UNSEEN_SEEDS:
        brain = make_brain(seed, lesions=LESIONS, contrasts=(known[0],), spacing=SPACING)
        yield f"synthetic {seed % 10}", brain.study, brain.truth > 0, False


def _measured(
    study: Study,
    truth: np.ndarray,
    detector: Detector,
    progress: Callable[[Progress], object] | None,
) -> CaseMetrics:
    detection = detect(study, detector, progress=progress)
    return evaluate(
        detection.maps["anomaly"],
        truth,
        mask=detection.foreground | truth,
        threshold=detection.threshold,
    )
