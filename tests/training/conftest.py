from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import toy

from napari_medad.detectors import registry
from napari_medad.training import plan


@pytest.fixture(autouse=True)
def _toy_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the toy beside the detectors there are."""
    fixed = replace(toy.CARD, name="fixed", recipe_class="")
    known = {**registry.cards(), "toy": toy.CARD, "fixed": fixed}
    monkeypatch.setattr(registry, "cards", lambda: known)
    monkeypatch.setattr(plan, "cards", lambda: known)
