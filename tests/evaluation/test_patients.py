"""Many patients measured: policies of the threshold, pooled figures, empty truths, pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from napari_medad.errors import Cancelled, MedadError
from napari_medad.evaluation.comparison import compare
from napari_medad.evaluation.evaluation import ORACLES, Evaluation
from napari_medad.evaluation.patients import EvaluationCase, calibrated_threshold, evaluate_cases

SPACING = (2.0, 1.0, 0.5)


def _case(patient: int, *, shift: float = 0.0, lesion: bool = True) -> EvaluationCase:
    rng = np.random.default_rng(patient)
    truth = np.zeros((8, 10, 12), bool)
    if lesion:
        truth[2:5, 3:7, 4:8] = True
    scores = (rng.uniform(0.1, 0.6, truth.shape) + 0.3 * truth + shift).astype(np.float32)
    return EvaluationCase(f"p{patient}", scores, truth, SPACING)


def _cases(count: int = 4, **options: float) -> Callable[[], Iterator[EvaluationCase]]:
    return lambda: (_case(n, shift=options.get("shift", 0) * n) for n in range(count))


def _dice(case: EvaluationCase, threshold: float) -> float:
    found = case.scores >= threshold
    return float(2 * (found & case.truth).sum() / (found.sum() + case.truth.sum()))


def test_a_fixed_threshold_measures_every_patient() -> None:
    told = evaluate_cases("d", _cases(), threshold=0.55)
    for patient, case in zip(told.patients, _cases()(), strict=True):
        found = case.scores >= 0.55
        assert patient.patient == case.patient
        assert patient.dice == pytest.approx(_dice(case, 0.55))
        assert patient.sensitivity == pytest.approx(found[case.truth].mean())
        assert patient.specificity == pytest.approx(1 - found[~case.truth].mean())
        assert patient.ppv == pytest.approx(case.truth[found].mean())
        assert patient.lesion_ml == pytest.approx(48 * 1.0 / 1000)
        assert patient.lesions == 1
        assert [s.z for s in patient.slices] == [2, 3, 4]
    dice = told.values("dice")
    assert told.spreads["dice"].mean == pytest.approx(dice.mean())
    assert told.spreads["dice"].sd == pytest.approx(dice.std(ddof=1))
    assert told.spreads["dice"].low <= dice.mean() <= told.spreads["dice"].high  # type: ignore[operator]
    scores = np.concatenate([c.scores.ravel() for c in _cases()()])
    truth = np.concatenate([c.truth.ravel() for c in _cases()()])
    assert told.pooled.auroc == pytest.approx(roc_auc_score(truth, scores))
    assert not told.oracle


def test_policies_differ_as_they_say() -> None:
    cases = _cases(shift=0.1)
    pool = evaluate_cases("d", cases, policy="test pool", surface=False)
    each = evaluate_cases("d", cases, policy="each volume", surface=False)
    assert pool.oracle
    assert each.oracle
    assert len({p.threshold for p in pool.patients}) == 1
    assert pool.patients[0].threshold == pool.pooled.f1_max_threshold
    for patient, case in zip(each.patients, cases(), strict=True):
        best = max(_dice(case, cut) for cut in np.unique(case.scores))
        assert patient.dice == pytest.approx(best)
    assert np.all(each.values("dice") >= pool.values("dice"))
    threshold = calibrated_threshold(_cases(3, shift=0.1)())
    held = evaluate_cases("d", cases, policy="validation", threshold=threshold, surface=False)
    assert held.policy == "validation"
    assert held.patients[0].threshold == threshold


def test_volumes_without_lesion_are_told() -> None:
    def cases() -> Iterator[EvaluationCase]:
        yield _case(0)
        yield _case(1, lesion=False)

    told = evaluate_cases("d", cases, threshold=2.0)
    assert told.patients[1].dice == 1
    assert told.patients[1].sensitivity is None
    assert told.patients[1].ppv is None
    assert told.spreads["sensitivity"].undefined == 1
    assert "1 of 2 volumes have no lesion" in told.notes[0]
    alarmed = evaluate_cases("d", cases, threshold=0.0)
    assert alarmed.patients[1].dice == 0
    each = evaluate_cases("d", cases, policy="each volume")
    assert each.patients[1].dice == 1
    assert told.images is not None
    assert (told.images.images, told.images.abnormal, told.images.auroc) == (2, 1, 1)


def test_only_counted_voxels_count() -> None:
    whole = _case(0)
    counted = np.zeros(whole.truth.shape, bool)
    counted[2:6] = True
    part = EvaluationCase("p", whole.scores, whole.truth, SPACING, counted)
    told = evaluate_cases("d", lambda: [part], threshold=0.4).patients[0]
    inside = (whole.scores >= 0.4)[2:6]
    assert told.specificity == pytest.approx(1 - inside[~whole.truth[2:6]].mean())
    assert told.image_score == pytest.approx(whole.scores[2:6].max())


def test_small_components_are_dropped_when_asked() -> None:
    scores, truth = np.zeros((4, 9, 9), np.float32), np.zeros((4, 9, 9), bool)
    truth[1, 1:3, 1:3] = True
    scores[1, 1:3, 1:3] = scores[2, 7, 7] = scores[3, 8, 8] = 1  # 4 voxels; 2 that touch
    case = EvaluationCase("p", scores, truth, SPACING)  # voxels of a microlitre
    told = [
        evaluate_cases("d", lambda: [case], threshold=0.5, minimum_ml=ml).patients[0]
        for ml in (0.0, 0.002, 0.003, 0.005)
    ]
    assert [patient.false_positives for patient in told] == [1, 1, 0, 0]
    assert [patient.dice for patient in told] == [0.8, 0.8, 1, 0]
    notes = evaluate_cases("d", lambda: [case], threshold=0.5, minimum_ml=0.003).notes
    assert notes == ("Components of what is found that are below 0.003 mL are dropped.",)


def test_it_round_trips_through_json() -> None:
    told = evaluate_cases("d", _cases(), policy="test pool")
    assert Evaluation.model_validate_json(told.model_dump_json()) == told


def test_bad_input_is_told_in_a_sentence() -> None:
    with pytest.raises(MedadError, match="no case of d"):
        evaluate_cases("d", lambda: [], threshold=0.5)
    with pytest.raises(MedadError, match="p0 comes twice"):
        evaluate_cases("d", lambda: [_case(0), _case(0)], threshold=0.5)
    with pytest.raises(MedadError, match="needs a threshold"):
        evaluate_cases("d", _cases())
    for policy in ORACLES:
        with pytest.raises(MedadError, match="takes no threshold"):
            evaluate_cases("d", _cases(), policy=policy, threshold=0.5)
    healthy = _case(1, lesion=False)
    with pytest.raises(MedadError, match="No volume has a lesion"):
        evaluate_cases("d", lambda: [healthy], policy="test pool")
    with pytest.raises(MedadError, match="p: the truth has shape"):
        EvaluationCase("p", np.zeros((1, 2, 2)), np.zeros((1, 2, 3), bool), SPACING)
    with pytest.raises(MedadError, match="p: the map holds NaN"):
        EvaluationCase("p", np.full((1, 1, 1), np.nan), np.zeros((1, 1, 1), bool), SPACING)
    with pytest.raises(Cancelled):
        evaluate_cases("d", _cases(), threshold=0.5, progress=lambda _: "stop")


def test_two_detectors_are_compared_patient_by_patient() -> None:
    good = evaluate_cases("good", _cases(8), threshold=0.6, surface=False)
    poor = evaluate_cases("poor", _cases(8), threshold=0.2, surface=False)
    turned = poor.model_copy(update={"patients": poor.patients[::-1]})
    told = compare(good, turned)
    assert (told.first, told.second) == ("good", "poor")
    found = {d.figure: d for d in told.differences}
    expected = good.values("dice") - poor.values("dice")
    assert found["dice"].mean == pytest.approx(expected.mean())
    assert found["dice"].low > 0  # type: ignore[operator]
    assert found["dice"].p == pytest.approx(2 / 2**8)  # all eight have the same sign
    assert "hausdorff95_mm" not in found
    assert told.of("hausdorff95_mm") is None
    same = compare(good, good).of("dice")
    assert same is not None
    assert (same.p, same.mean) == (None, 0)
    fewer = evaluate_cases("few", _cases(7), threshold=0.6, surface=False)
    with pytest.raises(MedadError, match="p7 is in one alone"):
        compare(good, fewer)
