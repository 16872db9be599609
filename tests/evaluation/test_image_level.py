"""Whole images at their best thresholds, by hand and against every threshold by scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from napari_medad.errors import MedadError
from napari_medad.evaluation.image_level import image_metrics


def test_four_images_by_hand() -> None:
    told = image_metrics(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    assert (told.images, told.abnormal) == (4, 2)
    assert told.auroc == pytest.approx(0.75)
    assert told.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert told.f1 == pytest.approx(0.8)  # at or above 0.35: two right, one false
    assert told.f1_threshold == 0.35
    assert told.accuracy == pytest.approx(0.75)


def test_accuracy_is_that_of_the_best_f1_and_the_best_accuracy_is_told_apart() -> None:
    scores = np.array([0.9, 0.2, 0.1, 0.3, 0.3])
    told = image_metrics(scores, np.array([False, True, True, True, True]))
    assert (told.f1_threshold, told.f1) == (0.1, pytest.approx(8 / 9))
    assert told.accuracy == pytest.approx(0.8)
    few = image_metrics(scores, np.array([True, False, False, False, True]))
    assert (few.f1_threshold, few.f1) == (0.3, pytest.approx(0.8))
    assert few.accuracy == pytest.approx(0.8)
    assert (few.best_accuracy, few.best_accuracy_threshold) == (pytest.approx(0.8), 0.9)


def test_the_best_of_every_threshold() -> None:
    rng = np.random.default_rng(4)
    abnormal = rng.random(120) < 0.3
    scores = np.round(rng.normal(0, 1, 120) + abnormal, 1)
    told = image_metrics(scores, abnormal)
    cuts = [*np.unique(scores), np.inf]
    assert told.f1 == pytest.approx(
        max(f1_score(abnormal, scores >= c, zero_division=0) for c in cuts)
    )
    assert told.f1 == pytest.approx(f1_score(abnormal, scores >= told.f1_threshold))
    assert told.accuracy == pytest.approx(accuracy_score(abnormal, scores >= told.f1_threshold))
    assert told.best_accuracy == pytest.approx(
        max(accuracy_score(abnormal, scores >= c) for c in cuts)
    )


def test_one_kind_of_image_has_counts_only_and_bad_scores_are_refused() -> None:
    told = image_metrics(np.arange(4.0), np.ones(4, bool))
    assert (told.images, told.abnormal, told.auroc, told.f1) == (4, 4, None, None)
    with pytest.raises(MedadError, match="no image"):
        image_metrics(np.array([]), np.array([], bool))
    with pytest.raises(MedadError, match="NaN"):
        image_metrics(np.array([np.nan, 1]), np.array([True, False]))
