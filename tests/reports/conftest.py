"""Made-up embeddings, and a language model that says what a test tells it to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_medad.reports.library import EmbeddedCase, Entry, Origin, ReportLibrary

VIEWS, WIDTH = 4, 16


def units(seed: int, *shape: int) -> np.ndarray:
    """Random vectors of length 1."""
    drawn = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)


def embedded(name: str, seed: int, count: int = 3, views: int = VIEWS) -> EmbeddedCase:
    """A case of random embeddings."""
    entry = Entry(name=name, study=f"scans/{name}.nii.gz", count=count)
    return EmbeddedCase(entry, units(seed, views, WIDTH), units(seed + 1000, count, WIDTH))


@pytest.fixture
def library() -> ReportLibrary:
    """Forty cases, of which every fourth has no report."""
    held = ReportLibrary(Origin(fingerprint="a1", name="ours"))
    held.add(embedded(f"case{n}", n, n % 4) for n in range(40))
    return held


class Scripted:
    """A language model that answers with a given text and keeps what it was asked."""

    name = "scripted"

    def __init__(self, answer: str) -> None:
        self.answer, self.prompts = answer, []

    def write(self, prompt: str, *, longest: int = 400, progress: object = None) -> str:
        self.prompts.append(prompt)
        return self.answer


@pytest.fixture
def scripted() -> Callable[[str], Scripted]:
    return Scripted
