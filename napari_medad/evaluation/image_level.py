"""Whole images told normal from abnormal by one score each (the protocol of paper 002's tables)."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from napari_medad.errors import MedadError


class ImageMetrics(BaseModel):
    """Figures over images; None without both kinds of images.

    Attributes
    ----------
    images, abnormal : int
    auroc, average_precision : float or None
    f1, f1_threshold : float or None
        The best F1 of any threshold: an oracle, chosen with the truth in hand.
    accuracy : float or None
        At the threshold of the best F1, as the paper has it: an oracle too.
    best_accuracy, best_accuracy_threshold : float or None
        The best accuracy of any threshold, another oracle.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    images: int
    abnormal: int
    auroc: float | None = None
    average_precision: float | None = None
    f1: float | None = None
    f1_threshold: float | None = None
    accuracy: float | None = None
    best_accuracy: float | None = None
    best_accuracy_threshold: float | None = None


def image_metrics(scores: np.ndarray, abnormal: np.ndarray) -> ImageMetrics:
    """From scores [n] float and truth [n] bool; scores at or above a threshold are abnormal.

    Raises
    ------
    MedadError
        If there is no image, or a score is not finite.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    if not scores.size:
        raise MedadError("There is no image to measure.")
    if not np.isfinite(scores).all():
        raise MedadError("An image's score is NaN or infinite; run the detector again.")
    positives, size = int(np.count_nonzero(abnormal)), int(scores.size)
    if not 0 < positives < size:
        return ImageMetrics(images=size, abnormal=positives)
    false_rate, true_rate, cuts = roc_curve(abnormal, scores, drop_intermediate=False)
    cuts[0] = np.nextafter(scores.max(), np.inf)
    hits, alarms = np.rint(true_rate * positives), np.rint(false_rate * (size - positives))
    f1 = 2 * hits / (hits + alarms + positives)
    accuracy = (hits + size - positives - alarms) / size
    best, most = int(f1.argmax()), int(accuracy.argmax())
    return ImageMetrics(
        images=size,
        abnormal=positives,
        auroc=float(roc_auc_score(abnormal, scores)),
        average_precision=float(average_precision_score(abnormal, scores)),
        f1=float(f1[best]),
        f1_threshold=float(cuts[best]),
        accuracy=float(accuracy[best]),
        best_accuracy=float(accuracy[most]),
        best_accuracy_threshold=float(cuts[most]),
    )
