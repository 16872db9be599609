"""The Teach dock: a detector learns from corrections, and old and new are compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from napari.utils.theme import get_theme
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_medad.detectors.registry import card
from napari_medad.errors import MedadError
from napari_medad.training.teach import lesson, teachable
from napari_medad.viewer.parts.change_table import ChangeTable
from napari_medad.viewer.parts.lesson_list import LessonList
from napari_medad.viewer.parts.notice import DOCK_WIDTH
from napari_medad.viewer.parts.run_footer import RunFooter
from napari_medad.viewer.parts.training_page import TrainingPage
from napari_medad.viewer.session import session_of, unwrapped
from napari_medad.viewer.training_run import Order, training_of
from napari_medad.viewer.worker import Work, leave_a_core_to_the_window
from napari_medad.weights.installed import (
    free_name,
    installed_weights,
    weights_home,
    writable_name,
)

if TYPE_CHECKING:
    from napari_medad.detectors.recipe import Example
    from napari_medad.evaluation.before_after import Change


NO_LESSON = Path()
"""Stands for the folder of the new model before there is a lesson: no training goes there."""


class TeachDock(QWidget):
    """Teaches a detector from corrected masks.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self.viewer = unwrapped(napari_viewer)
        self.session = session_of(napari_viewer)
        self.run, self.work = training_of(self.session), Work(self)
        self.lessons = LessonList(self.session, self)
        self.detector_box, self.weights_box = QComboBox(self), QComboBox(self)
        self.name_edit = QLineEdit(self)
        for name in teachable():
            if installed_weights(name):
                self.detector_box.addItem(card(name).title, name)
        self.page = TrainingPage(self.run, self.detector, "Teach", parent=self)
        self.page.out = NO_LESSON
        self.page.refresh()
        self.changes, self.footer = ChangeTable(self), RunFooter(self)
        self.new_button = QPushButton("Use the new model", self)
        self.old_button = QPushButton("Back to the old one", self)
        self.examples: tuple[Example, ...] = ()
        self.old = ""
        self._build()
        self._connect()
        self._on_detector()
        self._on_current()
        self._on_theme()
        self._show()

    def _build(self) -> None:
        self.page.rows.insertRow(0, "Detector", self.detector_box)
        self.page.rows.insertRow(1, "Begin with", self.weights_box)
        self.page.rows.insertRow(2, "New model", self.name_edit)
        self.page.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.page.view.use_button.setText("Compare old and new")
        self.footer.run_button.setText("Compare old and new")
        row = QHBoxLayout()
        row.addWidget(self.old_button)
        row.addWidget(self.new_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.lessons)
        layout.addWidget(self.page, 1)
        layout.addWidget(self.changes)
        layout.addLayout(row)
        layout.addWidget(self.footer)
        self.setMinimumWidth(DOCK_WIDTH)

    def _connect(self) -> None:
        self.detector_box.currentIndexChanged.connect(self._on_detector)
        self.lessons.changed.connect(self._on_lesson)
        self.weights_box.currentIndexChanged.connect(self._on_lesson)
        self.page.wanted.connect(self.teach)
        self.page.view.use_button.clicked.connect(self.compare)
        self.page.view.new_button.clicked.connect(self._show)
        self.footer.run_button.clicked.connect(self.compare)
        self.new_button.clicked.connect(lambda: self.use(self.new))
        self.old_button.clicked.connect(lambda: self.use(self.old))
        self.session.current_changed.connect(self._on_current)
        self.run.changed.connect(self._show)
        self.run.finished.connect(self._on_finished)
        self.footer.follow(self.work, "Stopped.", "warning")
        self.work.finished.connect(self._on_compared)
        self.work.ended.connect(lambda: self.footer.end(True))
        self.viewer.events.theme.connect(self._on_theme)

    @property
    def detector(self) -> str:
        """The chosen detector."""
        return self.detector_box.currentData()

    @property
    def new(self) -> str:
        """Name of the new model; empty before there is one."""
        return self.page.out.name if self.page.own and self.page.out is not None else ""

    def teach(self) -> None:
        """Begin the lesson."""
        assert self.page.options is not None
        try:
            if self.run.active:
                raise MedadError("A training is running in another dock; wait for it, or stop it.")
            examples = self.lessons.examples()
            old = self.weights_box.currentData()
            begin, _ = lesson(self.detector, len(examples), old)
            name = writable_name(self.name_edit.text())
        except MedadError as error:
            self.page.notice.say(str(error), "error")
            return
        self.examples, self.old = examples, old
        self.page.notice.say("")
        self.page.out = weights_home() / self.detector / name
        self.changes.show_changes(())
        self.run.start(
            Order(
                self.detector,
                examples,
                self.page.out,
                self.page.options.values(),
                weights=str(begin.path),
                device=self.page.device_box.currentText(),
            )
        )

    def compare(self) -> None:
        """Measure the old and the new model in a thread."""
        from napari_medad.evaluation.before_after import before_and_after

        name, old, new = self.detector, self.old, self.new
        examples, device = self.examples, self.page.device_box.currentText()

        def measure(report: Callable[[Any], str | None]) -> list[Change]:
            leave_a_core_to_the_window()
            return before_and_after(name, old, new, examples, device=device, progress=report)

        self.footer.begin("Looking at the scans with both models …")
        self.work.start(measure)

    def use(self, weights: str) -> None:
        """Choose a model in the Detect dock, and bring that to the front."""
        from napari_medad.viewer.app import PLUGIN, raise_dock

        _, dock = self.viewer.window.add_plugin_dock_widget(PLUGIN, "Detect", tabify=True)
        dock.choose(self.detector, weights)
        raise_dock(dock)

    def _on_compared(self, changes: list[Change]) -> None:
        self.changes.show_changes(changes)
        taught = [c for c in changes if c.corrected]
        others = [c for c in changes if not c.corrected]
        told = [
            f"{what}: average precision {_mean(before):.2f} → {_mean(after):.2f}"
            for what, held in (("Corrected scans", taught), ("Synthetic ones", others))
            if (before := [c.before.average_precision or 0.0 for c in held])
            and (after := [c.after.average_precision or 0.0 for c in held])
        ]
        self.footer.say(". ".join(told) + ".", "good")

    def _on_finished(self) -> None:
        if self.page.own:
            self.session.forget(self.detector)
            self.compare()

    def _on_detector(self) -> None:
        self.page.offer(self.detector)
        self.page.rows.setRowVisible(self.page.preset_box, False)
        self.weights_box.blockSignals(True)
        self.weights_box.clear()
        for name in installed_weights(self.detector):
            self.weights_box.addItem(name, name)
        self.weights_box.blockSignals(False)
        home = weights_home() / self.detector
        self.name_edit.setText(free_name(home, f"my-{self.detector}"))
        self._on_lesson()

    def _on_lesson(self) -> None:
        """Show the options that the lesson would have."""
        assert self.page.options is not None
        self.page.notice.say("")
        scans = max(1, self.lessons.list.count())
        try:
            _, options = lesson(self.detector, scans, self.weights_box.currentData())
        except MedadError as error:
            self.page.notice.say(str(error), "error")
            return
        self.page.options.set_values(options)

    def _on_current(self, detection: Any = None) -> None:
        """Follow the detector whose findings are looked at."""
        current = self.session.current
        if current is not None and not self.page.own:
            self.detector_box.setCurrentIndex(max(0, self.detector_box.findData(current.detector)))

    def _show(self) -> None:
        done = self.page.own and self.run.state == "done"
        for widget in (self.changes, self.old_button, self.new_button, self.footer):
            widget.setVisible(done)
        self.page.view.use_button.setVisible(False)
        if self.run.state == "ready":
            self.page.out = NO_LESSON

    def _on_theme(self, event: Any = None) -> None:
        theme = get_theme(self.viewer.theme)
        self.page.view.curves.set_colours(theme.background.as_hex(), theme.text.as_hex())


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
