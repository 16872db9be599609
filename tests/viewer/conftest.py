"""A small study and a viewer for the docks' tests."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_medad.inference.run import detect
from napari_medad.results.detection import Detection
from napari_medad.viewer.app import show_detection
from napari_medad.viewer.docks.correct import CorrectDock
from napari_medad.viewer.layers import add_study
from napari_medad.viewer.worker import Work
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


@pytest.fixture(autouse=True)
def _own_recovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDAD_RECOVERY", str(tmp_path / "recovery"))


@pytest.fixture(scope="session")
def detection(small_study: Study) -> Detection:
    """Some findings of the baseline."""
    return detect(small_study, "hyperintensity", threshold="quantile:0.9", minimum_ml=0.2)


@pytest.fixture
def dock(viewer, small_study: Study, detection: Detection) -> CorrectDock:
    """The dock on a viewer that shows a detection."""
    add_study(viewer, small_study)
    show_detection(viewer, detection)
    dock = CorrectDock(viewer, confirm=lambda _: True)
    viewer.window.add_dock_widget(dock, name="Correct")
    return dock


@pytest.fixture
def begun(dock: CorrectDock, wait_until: Callable) -> CorrectDock:
    """The dock with a correction begun."""
    dock.begin()
    wait_until(lambda: dock.correction is not None and not dock.editing.work.running)
    return dock


@pytest.fixture
def longest_pause(wait_until: Callable) -> Callable[[Work, Callable[[], object]], float]:
    """The event loop's longest pause in seconds while work runs, from the click on.

    Time in which other programs held the cores is left out (Linux).
    """

    def measure(work: Work, click: Callable[[], object]) -> float:
        ticks: list[tuple[float, float]] = []
        threads = [threading.get_native_id()]
        timer = QTimer()
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.timeout.connect(lambda: ticks.append((time.monotonic(), _queued(threads))))
        click()
        threads.append(work._thread.native_id)
        timer.start(5)
        wait_until(lambda: not work.running, 120)
        wait_until(lambda: True)
        timer.stop()
        assert len(ticks) > 20, "it ended before anything could be measured"
        clock, waits = np.diff(np.array(ticks), axis=0).T
        return float((clock - waits.clip(0)).max())

    return measure


def _queued(threads: list[int]) -> float:
    """Seconds that threads have waited for a core."""
    total = 0
    for thread in threads:
        with suppress(OSError):  # a thread that has ended has no file any more
            total += int(Path(f"/proc/self/task/{thread}/schedstat").read_text().split()[1])
    return total * 1e-9
