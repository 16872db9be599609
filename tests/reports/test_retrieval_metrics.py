"""Hand-worked cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_medad.errors import MedadError
from napari_medad.reports.retrieval_metrics import findings_of, ranks, retrieval_scores

TABLE = np.array([[9, 1, 2, 3], [4, 3, 2, 1], [5, 6, 7, 1], [9, 8, 7, 6.0]])
"""Own items at ranks 1, 2, 1 and 4."""


def test_ranks_and_recall_by_hand() -> None:
    assert ranks(TABLE).tolist() == [1, 2, 1, 4]
    scores = retrieval_scores(TABLE, at=(1, 2, 3, 4))
    assert scores.recall == {1: 0.5, 2: 0.75, 3: 0.75, 4: 1.0}
    assert (scores.median_rank, scores.mean_rank) == (1.5, 2.0)


def test_the_other_direction_is_the_transposed_table() -> None:
    # columns: own 9 beside 4, 5, 9 (a tie); 3 beside 1, 6, 8; 7 beside 2, 2, 7; 6 beside 3, 1, 1
    assert ranks(TABLE.T).tolist() == [2, 3, 2, 1]


def test_embeddings_that_are_all_alike_rank_last() -> None:
    scores = retrieval_scores(np.ones((20, 20)))
    assert scores.recall == {1: 0.0, 5: 0.0, 10: 0.0}
    assert scores.median_rank == 20


def test_finding_level_by_hand() -> None:
    findings = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 0]], bool)
    # The first two of query 0 are items 0 and 3: both share, and 0 is the same.
    # Of query 1, items 0 and 1: both share a finding, and 1 is the same.
    # Query 2 has no positive finding and is left out.
    # Of query 3, items 0 and 1: both share a finding, and 0 has the same findings.
    scores = retrieval_scores(TABLE, findings=findings, finding_at=(1, 2))
    assert scores.finding_precision == {1: 1.0, 2: 1.0}
    assert scores.finding_recall == {1: pytest.approx(2 / 3), 2: 1.0}
    lonely = np.eye(4, dtype=bool)  # nothing in common with any other
    scores = retrieval_scores(TABLE, findings=lonely, finding_at=(2,))
    assert scores.finding_precision == {2: pytest.approx(3 / 8)}
    assert scores.finding_recall == {2: pytest.approx(3 / 4)}
    assert scores.row()["R@2 (finding)"] == pytest.approx(3 / 4)


@pytest.mark.parametrize("table", [np.ones((2, 3)), np.zeros((0, 0)), np.full((2, 2), np.nan)])
def test_what_cannot_be_measured_is_one_sentence(table: np.ndarray) -> None:
    with pytest.raises(MedadError, match="cannot be measured"):
        retrieval_scores(table)


def test_findings_are_read_from_a_table(tmp_path: Path) -> None:
    table = tmp_path / "findings.csv"
    table.write_text("case,mass,shift\nb,1,0\na,0,\n")
    assert findings_of(table, ["a", "b"]).tolist() == [[False, False], [True, False]]
    with pytest.raises(MedadError, match="no row for the case 'c'"):
        findings_of(table, ["c"])
    table.write_text("case,mass\na,yes\n")
    with pytest.raises(MedadError, match="holds 'yes' for 'mass'"):
        findings_of(table, ["a"])
