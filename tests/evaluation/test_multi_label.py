"""Figures over several categories against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_medad.detectors.recipe import Example
from napari_medad.errors import MedadError
from napari_medad.evaluation.multi_label import measured, multi_label_metrics, table
from napari_medad.results.detection import Detection
from napari_medad.results.run_record import RunRecord
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

TRUTH = np.array([[1, 0], [0, 0], [1, 1], [0, 0]], bool)


def figures(**changes):
    given = {
        "truth": TRUTH,
        "scores": np.array([[0.9, 0.2], [0.4, 0.3], [0.3, 0.8], [0.1, 0.1]]),
        "decisions": np.array([[1, 0], [1, 0], [0, 1], [0, 0]], bool),
        "slice_scores": np.array([0.8, 0.1, 0.9, 0.2]),
        **changes,
    }
    return multi_label_metrics(("Cyst", "Fat"), **given)


def test_figures_worked_out_by_hand() -> None:
    found = figures()
    # Cyst: slices 0 and 2 against 1 and 3: three of four pairs are in order
    assert found.auroc == {"Cyst": 0.75, "Fat": 1.0}
    assert found.mean_auroc == 0.875
    assert found.hamming == 1 - 2 / 8
    assert found.subset_accuracy == 2 / 4
    assert found.abnormal_auroc == 1.0
    assert found.slices == 4


def test_a_category_of_one_kind_has_no_auroc_and_does_not_count() -> None:
    truth = TRUTH.copy()
    truth[:, 1] = False
    found = figures(truth=truth)
    assert found.auroc == {"Cyst": 0.75, "Fat": None}
    assert found.mean_auroc == 0.75


def test_one_category_alone() -> None:
    truth = np.array([[True], [False]])
    found = multi_label_metrics(
        ("Cyst",), truth, np.array([[0.2], [0.1]]), ~truth, np.array([0.5, 0.4])
    )
    assert (found.mean_auroc, found.hamming, found.subset_accuracy) == (1.0, 0.0, 0.0)


def test_no_slice_is_refused() -> None:
    none = np.zeros((0, 2))
    with pytest.raises(MedadError, match="no slice to measure"):
        figures(truth=none.astype(bool), scores=none, decisions=none.astype(bool))


@pytest.fixture
def told() -> Detection:
    """Four slices, of which the last was background."""
    volume = Volume(np.zeros((4, 3, 3), np.float32), np.eye(4), "t2f")
    scores = np.array([0.9, 0.4, 0.3, np.nan], np.float32)
    return Detection(
        Study.from_volumes("case", {"t2f": volume}),
        "sdmad",
        {"anomaly": volume.array},
        scores,
        np.ones(volume.array.shape, bool),
        0.5,
        0.0,
        RunRecord(detector="sdmad", volume="t2f"),
        category_scores={"Cyst": scores, "Fat": 1 - scores},
        category_present={"Cyst": scores > 0.5, "Fat": scores < 0.35},
    )


def test_only_named_slices_count(told: Detection) -> None:
    example = Example(told.volume, categories={0: ("Cyst",), 2: ("Fat",)})
    found = measured([(example, told)], ("Cyst", "Fat"))
    assert (found.slices, found.mean_auroc, found.subset_accuracy) == (2, 1.0, 1.0)


@pytest.mark.parametrize(
    ("categories", "said"),
    [
        ({0: ("Bone",)}, "show 'Bone', which the weights do not know; they know Cyst, Fat"),
        ({4: ()}, "no axial slice 4, only 0 to 3"),
        ({3: ()}, "slice 3 of case shows background only"),
    ],
)
def test_slices_that_cannot_be_measured_are_named(told: Detection, categories, said) -> None:
    example = Example(told.volume, categories=categories)
    with pytest.raises(MedadError, match=said):
        measured([(example, told)], ("Cyst", "Fat"))


def test_a_table_has_a_column_for_each_run(told: Detection) -> None:
    example = Example(told.volume, categories={0: ("Cyst",), 2: ("Fat",)})
    one = measured([(example, told)], ("Cyst", "Fat"))
    other = measured(
        [
            (
                example,
                replace(told, category_present=dict.fromkeys(("Cyst", "Fat"), np.zeros(4, bool))),
            )
        ],
        ("Cyst", "Fat"),
    )
    rows = table({"signs selected": one, "all signs": other})
    assert rows[3] == {"figure": "Hamming score", "signs selected": 1.0, "all signs": 0.5}
