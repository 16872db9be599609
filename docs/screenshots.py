"""Take the pictures of the documentation: every dock in every state, in both themes.

Run from the repository's root with a display (`xvfb-run -s "-screen 0 1680x1050x24"`):

    python docs/screenshots.py            # all pictures
    python docs/screenshots.py hero       # one of them, see PICTURES
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
from napari.settings import get_settings
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QScrollArea, QWidget

from napari_medad.viewer.app import open_docks, raise_dock
from napari_medad.viewer.docks.detect import DetectDock
from napari_medad.viewer.docks.findings import FindingsDock
from napari_medad.viewer.layers import add_study
from napari_medad.viewer.session import session_of
from napari_medad.volumes.phantom import sample_study
from napari_medad.volumes.study import Study

IMAGES = Path(__file__).parent / "images"
WINDOW = (1560, 960)
QUICK = {
    "size": 64,
    "hidden": 64,
    "decoder_fc": "direct",
    "batch_size": 16,
    "text": "n-grams",
    "slices_per_volume": 24,
    "warm_up": 20,
    "epochs": 10,
}
"""Training options for a picture, not for a model."""

QUICK_SIGNS = {"backbone": "tiny", "image_size": 56, "bottleneck": 64, "epochs": 60, "keep": 0.5}
QUICK_TEACHER = {"epochs": 6, "size": 64, "batch_size": 8}
QUICK_NETWORK = {
    "epochs": 4,
    "width": 2,
    "side": 8,
    "per_case": 16,
    "batch_size": 4,
    "objective": "exact",
    "optimiser_kind": "adamw",
    "learning_rate": 1e-3,
}
LABELLED = ((30, 0), (50, 0), (72, 1), (104, 1), (118, 0), (130, 0))
"""Axial slices of the sample patient, and their labels."""
SHOTS = ((88, (0, 2)), (92, (0, 1, 2)), (70, (3,)), (100, (4,)), (40, ()), (120, ()))
"""Slices of the sample patient, and rows of the categories they are marked with."""


def settle(done: Callable[[], bool] = lambda: True, seconds: float = 0.8) -> None:
    """Run the event loop until `done`, and a moment longer."""
    limit = time.monotonic() + 300
    while not done() and time.monotonic() < limit:
        QApplication.processEvents()
        time.sleep(0.005)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.005)


def save(widget: QWidget, name: str) -> None:
    """Save what a widget shows."""
    widget.grab().save(str(IMAGES / f"{name}.png"))


def window(theme: str) -> tuple[napari.Viewer, DetectDock, FindingsDock]:
    """A viewer of the documentation's size with all docks."""
    get_settings().appearance.theme = theme
    viewer = napari.Viewer(title="napari")
    viewer.window._qt_window.resize(*WINDOW)
    docks = open_docks(viewer)
    settle()
    return viewer, docks["Detect"], docks["Findings"]


def in_front(viewer: napari.Viewer, name: str) -> Any:
    """The dock of this class, brought to the front."""
    docks = {type(w).__name__: w for w in viewer.window._qt_window.findChildren(QWidget)}
    raise_dock(docks[name])
    return docks[name]


def detected(viewer: napari.Viewer, dock: DetectDock, study: Study) -> None:
    """The study with a finished detection, its largest finding chosen."""
    add_study(viewer, study)
    viewer.reset_view()
    settle(seconds=1.5)
    dock.run()
    session = session_of(viewer)
    settle(lambda: session.current is not None and not dock.work.running)
    session.step(1)
    settle()


def hero(study: Study, theme: str) -> None:
    """The README's first picture."""
    viewer, dock, findings = window(theme)
    detected(viewer, dock, study)
    viewer.dims.set_current_step(viewer.dims.ndim - 3, 88)
    raise_dock(findings)
    settle()
    save(viewer.window._qt_window, "hero" if theme == "dark" else f"hero-{theme}")
    viewer.close()


def detect(study: Study, theme: str) -> None:
    """The Detect dock: empty, running, done, error."""
    viewer, dock, _ = window(theme)
    save(dock, f"detect-empty-{theme}")
    add_study(viewer, study)
    settle(seconds=2)
    dock.prompt_box.setEditText("brain flair")
    settle(lambda: not dock.routing.running, seconds=2)
    dock.run()
    settle(lambda: dock.footer.bar.maximum() > 0, seconds=0.1)
    save(dock, f"detect-running-{theme}")
    settle(lambda: not dock.work.running)
    save(dock, f"detect-done-{theme}")
    dock.threshold_edit.setText("high")
    dock.run()
    settle()
    save(dock, f"detect-error-{theme}")
    viewer.close()


