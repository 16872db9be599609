"""How well slices are told several abnormalities: the three protocols of SD-MAD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict
from sklearn.metrics import accuracy_score, hamming_loss, roc_auc_score

from napari_medad.detectors.recipe import Example
from napari_medad.errors import MedadError
from napari_medad.results.detection import Detection


class MultiLabelMetrics(BaseModel):
    """Figures over slices; None where a figure is not defined, as without both kinds of slices.

    Attributes
    ----------
    slices : int
    auroc : mapping of str to float or None
        Of each category against all other slices (protocol 3).
    mean_auroc : float or None
        Over the categories that have one.
    hamming : float
        1 - the mean of wrong decisions over slices and categories (protocol 2).
    subset_accuracy : float
        Share of slices with every decision right (protocol 2).
    abnormal_auroc : float or None
        Of the slice scores, for any category against none (protocol 1).
    """

    model_config = ConfigDict(frozen=True)

    slices: int
    auroc: dict[str, float | None]
    mean_auroc: float | None
    hamming: float
    subset_accuracy: float
    abnormal_auroc: float | None

    def rows(self) -> list[tuple[str, float | None]]:
        """Name and value, as a table shows them."""
        own = [(f"AUROC {name}", value) for name, value in self.auroc.items()]
        return [
            *own,
            ("AUROC, mean", self.mean_auroc),
            ("Hamming score", self.hamming),
            ("Subset accuracy", self.subset_accuracy),
            ("AUROC, normal against abnormal", self.abnormal_auroc),
        ]


def multi_label_metrics(
    names: Sequence[str],
    truth: np.ndarray,
    scores: np.ndarray,
    decisions: np.ndarray,
    slice_scores: np.ndarray,
) -> MultiLabelMetrics:
    """Figures of slices [n] with K categories.

    Parameters
    ----------
    names : sequence of str
        Of the categories.
    truth, decisions : ndarray [n, K] bool
    scores : ndarray [n, K] float
        Higher is more like the category.
    slice_scores : ndarray [n] float
        Higher is more abnormal.

    Raises
    ------
    MedadError
        If there is no slice.
    """
    if not len(truth):
        raise MedadError("There is no slice to measure; name some with their categories.")
    single = {name: _auroc(truth[:, c], scores[:, c]) for c, name in enumerate(names)}
    known = [value for value in single.values() if value is not None]
    right = (truth == decisions).all(1)
    return MultiLabelMetrics(
        slices=len(truth),
        auroc=single,
        mean_auroc=float(np.mean(known)) if known else None,
        hamming=1 - float(hamming_loss(truth, decisions)),
        subset_accuracy=float(accuracy_score(np.ones(len(right), bool), right)),
        abnormal_auroc=_auroc(np.asarray(truth.any(axis=1)), slice_scores),
    )


def measured(
    detections: Sequence[tuple[Example, Detection]], names: Sequence[str]
) -> MultiLabelMetrics:
    """Figures of the slices that examples name, of a detection for each example.

    Parameters
    ----------
    detections : sequence of (Example, Detection)
    names : sequence of str
        The categories.

    Raises
    ------
    MedadError
        If an example names another category, or a slice that was not looked at.
    """
    truth, scores, decisions, slice_scores = [], [], [], []
    for example, detection in detections:
        check_known(example, names)
        for z, shown in (example.categories or {}).items():
            _check_slice(detection, z)
            truth.append([name in shown for name in names])
            scores.append([detection.category_scores[name][z] for name in names])
            decisions.append([detection.category_present[name][z] for name in names])
            slice_scores.append(detection.slice_scores[z])
    return multi_label_metrics(
        names,
        np.array(truth, bool).reshape(-1, len(names)),
        np.array(scores, float).reshape(-1, len(names)),
        np.array(decisions, bool).reshape(-1, len(names)),
        np.array(slice_scores, float),
    )


def check_known(example: Example, names: Sequence[str]) -> None:
    """Refuse an example that shows a category which is not among the names."""
    shown = {name for found in (example.categories or {}).values() for name in found}
    unknown = next((name for name in sorted(shown) if name not in names), None)
    if unknown is not None:
        raise MedadError(
            f"A slice is said to show '{unknown}', which the weights do not know; they know "
            f"{', '.join(names)}."
        )


def table(metrics: Mapping[str, MultiLabelMetrics]) -> list[dict[str, object]]:
    """Rows for a CSV file: one a figure, with a column for each run."""
    first = next(iter(metrics.values()))
    held = {run: dict(found.rows()) for run, found in metrics.items()}
    return [{"figure": name, **{run: held[run][name] for run in held}} for name, _ in first.rows()]


def _check_slice(detection: Detection, z: int) -> None:
    depth = detection.slice_scores.size
    if not 0 <= z < depth:
        raise MedadError(
            f"{detection.study.name} has no {detection.record.axis} slice {z}, only 0 to "
            f"{depth - 1}; correct the list."
        )
    if np.isnan(detection.slice_scores[z]):
        raise MedadError(
            f"The {detection.record.axis} slice {z} of {detection.study.name} shows background "
            "only and was not looked at; take it off the list."
        )


def _auroc(truth: np.ndarray, scores: np.ndarray) -> float | None:
    """Area under the ROC; None where all slices are of one kind."""
    if truth.all() or not truth.any():
        return None
    return float(roc_auc_score(truth, scores))
