"""The report page: self-contained, whole, honest about oracles, and safe with any name."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from napari_medad.errors import MedadError
from napari_medad.evaluation.comparison import compare
from napari_medad.evaluation.evaluation import Evaluation
from napari_medad.evaluation.page import write_page
from napari_medad.evaluation.plots.drawing import NamedFigure, new_figure
from napari_medad.evaluation.tables import Table

Make = Callable[..., Evaluation]


class _Page(HTMLParser):
    """Rows of cells, and whatever would be fetched from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        self.fetched += [v or "" for k, v in attrs if k in ("src", "href") and v]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data

    def row(self, title: str) -> list[str]:
        return next(row for row in self.rows if row and row[0] == title)


def test_the_page_holds_the_figures_of_every_evaluation(tmp_path: Path, made: Make) -> None:
    first, second = made("moe"), made("vand", 0.1, policy="test pool")
    path = write_page(tmp_path / "report.html", "Two", [first, second], about="Six patients.")
    text = path.read_text(encoding="utf-8")
    page = _Page(text)
    assert page.open == []
    for held, policy, short in (
        (first, "a fixed threshold", "fixed"),
        (second, "ORACLE: F1-optimal on these patients", "oracle, pool"),
    ):
        dice = held.spreads["dice"]
        measured, summary, means, lesions, pooled = (
            row for row in page.rows if row[0] == held.name
        )
        assert measured[1] == policy
        assert summary[1:3] == [short, f"{dice.mean:.2f} ± {dice.sd:.2f}"]
        lines = [f"{dice.mean:.3f} ± {dice.sd:.3f}", f"{dice.low:.3f} to {dice.high:.3f}"]
        assert means[2].split("\n") == lines
        assert lesions[3].startswith(f"{held.spreads['lesion_recall'].mean:.3f} ± ")
        assert pooled[1] == f"{held.pooled.auroc:.3f}"
    assert page.row("p3")[4] == f"{first.patients[3].dice:.3f}"
    assert "a bound, not a result" in text
    assert "not a medical device" in text
    assert page.row("Versions")[1].startswith("napari-medad")


def test_nothing_is_fetched_and_figures_are_inside(tmp_path: Path) -> None:
    figure = new_figure(2, 1)
    figure.add_subplot().plot([0, 1])
    held = NamedFigure("line", "A line", figure, "It rises.")
    text = write_page(tmp_path / "r.html", "F", figures=[held]).read_text(encoding="utf-8")
    page = _Page(text)
    assert len(page.fetched) == 1
    assert base64.b64decode(page.fetched[0].removeprefix("data:image/png;base64,"))[1:4] == b"PNG"
    assert not re.search(r"https?://|<script|@import|url\(", text)
    assert "It rises." in text


def test_comparisons_tables_facts_and_notes_are_shown(tmp_path: Path, made: Make) -> None:
    good, poor = made("good"), made("poor", 0.05)
    path = write_page(
        tmp_path / "r.html",
        "Compared",
        [good.model_copy(update={"notes": ("Only mine.", "UNTRAINED: no.")}), poor],
        comparisons=[compare(good, poor)],
        tables=[Table("Paper", ("Model", "Dice"), [("AdaCLIP", "0.09 ± 0.08")], "Table 1.")],
        facts={"Seed": "7"},
        notes=("Read this.",),
    )
    text = path.read_text(encoding="utf-8")
    page = _Page(text)
    difference = compare(good, poor).of("dice")
    assert difference is not None
    row = next(r for r in page.rows if r[0] == "Dice 3D" and len(r) == 6)
    assert row[1] == f"{difference.mean:+.3f}".replace("-", "−")
    assert row[3] == f"{difference.p:.3f}"
    assert row[5] == "good"
    assert page.row("AdaCLIP") == ["AdaCLIP", "0.09 ± 0.08"]
    assert page.row("Seed") == ["Seed", "7"]
    assert "<li>good: Only mine.</li>" in text
    assert "<li>Read this.</li>" in text
    assert 'class="told grave">UNTRAINED' in text


def test_names_are_text_and_never_markup(tmp_path: Path, made: Make) -> None:
    evil = made("<script>alert(1)</script>")
    text = write_page(tmp_path / "r.html", "<b>T</b>", [evil]).read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;b&gt;T" in text


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MedadError, match="cannot be written"):
        write_page(tmp_path / "file" / "r.html", "T")
