"""Which abnormality a finding is."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from napari_medad.results.detection import Detection

SLICES = np.arange(12)


@pytest.fixture
def two_findings(detection_of, volume) -> Detection:
    """A finding in slices 2 and 3 and a smaller one in slice 8; scores of two categories."""
    anomaly = np.zeros(volume.array.shape, np.float32)
    anomaly[2:4, 2:4, 2:4] = 0.8
    anomaly[8, 5:7, 5:7] = 0.9
    return detection_of(volume, anomaly)


def scored(detection: Detection, **present: np.ndarray) -> Detection:
    scores = {
        "bleeding": np.where(SLICES == 3, 0.9, 0.2).astype(np.float32),
        "swelling": np.full(12, 0.5, np.float32),
    }
    return replace(detection, category_scores=scores, category_present=present)


def test_highest_score_among_those_present_in_its_slices(two_findings):
    everywhere = np.ones(12, bool)
    found = scored(two_findings, bleeding=everywhere, swelling=everywhere).findings
    assert [f.category for f in found] == ["bleeding", "swelling"]
    found = scored(two_findings, bleeding=SLICES == 9, swelling=everywhere).findings
    assert [f.category for f in found] == ["swelling", "swelling"]
    found = scored(two_findings, bleeding=SLICES == 3, swelling=~everywhere).findings
    assert [f.category for f in found] == ["bleeding", ""]


def test_scores_are_read_along_the_axis_of_the_run(two_findings):
    record = two_findings.record.model_copy(update={"axis": "coronal"})
    rows = np.arange(10)
    scores = {
        "bleeding": (rows == 3).astype(np.float32),
        "swelling": (rows == 6).astype(np.float32),
    }
    present = {name: values > 0 for name, values in scores.items()}
    detection = replace(
        two_findings, record=record, category_scores=scores, category_present=present
    )
    assert [f.category for f in detection.findings] == ["bleeding", "swelling"]


def test_maps_of_the_categories_decide_where_there_are_any(two_findings):
    shape = two_findings.maps["anomaly"].shape
    swelling = np.zeros(shape, np.float32)
    swelling[2:4] = 0.6
    maps = {
        **two_findings.maps,
        "category:bleeding": np.full(shape, 0.3, np.float32),
        "category:swelling": swelling,
    }
    everywhere = np.ones(12, bool)
    detection = scored(replace(two_findings, maps=maps), bleeding=everywhere, swelling=everywhere)
    assert [f.category for f in detection.findings] == ["swelling", "bleeding"]


def test_no_category_where_the_detector_tells_none(two_findings):
    assert [f.category for f in two_findings.findings] == ["", ""]


def test_scores_and_decisions_are_columns_of_the_slice_table(two_findings, tmp_path):
    present = {"bleeding": SLICES == 3, "swelling": SLICES < 0}
    written = scored(two_findings, **present).save(tmp_path)
    slices = next(path for path in written if path.name.endswith("_slices.csv"))
    rows = list(csv.DictReader(slices.read_text().splitlines()))
    assert list(rows[0]) == [
        "slice",
        "score",
        "category:bleeding",
        "category:swelling",
        "present:bleeding",
        "present:swelling",
    ]
    assert len(rows) == 11  # slice 0 was skipped
    row = next(row for row in rows if row["slice"] == "3")
    assert [row["category:bleeding"], row["present:bleeding"], row["present:swelling"]] == [
        "0.9",
        "1",
        "0",
    ]