def prompts(study: Study, theme: str) -> None:
    """The Detect dock's prompts and normal scans, for a detector on CLIP."""
    viewer, dock, _ = window(theme)
    add_study(viewer, study)
    dock.choose("vand")
    raise_dock(dock)
    dock.prompts.expand(animate=False)
    dock.references.expand(animate=False)
    dock.references.slices_edit.setText("60-64")
    dock.references.add_button.click()
    settle()
    scroll = dock.findChild(QScrollArea)
    assert scroll is not None
    scroll.ensureWidgetVisible(dock.references)
    settle()
    save(dock, f"detect-prompts-{theme}")
    viewer.close()


def findings(study: Study, theme: str) -> None:
    """The Findings dock: empty and done."""
    viewer, dock, listed = window(theme)
    raise_dock(listed)
    settle()
    save(listed, f"findings-empty-{theme}")
    detected(viewer, dock, study)
    raise_dock(listed)
    settle()
    save(listed, f"findings-done-{theme}")
    viewer.close()


def train(study: Study, theme: str) -> None:
    """The Train dock: empty, running, done, error."""
    viewer, _, _ = window(theme)
    add_study(viewer, study)
    dock = in_front(viewer, "TrainDock")
    form = dock.form
    form.recipe_box.setCurrentIndex(form.recipe_box.findData("moe"))
    settle()
    save(dock, f"train-empty-{theme}")
    form.data.choose("volumes")
    table = form.data.table
    for row in range(table.rowCount()):
        table.item(row, 0).setCheckState(Qt.CheckState.Checked)
    form.options.set_values({**form.options.values(), **QUICK})
    form.start_button.click()
    settle(lambda: not dock.run.active or getattr(dock.run.progress, "epoch", 0) >= 4)
    save(dock, f"train-running-{theme}")
    settle(lambda: not dock.run.active)
    save(dock, f"train-done-{theme}")
    dock.view.new_button.click()
    form.data.choose("manifest", "normals.csv")
    form.start_button.click()
    settle(lambda: not dock.run.active)
    save(dock, f"train-error-{theme}")
    viewer.close()


def signs(study: Study, theme: str) -> None:
    """The Signs dock's pages: empty, filled, learning, results."""
    viewer, detecting, _ = window(theme)
    dock = in_front(viewer, "SignsDock")
    for page, name in enumerate(("signs", "shots-empty", "learn-empty", "results-empty")):
        dock.tabs.setCurrentIndex(page)
        settle()
        save(dock, f"{name}-{theme}")
    add_study(viewer, study)
    viewer.reset_view()
    settle(seconds=1)
    dock.signs.load("brain-glioma")
    dock.tabs.setCurrentWidget(dock.shots)
    for index, shown in SHOTS:
        viewer.dims.set_current_step(viewer.dims.ndim - 3, index)
        for row in range(dock.shots.categories.count()):
            state = Qt.CheckState.Checked if row in shown else Qt.CheckState.Unchecked
            dock.shots.categories.item(row).setCheckState(state)
        dock.shots.mark()
    settle()
    save(dock, f"shots-{theme}")
    dock.tabs.setCurrentWidget(dock.learning)
    dock.learning.start_button.click()
    settle(lambda: not dock.run.active)
    save(dock, f"learn-error-{theme}")
    dock.learning.view.new_button.click()
    dock.learning.options.set_values(QUICK_SIGNS)
    dock.learning.start_button.click()
    settle(lambda: len(dock.run.rows) > 25 or not dock.run.active, seconds=0.3)
    save(dock, f"learn-running-{theme}")
    settle(lambda: not dock.run.active)
    save(dock, f"learn-done-{theme}")
    dock.use()
    detecting.run()
    session = session_of(viewer)
    settle(lambda: session.current is not None and not detecting.work.running)
    raise_dock(dock)
    dock.tabs.setCurrentWidget(dock.results)
    for page, name in enumerate(("results-slices", "results-signs", "results-likeness")):
        dock.results.tabs.setCurrentIndex(page)
        settle()
        save(dock, f"{name}-{theme}")
    viewer.close()


