"""A cohort's rows sorted and filtered, quick with 100,000 of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np

from napari_medad.cohorts.summary import Row

Column = Literal["study", "state", "score", "findings", "volume_ml", "corrected"]
COLUMNS: tuple[Column, ...] = get_args(Column)
Choice = Literal["all", "done", "to correct", "corrected", "failed", "waiting"]
CHOICES: tuple[Choice, ...] = get_args(Choice)
STATES = ("failed", "waiting", "done")
"""In the order of sorting."""


class CohortTable:
    """Rows and their columns as arrays; never changed, so that a thread may make the next one.

    Parameters
    ----------
    rows : sequence of Row
        Each study once.

    Attributes
    ----------
    rows : list of Row
    """

    def __init__(self, rows: Sequence[Row] = ()) -> None:
        self.rows = list(rows)
        self.places = {row.study: place for place, row in enumerate(self.rows)}
        self._texts = [_text(row) for row in self.rows]
        names = np.array([row.study.lower() for row in self.rows], dtype=str)
        rank = np.empty(names.size, np.int64)
        rank[np.argsort(names, kind="stable")] = np.arange(names.size)
        self._columns: dict[str, np.ndarray] = {"study": rank}
        for column in COLUMNS[1:]:
            self._columns[column] = np.array([_number(row, column) for row in self.rows], float)

    def updated(self, news: Iterable[Row]) -> CohortTable:
        """With rows that hold from now on instead of their studies' earlier ones."""
        held = {row.study: row for row in news}
        if not held.keys() <= self.places.keys():
            rows = {row.study: row for row in self.rows} | held
            return CohortTable(list(rows.values()))
        new = CohortTable.__new__(CohortTable)
        new.rows, new.places, new._texts = list(self.rows), self.places, list(self._texts)
        new._columns = {name: values.copy() for name, values in self._columns.items()}
        for study, row in held.items():
            place = self.places[study]
            new.rows[place], new._texts[place] = row, _text(row)
            for column in COLUMNS[1:]:
                new._columns[column][place] = _number(row, column)
        return new

    def matching(
        self, *, choice: Choice = "all", text: str = "", least: float | None = None
    ) -> np.ndarray:
        """Places of rows that pass a filter, in the order of the rows.

        Parameters
        ----------
        choice : str
            "to correct" are those done that no reader is through with.
        text : str
            Somewhere in the study's name or its reason, in capitals or not.
        least : float, optional
            Lowest score.
        """
        passing = np.ones(len(self.rows), bool)
        if choice in STATES:
            passing &= self._columns["state"] == STATES.index(choice)
        elif choice in ("to correct", "corrected"):
            passing &= self.of(done=True)
            passing &= self._columns["corrected"] == (choice == "corrected")
        if least is not None:
            passing &= self._columns["score"] >= least
        wanted = text.strip().lower()
        if wanted:
            passing &= np.fromiter((wanted in t for t in self._texts), bool, len(self._texts))
        return np.flatnonzero(passing)

    def sorted(self, places: np.ndarray, column: Column, *, descending: bool = False) -> np.ndarray:
        """The places in the order of a column, names deciding ties; what is unknown comes last."""
        values = self._columns[column][places]
        values = -values if descending else values
        return places[np.lexsort((self._columns["study"][places], values))]

    def of(
        self, *, done: bool = False, failed: bool = False, corrected: bool = False
    ) -> np.ndarray:
        """Which rows are so, [rows] bool."""
        kept = np.ones(len(self.rows), bool)
        if done:
            kept &= self._columns["state"] == STATES.index("done")
        if failed:
            kept &= self._columns["state"] == STATES.index("failed")
        if corrected:
            kept &= self._columns["corrected"] > 0
        return kept

    def next_to_correct(self, places: np.ndarray, after: str | None = None) -> Row | None:
        """The next row that is done and uncorrected, round the end; None where there is none.

        Parameters
        ----------
        places : ndarray [n]
            Rows in their shown order.
        after : str, optional
            A study; the search begins behind it, or at the top where it is not shown.
        """
        begin = 0
        if after in self.places:
            at = np.flatnonzero(places == self.places[after])
            begin = int(at[0]) + 1 if at.size else 0
        turned = np.roll(places, -begin)
        left = turned[self.of(done=True)[turned] & ~self.of(corrected=True)[turned]]
        left = left[left != self.places.get(after or "", -1)]
        return self.rows[left[0]] if left.size else None


def _text(row: Row) -> str:
    return f"{row.study} {row.reason}".lower()


def _number(row: Row, column: Column) -> float:
    if column == "state":
        return STATES.index(row.state)
    value = getattr(row, column)
    return np.nan if value is None else float(value)
