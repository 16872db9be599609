"""The pages of a cohort, as a browser would find them."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

import napari_medad as medad
from napari_medad.cohorts import index
from napari_medad.cohorts.cohort import CohortRecord
from napari_medad.cohorts.index import about, orders_of, write_index
from napari_medad.cohorts.summary import Row
from napari_medad.results.run_record import WeightsRecord

RECORD = CohortRecord(input="/scans/Jane Doe", detector="moe")


def done(study, score, findings=1):
    folder = f"studies/{study}"
    return Row(
        study=study,
        state="done",
        score=score,
        findings=findings,
        volume_ml=1.5,
        folder=folder,
        image=f"{folder}/{study} key.png",
        source=f"/scans/Jane Doe/{study}",
    )


class Page(HTMLParser):
    """Links, pictures and rows of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.links, self.pictures, self.rows = [], [], 0
        self.home = path.parent
        self.feed(self.text)

    def handle_starttag(self, tag, attrs):
        held = dict(attrs)
        self.rows += tag == "tr"
        if tag == "a":
            self.links.append((self.home / unquote(held["href"])).resolve())
        if tag == "img":
            self.pictures.append((self.home / unquote(held["src"])).resolve())

    @property
    def studies(self):
        return re.findall(r"([\w<>&;-]+): three planes", self.text)


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(index, "PER_PAGE", 2)


ROWS = [done("c", 0.5), done("a", 0.1), done("b", 0.9, findings=0), done("d", None)]


def test_the_highest_scores_come_first_and_pages_lead_to_each_other(tmp_path):
    first = Page(write_index(tmp_path, RECORD, ROWS))
    assert first.studies == ["b", "c"]
    second = Page(tmp_path / "pages" / "score-2.html")
    assert second.studies == ["a", "d"]
    assert tmp_path / "pages" / "score-2.html" in first.links
    assert tmp_path / "index.html" in second.links
    assert tmp_path / "studies/a/a key.png" in second.pictures
    by_name = [Page(tmp_path / "pages" / f"name-{number}.html").studies for number in (1, 2)]
    assert by_name == [["a", "b"], ["c", "d"]]
    assert tmp_path / "pages" / "name-1.html" in first.links


def test_failed_ones_are_on_pages_of_their_own(tmp_path):
    rows = [*ROWS, Row(study="e", state="failed", reason="It is empty."), Row(study="f")]
    write_index(tmp_path, RECORD, rows)
    assert "It is empty." in Page(tmp_path / "pages" / "failed-1.html").text
    assert [len(order.rows) for order in orders_of(rows)] == [4, 4, 1]
    assert about(rows) == "4 done, 3 of them with findings; 1 failed; 1 waiting."


def test_pages_of_an_earlier_index_are_gone(tmp_path):
    write_index(tmp_path, RECORD, ROWS)
    write_index(tmp_path, RECORD, ROWS[:1])
    assert {p.name for p in (tmp_path / "pages").iterdir()} == {"name-1.html"}
    assert not list(tmp_path.rglob(".part-*"))


def test_no_path_of_a_source_is_told(tmp_path):
    write_index(tmp_path, RECORD, ROWS)
    assert not any("Jane" in path.read_text() for path in tmp_path.rglob("*.html"))


def test_names_are_text_and_not_markup(tmp_path):
    first = Page(write_index(tmp_path, RECORD, [done("<b>&", 1.0)]))
    assert "<b>" not in first.text
    assert first.pictures == [tmp_path / "studies/<b>&/<b>& key.png"]


def test_random_weights_are_told_on_every_page(tmp_path):
    record = RECORD.model_copy(update={"weights": WeightsRecord(state="untrained")})
    write_index(tmp_path, record, ROWS)
    assert all("UNTRAINED" in path.read_text() for path in tmp_path.rglob("*.html"))


def test_an_empty_cohort_has_a_page(tmp_path):
    assert Page(write_index(tmp_path, RECORD, [])).rows > 0


def test_pictures_and_folders_of_a_real_run_are_there(scans, tmp_path):
    medad.detect_cohort(scans, "hyperintensity", tmp_path / "out")
    page = Page(tmp_path / "out" / "index.html")
    assert len(page.pictures) == 2
    assert all(path.exists() for path in (*page.pictures, *page.links))
