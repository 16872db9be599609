"""A page that sets up one kind of training and shows it as it goes."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_medad.detectors.registry import card
from napari_medad.viewer.parts.fold import Fold
from napari_medad.viewer.parts.notice import Notice
from napari_medad.viewer.parts.settings_form import SettingsForm
from napari_medad.viewer.parts.training_view import TrainingView
from napari_medad.viewer.training_run import TrainingRun
from napari_medad.viewer.triton_apart import load_triton_apart


class TrainingPage(QWidget):
    """Options and a start button; once it has started, the curves.

    Parameters
    ----------
    run : TrainingRun
        The viewer's one training, which other docks show also.
    detector : str
    start : str
        What the start button says.
    hidden : tuple of str
        Options that the user does not set here.

    Signals
    -------
    wanted
        The user has pressed the start button.
    """

    wanted = Signal()

    def __init__(
        self,
        run: TrainingRun,
        detector: str,
        start: str,
        hidden: tuple[str, ...] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.run, self.hidden = run, hidden
        self.out: Path | None = None
        self.form, self.view = QWidget(self), TrainingView(self)
        self.rows, self.fold = QFormLayout(), Fold("Options", self)
        self.device_box, self.preset_box = QComboBox(self), QComboBox(self)
        self.device_box.addItems(["auto", "cpu", "cuda", "mps"])
        self.start_button, self.notice = QPushButton(start, self), Notice(self)
        self.pages = QStackedWidget(self)
        self.options: SettingsForm | None = None
        self._build()
        self.offer(detector)
        self.start_button.clicked.connect(self.wanted)
        self.preset_box.currentIndexChanged.connect(self._on_preset)
        self.view.pause_button.toggled.connect(self._pause)
        self.view.cancel_button.clicked.connect(self._cancel)
        self.view.resume_button.clicked.connect(self._resume)
        self.view.new_button.clicked.connect(self._new)
        self.run.changed.connect(self.refresh)
        self.refresh()

    def _build(self) -> None:
        self.rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.rows.addRow("Preset", self.preset_box)
        self.rows.addRow("Device", self.device_box)
        inside = QVBoxLayout(self.form)
        inside.setContentsMargins(0, 4, 0, 0)
        inside.addLayout(self.rows)
        for widget in (self.fold, self.start_button, self.notice):
            inside.addWidget(widget)
        inside.addStretch()
        self.view.layer_row.hide()
        self.pages.addWidget(self.form)
        self.pages.addWidget(self.view)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.pages)

    def offer(self, detector: str) -> None:
        """Offer the training options of a detector."""
        load_triton_apart()  # recipes import torch's compiler, and that imports triton
        self.detector = detector
        if self.options is not None:
            self.options.hide()
            self.fold.removeWidget(self.options)
            self.options.deleteLater()
        recipe = card(detector).recipe_type()
        self.options = SettingsForm(recipe.Options, self.hidden, self)
        self.fold.addWidget(self.options)
        self.preset_box.blockSignals(True)
        self.preset_box.clear()
        self.preset_box.addItem("paper's defaults", None)
        for preset in recipe.presets:
            self.preset_box.addItem(preset, preset)
        self.preset_box.blockSignals(False)
        self.rows.setRowVisible(self.preset_box, bool(recipe.presets))

    @property
    def own(self) -> bool:
        """Whether the viewer's training is the one of this page."""
        order = self.run.order
        if order is None or order.detector != self.detector:
            return False
        return self.out is None or order.out == self.out

    def refresh(self) -> None:
        """Show the training where it is this page's, else the form."""
        shown = self.own and self.run.state != "ready"
        self.pages.setCurrentWidget(self.view if shown else self.form)
        if shown:
            self.view.show_run(self.run)
            self.view.layer_row.hide()
        self.start_button.setEnabled(not self.run.active)

    def _on_preset(self) -> None:
        assert self.options is not None
        presets = card(self.detector).recipe_type().presets
        self.options.set_values(presets.get(self.preset_box.currentData(), {}))

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
        self.run.dismiss()
