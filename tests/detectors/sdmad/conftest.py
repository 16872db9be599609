"""The toy problem's signs, and its module on the path."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import toy_slices


@pytest.fixture(scope="session")
def signs_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy's signs as a file."""
    path = tmp_path_factory.mktemp("signs") / "toy.yaml"
    toy_slices.SIGNS.save(path)
    return path
