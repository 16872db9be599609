"""A detection against a reader's mask, on masks small enough to count by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from napari_medad.errors import MedadError
from napari_medad.evaluation.evaluation import Evaluation
from napari_medad.evaluation.reference import Reference, measure
from napari_medad.evaluation.reference_files import BY_HAND, evaluation_of, save_measured
from napari_medad.results.detection import Detection
from napari_medad.results.run_record import RunRecord
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

SHAPE = (10, 12, 12)
FIRST = (slice(1, 3), slice(1, 3), slice(1, 3))
MISSED = (slice(5, 7), slice(6, 9), slice(6, 9))
FALSE = (slice(8, 9), slice(1, 3), slice(8, 10))
SPECK = (slice(8, 9), slice(10, 11), slice(10, 11))


@pytest.fixture
def truth() -> np.ndarray:
    """Two lesions of 8 and 18 voxels."""
    mask = np.zeros(SHAPE, bool)
    mask[FIRST] = mask[MISSED] = True
    return mask


@pytest.fixture
def detection() -> Detection:
    """Half of the first lesion, a false finding of 4 voxels, and a voxel too small to count."""
    volume = Volume(np.ones(SHAPE, np.float32), np.diag([-1.0, -1.0, 2.0, 1.0]))
    scores = np.linspace(0.01, 0.4, np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    scores[1:3, 1:3, 1:2] = 0.9
    scores[FALSE], scores[SPECK] = 0.8, 0.7
    record = RunRecord(detector="made", volume="t2f", threshold_source="the run's own")
    study = Study("case", {"t2f": volume}, "t2f")
    slices = scores.max(axis=(1, 2))
    foreground = np.ones(SHAPE, bool)
    return Detection(study, "made", {"anomaly": scores}, slices, foreground, 0.5, 0.006, record)


def test_voxels_are_counted_as_the_mask_shows_them(detection, truth) -> None:
    told = measure(Reference.of(detection, truth, "a reader"), detection)
    found, true, both = 4 + 4, 8 + 18, 4
    assert told.figures.dice == pytest.approx(2 * both / (found + true))
    assert told.figures.sensitivity == pytest.approx(both / true)
    assert told.figures.ppv == pytest.approx(both / found)
    normal = np.prod(SHAPE) - true
    assert told.figures.specificity == pytest.approx((normal - 4) / normal)
    assert told.found_ml == pytest.approx(found * 0.002)
    assert np.bincount(told.labels.ravel()).tolist() == [np.prod(SHAPE) - 30, 4, 4, 22]


def test_ranking_agrees_with_scikit_learn(detection, truth) -> None:
    pooled = Reference.of(detection, truth, "a reader").pooled
    scores = detection.maps["anomaly"].ravel()
    assert pooled.auroc == pytest.approx(roc_auc_score(truth.ravel(), scores), abs=1e-6)
    expected = average_precision_score(truth.ravel(), scores)
    assert pooled.average_precision == pytest.approx(expected, abs=1e-6)


def test_the_missed_lesion_comes_first_and_false_findings_apart(detection, truth) -> None:
    told = measure(Reference.of(detection, truth, "a reader"), detection)
    missed, half = told.lesions
    assert missed.missed
    assert (missed.volume_ml, missed.slices) == (pytest.approx(18 * 0.002), (5, 6))
    assert truth[missed.place_zyx]
    assert (half.found_share, half.dice) == (0.5, pytest.approx(2 * 4 / (8 + 4)))
    assert [f.slices for f in told.false_findings] == [(8, 8)]
    assert (told.figures.lesions, told.figures.lesion_recall) == (2, 0.5)
    assert told.figures.false_positives == 1


def test_slices_have_a_dice_where_anything_is_true_or_found(detection, truth) -> None:
    told = measure(Reference.of(detection, truth, "a reader"), detection)
    expected = np.full(SHAPE[0], np.nan)
    expected[1:3], expected[5:7], expected[8] = 2 * 2 / (2 + 4), 0, 0
    np.testing.assert_allclose(told.dice, expected)


def test_another_threshold_keeps_the_ranking(detection, truth) -> None:
    reference = Reference.of(detection, truth, "a reader")
    told = measure(reference, detection.at(0.85))
    assert told.figures.ppv == 1.0
    assert not told.false_findings
    assert told.figures.threshold == 0.85
    assert told.reference.pooled is reference.pooled


def test_distances_of_outlines_come_when_asked(detection, truth) -> None:
    reference = Reference.of(detection, truth, "a reader")
    quick = measure(reference, replace(detection, minimum_ml=0.0))
    assert quick.figures.hausdorff95_mm is None
    whole = quick.with_surfaces()
    assert whole.surfaces
    assert whole.figures.hausdorff95_mm > 2
    assert whole.figures.threshold == quick.figures.threshold
    assert whole.figures.image_score == quick.figures.image_score == pytest.approx(0.9)
    same = measure(reference, detection, mask=truth.astype(np.uint16), findings=[])
    assert same.with_surfaces().figures.hausdorff95_mm == 0
    assert same.figures.dice == 1


def test_an_empty_reference_has_only_false_findings(detection) -> None:
    told = measure(Reference.of(detection, np.zeros(SHAPE, bool), "nobody"), detection)
    assert told.lesions == ()
    assert len(told.false_findings) == 2
    assert told.figures.sensitivity is None
    assert told.reference.pooled.auroc is None


def test_it_is_written_as_an_evaluation_of_one_patient(detection, truth, tmp_path: Path) -> None:
    told = measure(Reference.of(detection, truth, "a reader"), detection).with_surfaces()
    metrics, lesions = save_measured(told, tmp_path)
    held = Evaluation.model_validate(json.loads(metrics.read_text()))
    assert held == evaluation_of(told)
    assert held.policy == "run"
    assert held.spreads["dice"].mean == told.figures.dice
    assert lesions.read_text().splitlines()[1].startswith("1,0.036,0,0,5,6,")


def test_a_threshold_set_by_hand_is_not_called_the_runs_own(detection, truth) -> None:
    told = measure(Reference.of(detection, truth, "a reader"), detection.at(0.85))
    held = evaluation_of(told)
    assert told.threshold_source == BY_HAND
    assert held.policy == "fixed"
    assert any("set by hand" in note for note in held.notes)


def test_maps_and_truths_that_do_not_fit_are_refused(detection, truth) -> None:
    with pytest.raises(MedadError, match="has shape"):
        Reference.of(detection, truth[1:], "a reader")
    bad = detection.maps["anomaly"].copy()
    bad[0, 0, 0] = np.nan
    with pytest.raises(MedadError, match="NaN"):
        Reference.of(replace(detection, maps={"anomaly": bad}), truth, "a reader")
