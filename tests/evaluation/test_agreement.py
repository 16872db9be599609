"""Two detections of one scan: agreement by hand-worked counts, and all as one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_medad.errors import Cancelled, MedadError
from napari_medad.evaluation.agreement import RULES, agreement, comparable, consensus
from napari_medad.results.detection import Detection
from napari_medad.results.run_record import RunRecord, WeightsRecord
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

SHAPE = (3, 4, 5)
AFFINE = np.diag([2.0, 2.0, 2.5, 1.0])
"""A voxel is 10 mm3, so 100 voxels are 1 mL."""


@pytest.fixture
def made() -> Callable[..., Detection]:
    """A detection with these scores at these voxels, everything else 0.1 to 0.2."""
    rng = np.random.default_rng(0)
    study = Study.from_volumes("p1", {"t2f": Volume(np.ones(SHAPE, np.float32), AFFINE)})

    def make(
        detector: str,
        high: dict[tuple[int, int, int], float],
        *,
        cut: float = 0.5,
        scale: float = 1,
    ) -> Detection:
        scores = rng.uniform(0.1, 0.2, SHAPE).astype(np.float32)
        for at, score in high.items():
            scores[at] = score
        record = RunRecord(detector=detector, volume="t2f", case="p1", threshold_value=cut * scale)
        scores *= scale
        slices = scores.max(axis=(1, 2))
        inside = np.ones(SHAPE, bool)
        return Detection(
            study, detector, {"anomaly": scores}, slices, inside, cut * scale, 0.0, record
        )

    return make


def test_the_comparable_scale_keeps_order_and_mask(made: Callable[..., Detection]) -> None:
    one = made("a", {(0, 0, 0): 0.9, (1, 1, 1): 0.7}, scale=40)
    placed = comparable(one)
    assert np.array_equal(placed > 0.5, one.maps["anomaly"] > one.threshold)
    order = np.argsort(one.maps["anomaly"], axis=None)
    assert (np.diff(placed.ravel()[order]) >= 0).all()
    assert placed.min() > 0
    assert placed.max() < 1
    same = made("b", {(0, 0, 0): 0.9}, scale=1)
    again = Detection(
        same.study,
        "b",
        {"anomaly": np.exp(3 * same.maps["anomaly"])},
        same.slice_scores,
        same.foreground,
        float(np.exp(1.5)),
        0.0,
        same.record,
    )
    np.testing.assert_allclose(comparable(again), comparable(same), atol=1e-6)


def test_outside_the_foreground_is_zero_and_ties_share_a_place(
    made: Callable[..., Detection],
) -> None:
    one = made("a", {(0, 0, 0): 0.9})
    inside = np.zeros(SHAPE, bool)
    inside[0, 0, :4] = True
    scores = np.zeros(SHAPE, np.float32)
    scores[0, 0, :4] = 0.9, 0.1, 0.1, 0.3
    held = Detection(
        one.study, "a", {"anomaly": scores}, one.slice_scores, inside, 0.5, 0, one.record
    )
    # ranks 4, 1.5, 1.5, 3 of 5; the threshold lies at 3.5 of 5
    expected = [0.5 + 0.5 * (0.8 - 0.7) / 0.3, 0.5 * 0.3 / 0.7, 0.5 * 0.3 / 0.7, 0.5 * 0.6 / 0.7]
    np.testing.assert_allclose(comparable(held)[0, 0, :4], expected, atol=1e-6)
    assert np.count_nonzero(comparable(held)) == 4


def test_agreement_counts_voxels_and_findings_of_one_alone(made: Callable[..., Detection]) -> None:
    first = made("a", {(0, 0, 0): 0.9, (0, 0, 1): 0.8, (2, 3, 4): 0.7})
    second = made("b", {(0, 0, 1): 0.9, (0, 0, 2): 0.8}, scale=7)
    both = agreement(first, second)
    assert both.dice == pytest.approx(2 * 1 / (3 + 2))
    assert (both.both_ml, both.first_ml, both.second_ml) == pytest.approx((0.01, 0.02, 0.01))
    assert [f.peak_zyx for f in both.first_only] == [(2, 3, 4)]
    assert both.second_only == []
    assert both.difference[2, 3, 4] > 0.3
    assert both.difference[0, 0, 2] < -0.3
    assert both.correlation is not None
    assert -1 <= both.correlation <= 1
    assert agreement(first, first).correlation == pytest.approx(1)
    assert not agreement(first, first).difference.any()


def test_nothing_found_has_no_dice(made: Callable[..., Detection]) -> None:
    assert agreement(made("a", {}), made("b", {})).dice is None


@pytest.mark.parametrize(
    ("rule", "found"),
    [("max", {(0, 0, 0), (0, 0, 1), (0, 0, 2)}), ("vote", {(0, 0, 1)})],
)
def test_consensus_by_max_is_the_union_and_by_vote_the_majority(
    made: Callable[..., Detection], rule: str, found: set[tuple[int, int, int]]
) -> None:
    first = made("a", {(0, 0, 0): 0.9, (0, 0, 1): 0.8})
    second = made("b", {(0, 0, 1): 0.9, (0, 0, 2): 0.8}, scale=7)
    joined = consensus([first, second], rule)
    at = {tuple(where) for where in np.argwhere(joined.mask > 0).tolist()}
    assert at == found
    assert joined.record.settings == {"rule": rule, "of": ["a", "b"]}
    assert joined.detector == joined.record.detector == f"consensus {rule}"
    assert joined.slice_scores.shape == (SHAPE[0],)


def test_consensus_by_mean_averages_the_comparable_scores(made: Callable[..., Detection]) -> None:
    one, two, three = (made(name, {(1, 1, 1): 0.9}) for name in "abc")
    joined = consensus([one, two, three], "mean")
    mean = np.mean([comparable(d) for d in (one, two, three)], axis=0)
    np.testing.assert_allclose(joined.maps["anomaly"], mean, atol=1e-6)
    assert joined.findings[0].peak_zyx == (1, 1, 1)


def test_an_untrained_detector_makes_the_consensus_untrained(
    made: Callable[..., Detection],
) -> None:
    one, two = made("a", {}), made("b", {})
    blank = two.record.model_copy(update={"weights": WeightsRecord(state="untrained")})
    other = Detection(two.study, "b", two.maps, two.slice_scores, two.foreground, 0.5, 0.0, blank)
    joined = consensus([one, other], "mean")
    assert joined.record.untrained
    assert any("meaningless: b" in note for note in joined.record.notes)


def test_bad_input_is_told_in_a_sentence(made: Callable[..., Detection]) -> None:
    one = made("a", {})
    with pytest.raises(MedadError, match="two detections or more"):
        consensus([one])
    with pytest.raises(MedadError, match="choose mean, max, vote"):
        consensus([one, one], "median")  # type: ignore[arg-type]
    elsewhere = Study.from_volumes("p2", {"t2f": one.volume})
    other = Detection(
        elsewhere, "b", one.maps, one.slice_scores, one.foreground, 0.5, 0.0, one.record
    )
    with pytest.raises(MedadError, match="p1 but b at p2"):
        agreement(one, other)
    with pytest.raises(Cancelled):
        agreement(one, one, progress=lambda _: "stop")
    assert RULES == ("mean", "max", "vote")
