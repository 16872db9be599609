"""Searching a library: by a sentence, by a scan, for reports and for single sentences.

Scores are exact: FAISS compares every vector, nothing is approximated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from napari_medad.detectors.brat.embedding import sentence_scores
from napari_medad.detectors.brat.matching import match
from napari_medad.errors import MedadError
from napari_medad.inference.progress import Callback, Reporter
from napari_medad.reports.library import Entry, ReportLibrary

BATCH = 256
"""Reports matched exactly at a time, the most promising first."""


@dataclass(frozen=True)
class CaseMatch:
    """One case of a library and how alike it is, -1..1."""

    entry: Entry
    score: float


@dataclass(frozen=True)
class SentenceMatch:
    """One sentence of a library's report.

    Attributes
    ----------
    entry : Entry
    number : int
        Of the sentence in its report, from 0.
    score : float
        Its largest cosine with any view of the scan, -1..1.
    view : int
        That view.
    """

    entry: Entry
    number: int
    score: float
    view: int


def by_sentence(library: ReportLibrary, sentence: np.ndarray, count: int = 10) -> list[CaseMatch]:
    """Cases whose scans show what a sentence says, the likeliest first.

    The score of a case is the largest cosine of any of its views with the sentence: its Pairwise
    View Alignment with a report of that one sentence.

    Parameters
    ----------
    library : ReportLibrary
    sentence : ndarray [d] float32
        Of length 1.
    count : int
        Cases wanted.
    """
    if not len(library):
        return []
    cases, views, width = library.views.shape
    # A better case hides a worse one behind `views` rows at most, so this many rows are enough.
    wanted = min(cases, count) * views
    scores, rows = _nearest(sentence[None], library.views.reshape(-1, width), wanted)
    best: dict[int, float] = {}
    for score, row in zip(scores[0], rows[0]):
        best.setdefault(int(row) // views, float(score))
    return [CaseMatch(library.entries[case], score) for case, score in list(best.items())[:count]]


def by_scan(library: ReportLibrary, views: np.ndarray, count: int = 10) -> list[CaseMatch]:
    """Cases whose scans look alike, the nearest first.

    The score is the mean cosine of corresponding views: the learned queries are the same for
    every scan, so view i of one scan is compared with view i of the other.

    Parameters
    ----------
    library : ReportLibrary
    views : ndarray [q, d] float32
        Of length 1 each.
    count : int
        Cases wanted.
    """
    if not len(library):
        return []
    rows = library.views.reshape(len(library), -1)
    scores, found = _nearest(views.reshape(1, -1), rows, min(count, len(library)))
    pairs = zip(found[0], scores[0] / len(views))
    return [CaseMatch(library.entries[int(case)], float(score)) for case, score in pairs]


def reports_for(library: ReportLibrary, views: np.ndarray, count: int = 10) -> list[CaseMatch]:
    """Reports that fit a scan, the likeliest first: brat's image-to-text retrieval (Eq. 6).

    Every report's score is bounded from above by letting its sentences share views; reports are
    matched one-to-one in the order of the bounds until no bound is better than what was found.

    Parameters
    ----------
    library : ReportLibrary
    views : ndarray [q, d] float32
        Of length 1 each.
    count : int
        Reports wanted.
    """
    counts = np.diff(library.starts)
    told = np.flatnonzero(counts)
    if not told.size:
        return []
    cosines = library.sentences @ views.T
    best = cosines.max(axis=1)
    sums = np.add.reduceat(best, library.starts[:-1][told])
    bounds = sums / counts[told]
    bounds[counts[told] > len(views)] = np.inf  # of more sentences than views the best are taken
    order = told[np.argsort(-bounds, kind="stable")]
    bounds = np.sort(bounds)[::-1]
    found: list[tuple[float, int]] = []
    for start in range(0, len(order), BATCH):
        if len(found) >= count and found[count - 1][0] >= bounds[start]:
            break
        batch = order[start : start + BATCH]
        found += zip(_aligned(cosines, library.starts, batch), batch.tolist())
        found.sort(key=lambda pair: -pair[0])
    return [CaseMatch(library.entries[case], score) for score, case in found[:count]]


def sentences_for(
    library: ReportLibrary, views: np.ndarray, count: int = 10
) -> list[SentenceMatch]:
    """Sentences of any report that a scan shows, the likeliest first.

    Parameters
    ----------
    library : ReportLibrary
    views : ndarray [q, d] float32
        Of length 1 each.
    count : int
        Sentences wanted.
    """
    if not len(library.sentences):
        return []
    scores, best = sentence_scores(views, library.sentences)
    first = np.argsort(-scores, kind="stable")[:count]
    cases = np.searchsorted(library.starts, first, side="right") - 1
    return [
        SentenceMatch(
            library.entries[case],
            int(row - library.starts[case]),
            float(scores[row]),
            int(best[row]),
        )
        for row, case in zip(first.tolist(), cases.tolist())
    ]


def similarities(
    library: ReportLibrary, progress: Callback | None = None
) -> tuple[np.ndarray, list[Entry]]:
    """Image-report similarity [n, n] of every scan (rows) and report, for `retrieval_scores`.

    Cases without a report are left out; the entries of the others are given too. `progress`
    takes a `Progress` after every scan, and answers "stop" to cancel.
    """
    counts = np.diff(library.starts)
    told = np.flatnonzero(counts)
    table = np.zeros((len(told), len(told)))
    reporter = Reporter(progress, len(told), "scans")
    reporter(0)
    for row, case in enumerate(told.tolist()):
        cosines = library.sentences @ library.views[case].T
        for start in range(0, len(told), BATCH):
            part = slice(start, start + BATCH)
            table[row, part] = _aligned(cosines, library.starts, told[part])
        reporter(row + 1)
    return table, [library.entries[case] for case in told.tolist()]


def _aligned(cosines: np.ndarray, starts: np.ndarray, cases: np.ndarray) -> list[float]:
    """Pairwise View Alignment of a scan with the reports of some cases.

    `cosines` [sentences of the library, q] are the scan's.
    """
    counts = (starts[cases + 1] - starts[cases])[:, None]
    place = np.arange(counts.max())[None]
    present = place < counts
    rows = np.where(present, starts[cases][:, None] + place, 0)
    table = torch.from_numpy(cosines[rows]).transpose(1, 2)
    return match(table, torch.from_numpy(present)).similarity.tolist()


def _nearest(queries: np.ndarray, rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Largest inner products [n, count] and their rows."""
    try:
        import faiss
    except ModuleNotFoundError:
        raise MedadError(
            "Searching a library needs faiss; run pip install 'napari-medad[reports]'."
        ) from None
    if queries.shape[1] != rows.shape[1]:
        raise MedadError(
            f"The library's vectors have {rows.shape[1]} numbers, but the loaded weights make "
            f"{queries.shape[1]}; rebuild the library."
        )
    queries = np.ascontiguousarray(queries, np.float32)
    return faiss.knn(queries, rows, count, metric=faiss.METRIC_INNER_PRODUCT)
