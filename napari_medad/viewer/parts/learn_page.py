"""Learn categories from signs and shots: a name, the options, a start; then the training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QLineEdit,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_medad.detectors.needs import clip_sentence
from napari_medad.detectors.registry import card
from napari_medad.detectors.sdmad.signs import SignList
from napari_medad.errors import MedadError
from napari_medad.viewer.parts.fold import Fold
from napari_medad.viewer.parts.notice import Notice
from napari_medad.viewer.parts.settings_form import SettingsForm
from napari_medad.viewer.parts.training_view import TrainingView
from napari_medad.viewer.training_run import Order, TrainingRun
from napari_medad.weights.installed import free_name, weights_home, writable_name

DETECTOR = "sdmad"
SIGNS = "signs"
"""Folder, beside those of the detectors' weights, of the lists that trainings were given."""


class LearnPage(QWidget):
    """Sets up and shows the training of the categories.

    Parameters
    ----------
    run : TrainingRun
        The viewer's one training, which other docks show also.

    Signals
    -------
    wanted
        The user has pressed Learn.
    """

    wanted = Signal()

    def __init__(self, run: TrainingRun, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run = run
        self.form, self.view = QWidget(self), TrainingView(self)
        self.name_edit, self.device_box = QLineEdit(self), QComboBox(self)
        self.device_box.addItems(["auto", "cpu", "cuda", "mps"])
        self.options = SettingsForm(card(DETECTOR).recipe_type().Options, (SIGNS,), self)
        self.start_button, self.notice = QPushButton("Learn", self), Notice(self)
        self.pages = QStackedWidget(self)
        self._build()
        self.start_button.clicked.connect(self.wanted)
        self.view.pause_button.toggled.connect(self._pause)
        self.view.cancel_button.clicked.connect(self._cancel)
        self.view.resume_button.clicked.connect(self._resume)
        self.view.new_button.clicked.connect(self._new)
        self.run.changed.connect(self.refresh)
        self._suggest()
        self.refresh()

    def _build(self) -> None:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Model name", self.name_edit)
        form.addRow("Device", self.device_box)
        fold = Fold("Options", self)
        fold.addWidget(self.options)
        inside = QVBoxLayout(self.form)
        inside.setContentsMargins(0, 4, 0, 0)
        inside.addLayout(form)
        for widget in (fold, self.start_button, self.notice):
            inside.addWidget(widget)
        inside.addStretch()
        self.view.layer_row.hide()
        self.pages.addWidget(self.form)
        self.pages.addWidget(self.view)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.pages)

    @property
    def own(self) -> bool:
        """Whether the viewer's training is one of these."""
        return self.run.order is not None and self.run.order.detector == DETECTOR

    def start(self, signs: SignList, examples: tuple[Any, ...]) -> None:
        """Begin to learn; says what is wrong where it cannot."""
        try:
            if self.run.active:
                raise MedadError(
                    "A training is running in the Train dock; wait for it, or stop it."
                )
            name = writable_name(self.name_edit.text())
            kept = weights_home() / SIGNS / f"{name}.yaml"
            signs.save(_in_folder(kept))
        except (MedadError, OSError) as error:
            self.notice.say(str(error), "error")
            return
        self.notice.say("")
        self.run.start(
            Order(
                DETECTOR,
                examples,
                weights_home() / DETECTOR / name,
                {**self.options.values(), SIGNS: str(kept)},
                device=self.device_box.currentText(),
            )
        )

    def refresh(self) -> None:
        """Show the training where it is one of these, else the form."""
        shown = self.own and self.run.state != "ready"
        self.pages.setCurrentWidget(self.view if shown else self.form)
        if shown:
            self.view.show_run(self.run)
            self.view.layer_row.hide()
        self.start_button.setEnabled(not self.run.active)

    def tell_needs(self) -> None:
        """Say which weights of CLIP are missing, if any."""
        needed = clip_sentence(card(DETECTOR))
        self.notice.say(f"Learning {needed}" if needed else "", "warning")

    def _suggest(self) -> None:
        self.name_edit.setText(free_name(weights_home() / DETECTOR, "my-signs"))

    def _pause(self, on: bool) -> None:
        if self.own:
            self.run.pause(on)

    def _cancel(self) -> None:
        if self.own:
            self.run.cancel()

    def _resume(self) -> None:
        self.view.pause_button.setChecked(False)
        self.run.resume()

    def _new(self) -> None:
        self._suggest()
        self.run.dismiss()


def _in_folder(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
