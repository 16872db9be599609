"""Rankings and overlaps: by hand, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from napari_medad.evaluation.voxel_metrics import Overlap, Ranking


def test_four_voxels_by_hand():
    ranking = Ranking.of(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1], bool))
    # recall 1/2 at precision 1, then recall 1 at precision 2/3
    assert ranking.average_precision == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)
    # pairs (lesion, other) won: 0.35 > 0.1, 0.8 > 0.1, 0.8 > 0.4, of four
    assert ranking.auroc == pytest.approx(3 / 4)
    f1, threshold = ranking.best_f1
    assert f1 == pytest.approx(4 / 5)  # three found, two of them right, none missed
    assert 0.1 < threshold < 0.35


def test_the_best_threshold_gives_the_best_f1_when_cut_strictly_above():
    scores = np.array([0.5, 0.5, 0.5, 0.25], np.float32)
    truth = np.array([1, 1, 0, 0], bool)
    f1, threshold = Ranking.of(scores, truth).best_f1
    assert Overlap.of(scores > threshold, truth).dice == pytest.approx(f1) == pytest.approx(0.8)


@pytest.mark.parametrize("levels", [3, 50, 10**6])
def test_equal_to_scikit_learn_with_and_without_ties(levels):
    rng = np.random.default_rng(levels)
    truth = rng.random(3000) < 0.07
    scores = np.round((rng.normal(size=3000) + truth) * levels / 4).astype(np.float32)
    ranking = Ranking.of(scores, truth)
    assert ranking.average_precision == pytest.approx(average_precision_score(truth, scores))
    assert ranking.auroc == pytest.approx(roc_auc_score(truth, scores))
    f1, threshold = ranking.best_f1
    assert f1 == pytest.approx(f1_score(truth, scores > threshold))
    for other in np.quantile(scores, np.linspace(0, 0.99, 40)):
        assert f1_score(truth, scores > other) <= f1 + 1e-12


def test_no_lesion_leaves_the_figures_undefined():
    ranking = Ranking.of(np.arange(4.0), np.zeros(4, bool))
    assert (ranking.average_precision, ranking.auroc, ranking.best_f1) == (None, None, None)


def test_nothing_but_lesion_has_no_auroc():
    ranking = Ranking.of(np.arange(4.0), np.ones(4, bool))
    assert (ranking.average_precision, ranking.auroc) == (1, None)


def test_overlap_by_hand():
    overlap = Overlap.of(np.array([1, 1, 1, 0, 0], bool), np.array([1, 0, 0, 1, 0], bool))
    assert (overlap.true_positives, overlap.false_positives, overlap.false_negatives) == (1, 2, 1)
    assert overlap.dice == pytest.approx(2 / 5)
    assert overlap.sensitivity == pytest.approx(1 / 2)
    assert overlap.precision == pytest.approx(1 / 3)


def test_empty_masks_have_no_overlap_to_speak_of():
    overlap = Overlap.of(np.zeros(3, bool), np.zeros(3, bool))
    assert (overlap.dice, overlap.sensitivity, overlap.precision) == (None, None, None)
