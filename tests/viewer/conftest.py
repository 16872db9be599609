"""A small study and a viewer for the docks' tests."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from qtpy.QtWidgets import QApplication

from napari_medad.volumes.phantom import make_brain
from napari_medad.volumes.study import Study

if sys.platform == "linux" and not os.environ.get("DISPLAY"):
    pytest.skip("napari needs a display; run `make test`", allow_module_level=True)


@pytest.fixture(scope="session")
def small_study() -> Study:
    """A synthetic patient at 3 mm."""
    brain = make_brain(118, lesions=("tumour",), spacing=3.0, contrasts=("t1n", "t2f"))
    return Study("patient", brain.study.volumes, brain.study.reference, brain.study.path)


@pytest.fixture
def viewer(make_napari_viewer: Callable) -> Iterator[object]:
    """A napari viewer that is closed again."""
    return make_napari_viewer()


@pytest.fixture
def wait_until(qapp: QApplication) -> Callable[[Callable[[], bool], float], None]:
    """Run the event loop until something is true."""

    def wait(done: Callable[[], bool], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "it did not happen in time"
            qapp.processEvents()
            time.sleep(0.002)
        qapp.processEvents()

    return wait
