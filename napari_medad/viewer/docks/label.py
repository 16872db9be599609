"""The Label dock: from labels of slices to a network that outlines, step by step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
from napari.utils.theme import get_theme
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QSizePolicy,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_medad.detectors.needs import clip_sentence
from napari_medad.detectors.recipe import Example
from napari_medad.detectors.registry import card, cards
from napari_medad.errors import MedadError
from napari_medad.training.progress import looking
from napari_medad.training.slice_labelling import SliceLabelling, labellings
from napari_medad.training.weak_to_strong import Chain, WeakToStrong, teacher_of
from napari_medad.viewer.parts.notice import DOCK_WIDTH
from napari_medad.viewer.parts.slice_labels import SliceLabels
from napari_medad.viewer.parts.training_page import TrainingPage
from napari_medad.viewer.parts.weak_masks import WeakMasks, write_painted
from napari_medad.viewer.session import session_of, unwrapped
from napari_medad.viewer.training_run import Order, training_of
from napari_medad.viewer.worker import Work
from napari_medad.weights.installed import free_name, weights_home, writable_name

STRONG = "rasalore"
BUSY = "A training is running in another dock; wait for it, or stop it."


class LabelDock(QWidget):
    """Labels slices, teaches a teacher, shows its masks, and trains rasalore from them.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self.viewer = unwrapped(napari_viewer)
        self.session = session_of(napari_viewer)
        self.run = training_of(self.session)
        self.saving, self.keeping = Work(self), Work(self)
        self.name_box, self.teacher_box = QComboBox(self), QComboBox(self)
        self.name_box.setEditable(True)
        self.name_box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        for name, held in cards().items():
            if "slice labels" in held.labels and held.recipe_class:
                self.teacher_box.addItem(held.title, name)
        self.slices = SliceLabels(self.viewer, self)
        self.teaching = TrainingPage(self.run, self.teacher, "Train the teacher", parent=self)
        self.teaching.rows.insertRow(0, "Teacher", self.teacher_box)
        self.masks = WeakMasks(self.viewer, self)
        self.network = TrainingPage(self.run, STRONG, f"Train {STRONG}", parent=self)
        self.tabs = QTabWidget(self)
        self._build()
        self._connect()
        self.choose()
        self._on_theme()

    def _build(self) -> None:
        for page, title in (
            (self.slices, "1 Slices"),
            (self.teaching, "2 Teacher"),
            (self.masks, "3 Masks"),
            (self.network, "4 Network"),
        ):
            self.tabs.addTab(page, title)
        self.tabs.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.setMinimumWidth(DOCK_WIDTH)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Model name", self.name_box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(form)
        layout.addWidget(self.tabs)

    def _connect(self) -> None:
        self.name_box.activated.connect(lambda _: self.open(self.name_box.currentText()))
        self.name_box.lineEdit().editingFinished.connect(
            lambda: self.open(self.name_box.currentText())
        )
        self.teacher_box.currentIndexChanged.connect(self._on_teacher)
        self.slices.changed.connect(self._on_labels)
        self.teaching.wanted.connect(self.teach)
        self.network.wanted.connect(self.train)
        self.teaching.view.use_button.setText("Go on to the masks")
        self.teaching.view.use_button.clicked.connect(
            lambda: self.tabs.setCurrentWidget(self.masks)
        )
        self.network.view.use_button.clicked.connect(self.use)
        self.masks.changed.connect(self._on_page)
        self.run.finished.connect(self._on_finished)
        self.saving.failed.connect(lambda sentence: self.teaching.notice.say(sentence, "error"))
        self.saving.progressed.connect(
            lambda p: self.teaching.notice.say(f"Keeping image {p.done + 1} of {p.total} …")
        )
        self.saving.finished.connect(self._on_saved)
        self.keeping.failed.connect(lambda sentence: self.network.notice.say(sentence, "error"))
        self.keeping.finished.connect(self._begin)
        self.tabs.currentChanged.connect(self._on_page)
        self.viewer.events.theme.connect(self._on_theme)

    @property
    def teacher(self) -> str:
        """The chosen teacher."""
        return self.teacher_box.currentData()

    @property
    def home(self) -> Path:
        """Folder of the chosen model."""
        return self.labelling.home

    def choose(self) -> None:
        """Begin with the latest unfinished labelling, or a new one."""
        home = weights_home() / STRONG
        names = [name for name in labellings(home) if not (home / name / "model.json").is_file()]
        self.name_box.clear()
        self.name_box.addItems([*names, free_name(home, f"my-{STRONG}")])
        self.open(self.name_box.currentText())

    def open(self, name: str) -> None:
        """Go on with the labels of this name, or begin them."""
        try:
            home = weights_home() / STRONG / writable_name(name)
            self.labelling = SliceLabelling(home)
        except MedadError as error:
            self.slices.notice.say(str(error), "error")
            return
        self.teaching.out, self.network.out = home / "teacher", home
        known = teacher_of(home)
        if known is not None:
            self.teacher_box.setCurrentIndex(max(0, self.teacher_box.findData(known)))
        self.slices.show_labelling(self.labelling)
        self._on_labels()
        self._on_page()

    def steps(self, examples: tuple[Example, ...] | None = None) -> WeakToStrong:
        """The chain as it is now.

        Raises
        ------
        MedadError
            If slices or images are missing.
        """
        held = self.labelling.examples() if examples is None else examples
        device = self.teaching.device_box.currentText()
        return WeakToStrong(self.home, held, Chain(self.teacher), device)

    def teach(self) -> None:
        """Keep the images, then train the teacher."""
        normal, abnormal = self.labelling.counts()
        if not (normal and abnormal):
            self.teaching.notice.say("Label normal and abnormal slices first.", "error")
        elif self.run.active or self.saving.running:
            self.teaching.notice.say(BUSY, "error")
        else:
            self.teaching.notice.say("Keeping the images …")
            self.saving.start(self._save)

    def train(self) -> None:
        """Keep what was painted, then train the network from the masks."""
        assert self.network.options is not None
        try:
            if self.run.active or self.keeping.running:
                raise MedadError(BUSY)
            steps = self.steps()
            if not all(path.is_file() for path in steps.masks("weak")):
                raise MedadError("Not every image has a mask yet; make them on the Masks page.")
        except MedadError as error:
            self.network.notice.say(str(error), "error")
            return
        painted = self.masks.painted()
        order = Order(
            STRONG,
            steps.manifest,
            self.home,
            self.network.options.values(),
            device=self.network.device_box.currentText(),
            resume=(self.home / "training.json").is_file(),
        )

        def keep(report: Callable[[Any], str | None]) -> Order:
            write_painted(painted)
            steps.write_manifest()
            return order

        self.network.notice.say("Keeping the masks …")
        self.keeping.start(keep)

    def use(self) -> None:
        """Choose the new model in the Detect dock, and bring that to the front."""
        from napari_medad.viewer.app import PLUGIN, raise_dock

        _, dock = self.viewer.window.add_plugin_dock_widget(PLUGIN, "Detect", tabify=True)
        dock.choose(STRONG, self.home.name)
        raise_dock(dock)

    def _save(self, report: Callable[[Any], str | None]) -> tuple[Example, ...]:
        self.labelling.save_images(looking(report))
        return self.labelling.examples()

    def _on_saved(self, examples: tuple[Example, ...]) -> None:
        assert self.teaching.options is not None
        out = self.home / "teacher"
        self._begin(
            Order(
                self.teacher,
                examples,
                out,
                self.teaching.options.values(),
                device=self.teaching.device_box.currentText(),
                resume=(out / "training.json").is_file(),
            )
        )

    def _begin(self, order: Order) -> None:
        for page in (self.teaching, self.network):
            page.notice.say("")
            page.view.pause_button.setChecked(False)
        self.run.start(order)

    def _on_finished(self) -> None:
        if self.network.own:
            self.session.forget(STRONG)
        self._on_page()

    def _on_teacher(self) -> None:
        self.teaching.offer(self.teacher)
        self._on_page()

    def _on_labels(self) -> None:
        _, abnormal = self.labelling.counts()
        self.teaching.start_button.setText("Train the teacher")
        self.tabs.setTabText(0, f"1 Slices ({abnormal})" if abnormal else "1 Slices")

    def _on_page(self, index: int = 0) -> None:
        """Say on each page what it still waits for."""
        page = self.tabs.currentWidget()
        if page is self.teaching and not self.run.active:
            taught = (
                teacher_of(self.home) is not None and (self.home / "teacher/model.json").exists()
            )
            needed = clip_sentence(card(self.teacher))
            if taught:
                self.teaching.notice.say("The teacher is trained; go on to the masks.", "good")
            else:
                self.teaching.notice.say(f"Learning {needed}" if needed else "", "warning")
            self.teaching.start_button.setEnabled(not taught)
            if self.run.state == "ready":
                self.run.prepare()
        elif page is self.masks:
            try:
                steps = self.steps()
                reason = "" if steps.taught else "Train the teacher first."
                self.masks.show_steps(steps, reason)
            except MedadError as error:
                self.masks.show_steps(None, str(error))

    def _on_theme(self, event: Any = None) -> None:
        theme = get_theme(self.viewer.theme)
        for page in (self.teaching, self.network):
            page.view.curves.set_colours(theme.background.as_hex(), theme.text.as_hex())
