"""The Signs dock: radiological signs, marked slices, learning, and what came of it."""

from __future__ import annotations

from typing import Any

import napari
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QSizePolicy, QTabWidget, QVBoxLayout, QWidget

from napari_medad.errors import MedadError
from napari_medad.viewer.parts.category_results import CategoryResults
from napari_medad.viewer.parts.learn_page import DETECTOR, LearnPage
from napari_medad.viewer.parts.notice import DOCK_WIDTH
from napari_medad.viewer.parts.shot_list import ShotList
from napari_medad.viewer.parts.sign_editor import SignEditor
from napari_medad.viewer.session import session_of, unwrapped
from napari_medad.viewer.training_run import training_of


class SignsDock(QWidget):
    """Teaches the detector sdmad categories from phrases and a few slices.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self.viewer = unwrapped(napari_viewer)
        self.session = session_of(napari_viewer)
        self.run = training_of(self.session)
        self.signs, self.shots = SignEditor(self), ShotList(self.viewer, self)
        self.learning = LearnPage(self.run, self)
        self.results = CategoryResults(self.viewer, self)
        self.tabs = QTabWidget(self)
        for page, title in (
            (self.signs, "1 Signs"),
            (self.shots, "2 Shots"),
            (self.learning, "3 Learn"),
            (self.results, "Results"),
        ):
            self.tabs.addTab(page, title)
        self.tabs.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.setMinimumWidth(DOCK_WIDTH)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.tabs)
        self._connect()
        self._on_signs()
        self._on_theme()

    def _connect(self) -> None:
        self.signs.changed.connect(self._on_signs)
        self.learning.wanted.connect(self.learn)
        self.learning.view.use_button.clicked.connect(self.use)
        self.run.finished.connect(self._on_finished)
        self.tabs.currentChanged.connect(self._on_page)
        self.viewer.events.theme.connect(self._on_theme)

    def learn(self) -> None:
        """Teach the signs from the shots."""
        try:
            signs, examples = self.signs.value(), self.shots.examples()
        except MedadError as error:
            self.learning.notice.say(str(error), "error")
            return
        self.learning.start(signs, examples)

    def use(self) -> None:
        """Choose the new model in the Detect dock, and bring that to the front."""
        from napari_medad.viewer.app import PLUGIN, raise_dock

        assert self.run.order is not None
        _, dock = self.viewer.window.add_plugin_dock_widget(PLUGIN, "Detect", tabify=True)
        dock.choose(DETECTOR, self.run.order.out.name)
        raise_dock(dock)

    def _on_signs(self) -> None:
        self.shots.offer(self.signs.names)

    def _on_finished(self) -> None:
        if self.learning.own:
            self.session.forget(DETECTOR)

    def _on_page(self, page: int) -> None:
        if self.tabs.widget(page) is self.learning and not self.learning.own:
            self.learning.tell_needs()
            if self.run.state == "ready":
                self.run.prepare()

    def _on_theme(self, event: Any = None) -> None:
        theme = get_theme(self.viewer.theme)
        self.learning.view.curves.set_colours(theme.background.as_hex(), theme.text.as_hex())
