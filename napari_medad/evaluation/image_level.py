"""Whole images told normal from abnormal by one score each (the protocol of paper 002's tables)."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, roc_auc_score

from napari_medad.errors import MedadError


class ImageMetrics(BaseModel):
    """Figures over images; None without both kinds of images.

    Attributes
    ----------
    images, abnormal : int
    auroc, average_precision : float or None
    f1, f1_threshold : float or None
        The best F1 of any threshold: an oracle, chosen with the truth in hand.
    accuracy, accuracy_threshold : float or None
        The best accuracy of any threshold: an oracle too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    images: int
    abnormal: int
    auroc: float | None = None
    average_precision: float | None = None
    f1: float | None = None
    f1_threshold: float | None = None
    accuracy: float | None = None
    accuracy_threshold: float | None = None


def image_metrics(scores: np.ndarray, abnormal: np.ndarray) -> ImageMetrics:
    """From scores [n] float and truth [n] bool; scores at or above a threshold are abnormal.

    Raises
    ------
    MedadError
        If there is no image, or a score is not finite.
    """
    if not scores.size:
        raise MedadError("There is no image to measure.")
    if not np.isfinite(scores).all():
        raise MedadError("An image's score is NaN or infinite; run the detector again.")
    counts = {"images": int(scores.size), "abnormal": int(np.count_nonzero(abnormal))}
    if not 0 < counts["abnormal"] < counts["images"]:
        return ImageMetrics(**counts)
    cuts = np.append(np.unique(scores), np.nextafter(scores.max(), np.inf))
    f1 = [f1_score(abnormal, scores >= cut, zero_division=0) for cut in cuts]
    accuracy = [accuracy_score(abnormal, scores >= cut) for cut in cuts]
    return ImageMetrics(
        **counts,
        auroc=float(roc_auc_score(abnormal, scores)),
        average_precision=float(average_precision_score(abnormal, scores)),
        f1=float(max(f1)),
        f1_threshold=float(cuts[np.argmax(f1)]),
        accuracy=float(max(accuracy)),
        accuracy_threshold=float(cuts[np.argmax(accuracy)]),
    )
