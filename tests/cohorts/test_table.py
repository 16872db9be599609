"""Sorting, filtering and going through a cohort's rows."""

from __future__ import annotations

import time

import numpy as np
import pytest

from napari_medad.cohorts.summary import Row
from napari_medad.cohorts.table import CohortTable

ROWS = (
    Row(study="b", state="done", score=0.2, findings=1, volume_ml=3.0),
    Row(study="A", state="done", score=0.9, findings=4, volume_ml=1.0, corrected=True),
    Row(study="d", state="failed", reason="The file is no image."),
    Row(study="c", state="done", score=0.5, findings=0, volume_ml=0.0),
    Row(study="e"),
)


def names(table: CohortTable, places: np.ndarray) -> str:
    return "".join(table.rows[place].study for place in places)


@pytest.mark.parametrize(
    ("column", "descending", "order"),
    [
        ("study", False, "Abcde"),
        ("study", True, "edcbA"),
        ("score", True, "Acbde"),
        ("score", False, "bcAde"),
        ("state", False, "deAbc"),
        ("volume_ml", True, "bAcde"),
        ("corrected", True, "Abcde"),
    ],
)
def test_rows_are_sorted_with_the_unknown_last(column, descending, order) -> None:
    table = CohortTable(ROWS)
    assert names(table, table.sorted(table.matching(), column, descending=descending)) == order


@pytest.mark.parametrize(
    ("filtered", "left"),
    [
        ({}, "bAdce"),
        ({"choice": "failed"}, "d"),
        ({"choice": "waiting"}, "e"),
        ({"choice": "to correct"}, "bc"),
        ({"choice": "corrected"}, "A"),
        ({"text": "NO IMAGE"}, "d"),
        ({"least": 0.5}, "Ac"),
        ({"least": 0.5, "choice": "to correct"}, "c"),
    ],
)
def test_rows_are_filtered(filtered, left) -> None:
    table = CohortTable(ROWS)
    assert names(table, table.matching(**filtered)) == left


def test_the_next_case_is_the_next_that_is_done_and_uncorrected() -> None:
    table = CohortTable(ROWS)
    shown = table.sorted(table.matching(), "study")
    assert table.next_to_correct(shown).study == "b"
    assert table.next_to_correct(shown, "b").study == "c"
    assert table.next_to_correct(shown, "c").study == "b"
    through = table.updated([row.model_copy(update={"corrected": True}) for row in ROWS])
    assert through.next_to_correct(shown) is None


def test_news_replace_rows_and_add_studies() -> None:
    table = CohortTable(ROWS)
    later = table.updated([Row(study="e", state="done", score=1.0)])
    assert names(later, later.sorted(later.matching(), "score", descending=True)) == "eAcbd"
    assert table.rows[4].state == "waiting"
    more = later.updated([Row(study="aa")])
    assert names(more, more.sorted(more.matching(), "study")) == "Aaabcde"


def test_a_hundred_thousand_rows_are_sorted_and_filtered_at_once() -> None:
    rng = np.random.default_rng(0)
    table = CohortTable(
        [
            Row(study=f"case-{n:06}", state="done", score=float(s))
            for n, s in enumerate(rng.random(100_000))
        ]
    )
    began = time.process_time()
    places = table.sorted(table.matching(text="7", least=0.5), "score", descending=True)
    assert time.process_time() - began < 0.25
    scores = [table.rows[place].score for place in places]
    assert scores == sorted(scores, reverse=True)
    assert all("7" in table.rows[place].study for place in places[:100])
