"""Which printed figures cannot both be right."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve, roc_auc_score

from napari_medad.benchmarks.consistency import contradictions, lowest_auroc
from napari_medad.benchmarks.paper import PaperRow
from napari_medad.benchmarks.protocol import Protocol


def test_the_bound_by_hand():
    """F1 0.74 needs a recall of 0.74 / 1.26 = 0.587, at precision 1 without a false alarm."""
    assert lowest_auroc(0.74, 1e-9) == pytest.approx(0.74 / 1.26, abs=1e-6)
    assert lowest_auroc(1.0, 0.01) == 1
    assert lowest_auroc(0.0, 0.01) == 0


def test_calling_everything_a_lesion_bounds_nothing():
    """F1 of a constant map is 2 p / (1 + p), which any AUROC allows."""
    assert lowest_auroc(2 * 0.1 / 1.1, 0.1) < 0.12


@pytest.mark.parametrize("seed", range(5))
def test_no_scores_go_below_the_bound(seed):
    """The worst scores that there are: some lesions above all, the others below all."""
    rng = np.random.default_rng(seed)
    truth = np.zeros(2000, bool)
    truth[: int(rng.integers(10, 60))] = True
    scores = rng.random(2000)
    found = rng.random(2000) < rng.uniform(0.1, 0.9)
    scores[truth & found] += 2
    scores[truth & ~found] -= 2
    precision, recall, _ = precision_recall_curve(truth, scores)
    f1 = (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max()
    auroc = roc_auc_score(truth, scores)
    bound = lowest_auroc(float(f1), float(truth.mean()))
    assert bound - 1e-9 <= auroc <= bound + 0.02


def test_exactly_two_rows_of_the_paper_contradict_themselves():
    found = {(flag.method, flag.setup) for flag in contradictions(Protocol.read("zsad").paper)}
    assert found == {("vand", "pmc"), ("adaclip", "brats")}


def test_rounding_accuses_nobody():
    """F1-max 0.06 as printed can be 0.055, which an AUROC of 0.0285 allows."""
    row = PaperRow.model_validate({"method": "m", "setup": "s", "auroc": 0.03, "f1_max": 0.06})
    assert contradictions([row]) == []
    worse = PaperRow.model_validate({"method": "m", "setup": "s", "auroc": 0.02, "f1_max": 0.06})
    assert [flag.figure for flag in contradictions([worse])] == ["auroc"]
