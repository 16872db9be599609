"""The index of a cohort: pages with key images, the highest scores first, and by name.

No page holds more than `PER_PAGE` studies, so that a cohort of any size opens at once in any
browser, from a disk or a web server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from napari_medad.atomic import replacing
from napari_medad.cohorts.cohort import CohortRecord
from napari_medad.cohorts.summary import Row
from napari_medad.export.outcome import NOT_CLINICAL, UNTRAINED

INDEX = "index.html"
PAGES = "pages"
PER_PAGE = 200


@dataclass(frozen=True)
class Order:
    """A way to go through the studies.

    Attributes
    ----------
    name : str
        In the names of its pages.
    title : str
    rows : sequence of Row
    """

    name: str
    title: str
    rows: Sequence[Row]

    @property
    def pages(self) -> int:
        """How many there are, one at least."""
        return max(1, -(-len(self.rows) // PER_PAGE))

    @property
    def first(self) -> str:
        """The first page."""
        return self.page(1)

    def page(self, number: int) -> str:
        """A page's path within the cohort's folder; number from 1."""
        is_index = self.name == "score" and number == 1
        return INDEX if is_index else f"{PAGES}/{self.name}-{number}.html"


def write_index(folder: Path, record: CohortRecord, rows: Sequence[Row]) -> Path:
    """Write index.html and the other pages in place of earlier ones.

    Parameters
    ----------
    folder : Path
        Of the cohort.
    record : CohortRecord
    rows : sequence of Row

    Returns
    -------
    Path
        The page to begin with.
    """
    text = files(__package__).joinpath("index.html.j2").read_text(encoding="utf-8")
    drawn = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = drawn.from_string(text)
    orders = orders_of(rows)
    shared = _shared(record, rows, orders)
    old = set((folder / PAGES).glob("*.html"))
    for order in orders:
        for number in range(1, order.pages + 1):
            path = folder / order.page(number)
            old.discard(path)
            with replacing(path) as part:
                page = template.render(**shared, **_turned(order, number))
                part.write_text(page, encoding="utf-8")
    for path in old:
        path.unlink(missing_ok=True)
    return folder / INDEX


def orders_of(rows: Sequence[Row]) -> list[Order]:
    """By score, the highest first; by name; and those that failed, where some did."""
    done = [row for row in rows if row.state == "done"]
    failed = [row for row in rows if row.state == "failed"]
    by_score = sorted(done, key=lambda row: (row.score is None, -(row.score or 0), row.study))
    found = [
        Order("score", "Highest scores first", by_score),
        Order("name", "By name", sorted(done, key=lambda row: row.study)),
    ]
    return [*found, Order("failed", f"Failed ({len(failed)})", failed)] if failed else found


def _turned(order: Order, number: int) -> dict[str, Any]:
    return {
        "name": order.name,
        "number": number,
        "pages": order.pages,
        "first": order.first,
        "previous": order.page(number - 1),
        "next": order.page(number + 1),
        "root": "" if order.page(number) == INDEX else "../",
        "rows": order.rows[(number - 1) * PER_PAGE : number * PER_PAGE],
    }


def _shared(record: CohortRecord, rows: Sequence[Row], orders: Sequence[Order]) -> dict[str, Any]:
    untrained = record.weights.state == "untrained"
    return {
        "title": f"{record.detector}: {len(rows):,} {'study' if len(rows) == 1 else 'studies'}",
        "about": about(rows),
        "statements": ((UNTRAINED,) if untrained else ()) + (NOT_CLINICAL,),
        "untrained": untrained,
        "facts": list(_facts(record)),
        "orders": orders,
    }


def about(rows: Sequence[Row]) -> str:
    """How many are done, how many have findings, how many failed, in one sentence."""
    done = [row for row in rows if row.state == "done"]
    found = sum(bool(row.findings) for row in done)
    told = [f"{len(done):,} done, {found:,} of them with findings"]
    for state in ("failed", "waiting"):
        count = sum(row.state == state for row in rows)
        told += [f"{count:,} {state}"] if count else []
    return "; ".join(told) + "."


def _facts(record: CohortRecord) -> Iterator[tuple[str, str]]:
    """The run for readers. Paths stay out of it: folders bear patients' names."""
    weights = record.weights
    held = [
        ("Detector", record.detector),
        ("Weights", " · ".join(filter(None, (weights.state, weights.name)))),
        ("Weights' sha256", weights.sha256 or ""),
        ("Volume", record.volume or ""),
        ("Slices", record.axis),
        ("Prompt", record.prompt or ""),
        ("Threshold", str(record.threshold)),
        ("Smallest finding", f"{record.minimum_ml:g} mL"),
        ("Settings", ", ".join(f"{k} = {v}" for k, v in record.settings.items())),
        ("Seed", str(record.seed)),
        ("Started", record.started),
        ("Versions", ", ".join(f"{k} {v}" for k, v in record.versions.items())),
    ]
    yield from ((name, value) for name, value in held if value)
