"""Rows of text: every figure once, oracles named, blanks where nothing is defined."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from napari_medad.evaluation.comparison import Comparison, Difference
from napari_medad.evaluation.evaluation import (
    ORACLES,
    POLICIES,
    POLICY_NAMES,
    POLICY_TEXTS,
    Evaluation,
    Spread,
)
from napari_medad.evaluation.image_level import ImageMetrics
from napari_medad.evaluation.tables import (
    comparison_table,
    image_table,
    lesion_means_table,
    measured_table,
    p_text,
    patient_table,
    pooled_table,
    spread_text,
    summary_table,
    voxel_means_table,
)

Make = Callable[..., Evaluation]


def test_every_policy_has_its_own_name_and_oracles_are_called_so() -> None:
    assert set(POLICY_TEXTS) == set(POLICY_NAMES) == set(POLICIES)
    assert len(set(POLICY_TEXTS.values())) == len(set(POLICY_NAMES.values())) == len(POLICIES)
    for policy in POLICIES:
        assert ("ORACLE" in POLICY_TEXTS[policy]) == (policy in ORACLES)
        assert ("oracle" in POLICY_NAMES[policy]) == (policy in ORACLES)


def test_rows_are_as_long_as_columns_and_figures_without_values_are_left_out(made: Make) -> None:
    held = [made("moe"), made("vand", policy="each volume")]
    tables = (
        measured_table(held),
        summary_table(held),
        voxel_means_table(held),
        lesion_means_table(held),
        pooled_table(held),
        patient_table(held[0]),
    )
    for table in tables:
        assert {len(row) for row in table.rows} == {len(table.columns)}
    assert "Hausdorff 95 (mm)" not in lesion_means_table(held).columns
    assert "oracle, volume" in summary_table(held).rows[1]
    assert "a bound" in measured_table(held).note
    assert measured_table(held[:1]).note == ""


def test_pooled_figures_are_told_once_a_detector(made: Make) -> None:
    held = [made("moe"), made("moe", policy="test pool"), made("vand", 0.1)]
    assert [row[0] for row in pooled_table(held).rows] == ["moe", "vand"]
    assert [row[0] for row in summary_table(held).rows] == ["moe", "moe", "vand"]


def test_images_are_told_apart_only_where_there_are_both_kinds(made: Make) -> None:
    plain = made("moe")
    assert image_table([plain]).rows == []
    images = ImageMetrics(
        images=4, abnormal=2, auroc=0.75, average_precision=0.5, f1=0.8, accuracy=0.7
    )
    both = plain.model_copy(update={"images": images})
    assert image_table([both]).rows == [("moe", "0.750", "0.500", "0.800", "0.700")]


def test_a_spread_says_what_it_has() -> None:
    full = Spread(mean=0.5, sd=0.25, low=0.125, high=1, patients=3, undefined=0)
    assert spread_text(full, 2) == "0.50 ± 0.25\n0.12 to 1.00"
    some = full.model_copy(update={"undefined": 2})
    assert spread_text(some, 1).endswith("\nn = 3")
    assert spread_text(Spread(mean=0.5, sd=None, patients=1, undefined=0)) == "0.500"
    assert spread_text(Spread(mean=None, sd=None, patients=0, undefined=4)) == "–"
    assert spread_text(None) == "–"


@pytest.mark.parametrize(
    ("figure", "mean", "p", "better"),
    [
        ("dice", 0.2, 0.01, "a"),
        ("dice", -0.2, 0.01, "b"),
        ("hausdorff95_mm", 5.0, 0.01, "b"),
        ("false_positives", -3.0, 0.04, "a"),
        ("dice", 0.2, 0.2, ""),
        ("dice", 0.0, None, ""),
    ],
)
def test_the_better_one_is_named_where_they_differ(
    figure: str, mean: float, p: float | None, better: str
) -> None:
    held = Difference(figure=figure, mean=mean, low=None, high=None, p=p, patients=9)
    told = Comparison(first="a", second="b", policies=("run", "run"), differences=(held,))
    table = comparison_table(told)
    assert table.title == "a against b: each run's own threshold"
    row = table.rows[0]
    assert row[-1] == better
    assert row[1] == f"{mean:+.3f}".replace("-", "−")


def test_small_p_values_are_bounds() -> None:
    assert p_text(0.0004) == "< 0.001"
    assert p_text(0.0312) == "0.031"
