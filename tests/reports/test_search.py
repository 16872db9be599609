"""Searching against a plain search that compares everything."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medad.detectors.brat.embedding import align
from napari_medad.reports import search
from napari_medad.reports.library import Origin, ReportLibrary
from napari_medad.reports.retrieval_metrics import retrieval_scores

from .conftest import VIEWS, WIDTH, embedded, units


def test_a_sentence_finds_the_scan_that_shows_it(library) -> None:
    asked = units(555, WIDTH)
    plain = (library.views @ asked).max(axis=1)
    found = search.by_sentence(library, asked, 7)
    assert [m.entry.name for m in found] == [
        library.entries[i].name for i in np.argsort(-plain)[:7]
    ]
    np.testing.assert_allclose([m.score for m in found], np.sort(plain)[::-1][:7], rtol=1e-5)


def test_one_case_that_takes_every_row_hides_no_other(library) -> None:
    asked = units(555, WIDTH)
    library.views[3] = asked
    found = search.by_sentence(library, asked, 5)
    assert found[0].entry.name == "case3"
    assert len({m.entry.name for m in found}) == 5


def test_a_scan_finds_itself_then_the_nearest(library) -> None:
    found = search.by_scan(library, library.views[8], 4)
    plain = np.einsum("nqd,qd->n", library.views, library.views[8]) / VIEWS
    assert [m.entry.name for m in found] == [
        library.entries[i].name for i in np.argsort(-plain)[:4]
    ]
    assert found[0].score == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("batch", [1, 3, 256])
def test_reports_are_ranked_by_exact_alignment(library, monkeypatch, batch: int) -> None:
    monkeypatch.setattr(search, "BATCH", batch)
    views, starts = units(99, VIEWS, WIDTH), library.starts
    plain = {
        e.name: align(views, library.sentences[a:b]).similarity
        for e, a, b in zip(library.entries, starts, starts[1:])
        if b > a
    }
    found = search.reports_for(library, views, 6)
    assert [m.entry.name for m in found] == sorted(plain, key=lambda n: -plain[n])[:6]
    for m in found:
        assert m.score == pytest.approx(plain[m.entry.name], rel=1e-5)


def test_a_report_longer_than_the_views_is_ranked_too() -> None:
    held = ReportLibrary(Origin(fingerprint="a"))
    held.add([embedded("long", 1, count=3 * VIEWS), embedded("short", 2, count=1)])
    views = units(9, VIEWS, WIDTH)
    found = search.reports_for(held, views, 2)
    for match in found:
        row = held.entries.index(match.entry)
        own = held.sentences[held.starts[row] : held.starts[row + 1]]
        assert match.score == pytest.approx(align(views, own).similarity)


def test_single_sentences_are_ranked(library) -> None:
    views = units(98, VIEWS, WIDTH)
    found = search.sentences_for(library, views, 3)
    plain = (library.sentences @ views.T).max(axis=1)
    for match, row in zip(found, np.argsort(-plain)):
        case = library.entries.index(match.entry)
        assert library.starts[case] + match.number == row
        assert match.view == (views @ library.sentences[row]).argmax()


def test_an_empty_library_finds_nothing() -> None:
    held = ReportLibrary(Origin(fingerprint="a"))
    assert search.by_sentence(held, units(1, WIDTH)) == []
    assert search.by_scan(held, units(1, VIEWS, WIDTH)) == []
    assert search.reports_for(held, units(1, VIEWS, WIDTH)) == []
    assert search.sentences_for(held, units(1, VIEWS, WIDTH)) == []


def test_reports_made_of_their_scans_views_are_found_first() -> None:
    held = ReportLibrary(Origin(fingerprint="a"))
    cases = [embedded(f"c{n}", n, count=2) for n in range(12)]
    held.add(type(c)(c.entry, c.views, c.views[[2, 0]]) for c in cases)
    steps = []
    table, entries = search.similarities(held, lambda p: steps.append(p.done))
    assert steps == list(range(13))
    assert [e.name for e in entries] == [f"c{n}" for n in range(12)]
    assert retrieval_scores(table).recall[1] == 1.0
