"""Streamed figures against exact ones, and curves of hand-worked maps."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from napari_medad.errors import MedadError
from napari_medad.evaluation.pooled import POINTS, StreamedRanking
from napari_medad.evaluation.voxel_metrics import Ranking


def _made(seed: int, n: int = 60_000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.02
    scores = (rng.normal(0, 1, n) + 1.5 * truth).astype(np.float32)
    scores[rng.random(n) < 0.3] = 0
    return scores, truth


def test_until_it_must_merge_it_is_exact() -> None:
    held, parts = StreamedRanking(), [_made(seed) for seed in range(3)]
    for scores, truth in parts:
        held.add(scores, truth)
    scores, truth = (np.concatenate(part) for part in zip(*parts, strict=True))
    assert held.shift == 0
    assert held.auroc() == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    assert held.average_precision() == pytest.approx(average_precision_score(truth, scores))
    exact = Ranking.of(scores, truth).best_f1
    best = held.best_f1()
    assert best is not None
    assert exact is not None
    assert best[0] == pytest.approx(exact[0], abs=1e-12)
    found = scores >= best[1]
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) == pytest.approx(best[0])


def test_merged_levels_keep_the_error_below_one_in_ten_thousand() -> None:
    held, parts = StreamedRanking(levels=1 << 16), [_made(seed, 200_000) for seed in range(4)]
    for scores, truth in parts:
        held.add(scores, truth)
        assert held.keys.size <= 1 << 16
    scores, truth = (np.concatenate(part) for part in zip(*parts, strict=True))
    exact = Ranking.of(scores, truth)
    assert held.shift > 0
    assert held.auroc() == pytest.approx(exact.auroc, abs=1e-4)
    assert held.average_precision() == pytest.approx(exact.average_precision, abs=1e-4)
    assert held.best_f1()[0] == pytest.approx(exact.best_f1[0], abs=1e-4)  # type: ignore[index]


def test_volumes_counted_apart_join_to_the_same() -> None:
    together, apart = StreamedRanking(levels=5000), StreamedRanking(levels=5000)
    for seed in range(3):
        together.add(*_made(seed))
        alone = StreamedRanking(levels=5000)
        alone.add(*_made(seed))
        apart.join(alone)
    assert apart.lesion.sum() == together.lesion.sum()
    assert apart.auroc() == pytest.approx(together.auroc(), abs=1e-3)


def test_perfect_inverted_and_constant_maps() -> None:
    truth = np.arange(1000) < 100
    for scores, auroc in ((truth * 1.0, 1.0), (1.0 - truth, 0.0), (np.zeros(1000), 0.5)):
        held = StreamedRanking()
        held.add(scores, truth)
        assert held.auroc() == auroc
    constant = held.best_f1()
    assert constant is not None
    assert constant[0] == pytest.approx(2 * 0.1 / 1.1)  # 2 pi / (1 + pi)
    assert held.average_precision() == pytest.approx(0.1)


def test_negative_scores_keep_their_order() -> None:
    held = StreamedRanking()
    scores = np.array([-2.0, -0.5, -0.0, 0.0, 0.5, 3.0])
    held.add(scores, np.array([False, False, False, True, True, True]))
    np.testing.assert_array_equal(held.scores, [-2, -0.5, 0, 0.5, 3])
    assert held.others.tolist() == [1, 1, 1, 0, 0]
    assert held.lesion.tolist() == [0, 0, 1, 1, 1]


def test_curves_and_histograms_are_short_and_true() -> None:
    held = StreamedRanking()
    scores, truth = _made(1)
    held.add(scores, truth)
    figures = held.figures(pro=0.25)
    assert (figures.voxels, figures.lesion_voxels) == (truth.size, truth.sum())
    assert 50 < len(figures.roc) <= POINTS
    assert figures.roc[0] == (0, 0)
    assert figures.roc[-1] == (1, 1)
    across, up = np.array(figures.roc).T
    assert np.trapezoid(up, across) == pytest.approx(figures.auroc, abs=5e-3)
    assert sum(figures.normal_counts) == (~truth).sum()
    assert sum(figures.lesion_counts) == truth.sum()
    expected, _ = np.histogram(scores[truth], np.array(figures.score_edges))
    assert np.abs(expected - np.array(figures.lesion_counts)).sum() <= 4  # on an edge
    assert figures.pro == 0.25


def test_one_kind_of_voxel_has_no_ranking() -> None:
    held = StreamedRanking()
    held.add(np.array([0.1, 0.2]), np.array([False, False]))
    figures = held.figures()
    assert (figures.auroc, figures.average_precision, figures.f1_max) == (None, None, None)
    assert figures.roc == ()
    assert StreamedRanking().figures().voxels == 0


def test_a_map_with_nan_is_refused() -> None:
    with pytest.raises(MedadError, match="NaN"):
        StreamedRanking().add(np.array([np.nan]), np.array([True]))
