"""How long a search of a library of thousands of cases takes: at most 100 ms.

The embeddings are random, of the size of brat's: 32 views of 256 numbers a scan, and 8 sentences a
report, as its paper counts on average.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_medad.reports.library import EmbeddedCase, Entry, Origin, ReportLibrary
from napari_medad.reports.search import by_scan, by_sentence, reports_for, sentences_for

CASES = (1000, 5000)
VIEWS, WIDTH, SENTENCES = 32, 256, 8
ALLOWED_S = 0.1
REPEATS = 7


def units(*shape: int) -> np.ndarray:
    """Random vectors of length 1."""
    drawn = np.random.default_rng(0).standard_normal(shape, np.float32)
    return drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)


def library_of(count: int) -> ReportLibrary:
    """Random cases."""
    views, sentences = units(count, VIEWS, WIDTH), units(count, SENTENCES, WIDTH)[::-1]
    library = ReportLibrary(Origin(fingerprint="random", state="untrained"))
    library.add(
        EmbeddedCase(Entry(name=f"c{n}", study=f"c{n}.nii.gz", count=SENTENCES), v, s)
        for n, (v, s) in enumerate(zip(views, sentences))
    )
    return library


def median_s(action: Callable[[], object]) -> float:
    """Median duration, after one run that warms up."""
    action()
    spent = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        action()
        spent.append(time.perf_counter() - began)
    return float(np.median(spent))


def measure(library: ReportLibrary, path: Path) -> None:
    """Print the times of one library."""
    scan, count = units(3, VIEWS, WIDTH)[2], len(library)
    searches: dict[str, Callable[[], object]] = {
        "by sentence": lambda: by_sentence(library, scan[0]),
        "by scan": lambda: by_scan(library, scan),
        "reports for a scan": lambda: reports_for(library, scan),
        "sentences for a scan": lambda: sentences_for(library, scan),
    }
    for name, search in searches.items():
        spent = median_s(search)
        share = f"{spent / ALLOWED_S:.2f} of what is allowed"
        print(f"{count} cases, {name:21} {1000 * spent:6.1f} ms, {share}")
    saved, opened = median_s(lambda: library.save(path)), median_s(lambda: ReportLibrary.open(path))
    size = f"{path.stat().st_size / 1e6:.0f} MB"
    print(
        f"{count} cases, saved in {1000 * saved:.0f} ms, opened in {1000 * opened:.0f} ms, {size}"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for count in CASES:
            measure(library_of(count), Path(folder) / f"{count}.medad-library")


if __name__ == "__main__":
    main()
