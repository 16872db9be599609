"""The detector that CONTRIBUTING.md shows, taken from the page and run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import napari_medad
import napari_medad.detectors as home
from napari_medad.detectors import registry
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"
BLOCK = re.compile(
    r"^\*\*`(?:napari_medad/detectors/symmetry/)?(\w+\.py)`\*\*.*?^```python\n(.*?)^```",
    re.DOTALL | re.MULTILINE,
)


@pytest.fixture
def symmetry(tmp_path, monkeypatch):
    """The folder that the page tells to make, beside the other methods."""
    folder = tmp_path / "symmetry"
    folder.mkdir()
    for name, code in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        (folder / name).write_text(code)
    monkeypatch.setattr(home, "__path__", [*home.__path__, str(tmp_path)])
    registry.cards.cache_clear()
    yield folder
    registry.cards.cache_clear()
    for name in [name for name in sys.modules if ".detectors.symmetry" in name]:
        del sys.modules[name]
    vars(home).pop("symmetry", None)


def test_the_detector_of_the_page_finds_what_is_on_one_side_only(symmetry):
    assert {path.name for path in symmetry.iterdir()} == {
        "__init__.py",
        "settings.py",
        "detector.py",
    }
    array = np.zeros((6, 48, 48), np.float32)
    array[:, 8:40, 8:40] = 1
    array[2:4, 20:28, 10:18] = 5
    study = Study.from_volumes("head", {"t2f": Volume(array, np.eye(4))})
    detection = napari_medad.detect(
        study, napari_medad.load_detector("symmetry", device="cpu", smoothing=1), threshold=2
    )
    both_sides = np.zeros(array.shape, bool)
    both_sides[2:4, 20:28, 10:18] = both_sides[2:4, 20:28, 30:38] = True
    assert detection.maps["anomaly"][3, 23:25, 13:15] == pytest.approx(4, abs=0.01)
    assert not detection.mask[~both_sides].any()
    assert [finding.slices for finding in detection.findings] == [(2, 3), (2, 3)]
    assert detection.record.settings == {"smoothing": 1.0}