def label(study: Study, theme: str) -> None:
    """The Label dock's pages: empty, labelled, teaching, masks, network, error."""
    viewer, _, _ = window(theme)
    dock = in_front(viewer, "LabelDock")
    settle()
    save(dock, f"label-empty-{theme}")
    dock.tabs.setCurrentWidget(dock.masks)
    settle()
    save(dock, f"label-masks-empty-{theme}")
    add_study(viewer, study)
    viewer.reset_view()
    settle(seconds=1)
    dock.name_box.setCurrentText(f"teaching-{theme}")
    dock.open(f"teaching-{theme}")
    dock.tabs.setCurrentWidget(dock.slices)
    for index, label in LABELLED:
        dock.slices.go_to(index)
        dock.slices.give(label)
    dock.slices.fill()
    settle()
    save(dock, f"label-slices-{theme}")
    dock.tabs.setCurrentWidget(dock.teaching)
    settle()
    save(dock, f"label-teacher-{theme}")
    dock.teacher_box.setCurrentIndex(dock.teacher_box.findData("gradcam"))
    dock.teaching.options.set_values({**dock.teaching.options.values(), **QUICK_TEACHER})
    dock.teaching.start_button.click()
    settle(lambda: not dock.saving.running and len(dock.run.rows) > 20)
    save(dock, f"label-teaching-{theme}")
    settle(lambda: not dock.run.active and not dock.saving.running)
    save(dock, f"label-taught-{theme}")
    dock.tabs.setCurrentWidget(dock.masks)
    dock.masks.mark()
    settle(lambda: dock.masks.footer.bar.maximum() > 0 or not dock.masks.work.running, 0.1)
    save(dock, f"label-marking-{theme}")
    settle(lambda: not dock.masks.work.running)
    dock.masks.open(0)
    settle(lambda: not dock.masks.reading.running)
    dock.slices.go_to(88)
    settle()
    save(dock, f"label-masks-{theme}")
    save(viewer.window._qt_window, f"label-window-{theme}")
    dock.masks.refine()
    settle(lambda: not dock.masks.work.running)
    save(dock, f"label-masks-error-{theme}")
    dock.tabs.setCurrentWidget(dock.network)
    settle()
    save(dock, f"label-network-{theme}")
    dock.network.options.set_values({**dock.network.options.values(), **QUICK_NETWORK})
    dock.network.start_button.click()
    settle(lambda: dock.network.own and not dock.run.active)
    save(dock, f"label-network-done-{theme}")
    viewer.close()


def correct(study: Study, theme: str) -> None:
    """The Correct dock: empty, offering, correcting, provenance, recovery, error."""
    viewer, detecting, _ = window(theme)
    dock = in_front(viewer, "CorrectDock")
    settle()
    save(dock, f"correct-empty-{theme}")
    detected(viewer, detecting, study)
    raise_dock(dock)
    settle()
    save(dock, f"correct-offer-{theme}")
    dock.begin()
    settle(lambda: dock.correction is not None)
    form, mask = dock.form, dock.editing.layers.mask
    form.buttons["accept"].click()
    form.table.choose([1])
    form.table.chosen.emit([1])
    dock.editing.take("brush")
    z, y, x = dock.correction.findings[0].peak_zyx
    with mask.block_history():
        for step in range(14):
            mask.paint((z, y - 14 + step, x + 22), 1)
    form.diameters_box.setChecked(True)
    form.provenance_box.setChecked(True)
    dock.recovery.save()
    settle(seconds=2)
    save(viewer.window._qt_window, f"correct-window-{theme}")
    save(dock, f"correct-correcting-{theme}")
    form.provenance_box.setChecked(False)
    dock.editing.session.select(1)
    viewer.dims.set_current_step(0, 84)
    settle()
    save(viewer.window._qt_window, f"correct-measured-{theme}")
    form.keys.expand(animate=False)
    settle()
    scroll = form.scroll
    scroll.verticalScrollBar().setValue(scroll.verticalScrollBar().maximum())
    settle()
    save(dock, f"correct-keys-{theme}")
    form.keys.collapse(animate=False)
    form.buttons["merge"].click()
    settle()
    save(dock, f"correct-error-{theme}")
    dock.confirm = lambda question: True
    dock.done()
    settle()
    save(dock, f"correct-recover-{theme}")
    viewer.close()


def teach(study: Study, theme: str) -> None:
    """The Teach dock: empty, error, ready, running, done and compared."""
    viewer, detecting, _ = window(theme)
    correcting, dock = in_front(viewer, "CorrectDock"), in_front(viewer, "TeachDock")
    settle()
    save(dock, f"teach-empty-{theme}")
    dock.page.start_button.click()
    settle()
    save(dock, f"teach-error-{theme}")
    detected(viewer, detecting, study)
    correcting.begin()
    settle(lambda: correcting.correction is not None)
    correcting.form.buttons["accept"].click()
    raise_dock(dock)
    settle()
    save(dock, f"teach-ready-{theme}")
    dock.page.start_button.click()
    settle(lambda: len(dock.run.rows) > 8 or not dock.run.active)
    save(dock, f"teach-running-{theme}")
    settle(lambda: not dock.run.active)
    settle(lambda: not dock.work.running)
    save(dock, f"teach-done-{theme}")
    viewer.close()


PICTURES = {
    "hero": hero,
    "detect": detect,
    "prompts": prompts,
    "findings": findings,
    "correct": correct,
    "teach": teach,
    "train": train,
    "signs": signs,
    "label": label,
}


def main() -> None:
    """Take the pictures named on the command line, or all."""
    IMAGES.mkdir(exist_ok=True)
    study = sample_study().study
    with tempfile.TemporaryDirectory() as home:
        os.environ["MEDAD_WEIGHTS"] = os.environ["MEDAD_RECOVERY"] = home
        for name in sys.argv[1:] or PICTURES:
            for theme in ("dark", "light"):
                PICTURES[name](study, theme)


if __name__ == "__main__":
    main()
