"""How long a stroke, its undoing and the table take in napari on a 512 x 512 x 600 mask.

Needs a display. What the canvas takes to draw depends on the graphics card and is told apart: it
is the same for a plain labels layer, which is timed last.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable

import napari
import numpy as np
from corrections import SHAPE, detection
from napari.layers import Labels
from qtpy.QtWidgets import QApplication

from napari_medad.viewer.app import show_detection
from napari_medad.viewer.docks.correct import CorrectDock
from napari_medad.viewer.layers import add_study

MOVES = 30


def settle(done: Callable[[], bool] = lambda: True, seconds: float = 0.5) -> None:
    """Run the event loop until `done`, and a moment longer."""
    while not done():
        QApplication.processEvents()
        time.sleep(0.002)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()


def stroke(mask: Labels, at: tuple[int, int, int], label: int) -> tuple[float, float, float]:
    """Longest move, what follows the release, and the canvas's share of a move, in s."""
    z, y, x = at
    moves, drawn = [], []
    with mask.block_history():
        for step in range(MOVES):
            began = time.perf_counter()
            mask._draw(label, (z, y, x + 3 * step), (z, y, x + 3 * step + 3))
            moves.append(time.perf_counter() - began)
            QApplication.processEvents()
            drawn.append(time.perf_counter() - began - moves[-1])
        began = time.perf_counter()
    return max(moves), time.perf_counter() - began, float(np.median(drawn))


def tell(what: str, times: tuple[float, float, float]) -> None:
    """Print the times of a stroke."""
    move, release, canvas = (1000 * t for t in times)
    print(f"{what:28} move {move:5.1f} ms, release {release:5.1f} ms, canvas {canvas:6.1f} ms")


def main() -> None:
    found = detection(findings=40)
    viewer = napari.Viewer()
    add_study(viewer, found.study)
    show_detection(viewer, found)
    dock = CorrectDock(viewer, confirm=lambda question: True)
    viewer.window.add_dock_widget(dock)
    dock.begin()
    settle(lambda: dock.correction is not None, 2)
    assert dock.correction is not None
    assert dock.editing.layers is not None
    mask = dock.editing.layers.mask
    at = max(dock.correction.findings, key=lambda f: f.volume_ml).peak_zyx
    viewer.dims.set_point(0, mask.data_to_world(at)[0])
    for depth, name in ((0, "in the slice"), (1, "in 3D")):
        dock.form.drawing.depth_box.setCurrentIndex(depth)
        for tool, label in (("brush", 99), ("eraser", 0)):
            dock.editing.take(tool)
            settle()
            tell(f"{tool} of 5 mm {name}", stroke(mask, at, label))
        began = time.perf_counter()
        mask.undo()
        print(f"{'undo':28} {1000 * (time.perf_counter() - began):10.1f} ms, table included")
    viewer.close()
    plain = napari.Viewer()
    mask = plain.add_labels(np.zeros(SHAPE, np.uint16))
    mask.mode, mask.brush_size = "paint", 7
    plain.dims.set_point(0, at[0])
    settle()
    tell("napari alone", stroke(mask, at, 5))
    plain.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEDAD_RECOVERY"] = folder
        main()
