"""What to train, on what, with which options; and trainings that wait to be resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_medad.detectors.registry import cards
from napari_medad.errors import MedadError
from napari_medad.viewer.parts.fold import Fold
from napari_medad.viewer.parts.notice import Notice
from napari_medad.viewer.parts.scrolled import scrolled
from napari_medad.viewer.parts.settings_form import SettingsForm
from napari_medad.viewer.parts.training_data import TrainingData
from napari_medad.viewer.training_run import Order
from napari_medad.viewer.triton_apart import load_triton_apart
from napari_medad.weights.installed import (
    free_name,
    installed_weights,
    weights_home,
    writable_name,
)

if TYPE_CHECKING:
    import napari

    from napari_medad.detectors.card import Card
    from napari_medad.training.folder import Unfinished

VOLUMES = "volumes"


class TrainingForm(QWidget):
    """Sets up a training.

    Parameters
    ----------
    viewer : napari.Viewer

    Signals
    -------
    started : Order
    """

    started = Signal(object)

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.data = TrainingData(viewer, self)
        self.options: SettingsForm | None = None
        self._build()
        for card in sorted(cards().values(), key=lambda card: not installed_weights(card.name)):
            if card.recipe_class:
                self.recipe_box.addItem(card.title, card.name)
        self.recipe_box.currentIndexChanged.connect(self._on_recipe)
        self.preset_box.currentIndexChanged.connect(self._on_preset)
        self.start_button.clicked.connect(self._on_start)
        self.go_on_button.clicked.connect(self._on_go_on)
        self._on_recipe()
        self.refresh()

    def _build(self) -> None:
        body = QWidget(self)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scrolled(body, self))
        layout = QVBoxLayout(body)
        layout.addWidget(self._unfinished_row())
        self.recipe_box, self.preset_box, self.weights_box = (QComboBox(self) for _ in range(3))
        self.device_box, self.name_edit, self.about = QComboBox(self), QLineEdit(self), QLabel(self)
        self.device_box.addItems(["auto", "cpu", "cuda", "mps"])
        self.about.setWordWrap(True)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Recipe", self.recipe_box)
        form.addRow(self.about)
        form.addRow("Learn from", self.data)
        form.addRow("Preset", self.preset_box)
        form.addRow("Begin with", self.weights_box)
        form.addRow("Device", self.device_box)
        form.addRow("Model name", self.name_edit)
        layout.addLayout(form)
        self.fold = Fold("Options", self)
        layout.addWidget(self.fold)
        self.notice, self.start_button = Notice(self), QPushButton("Start training", self)
        layout.addWidget(self.start_button)
        layout.addWidget(self.notice)
        layout.addStretch()
        for box in (self.recipe_box, self.preset_box, self.weights_box):
            box.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            box.setMinimumContentsLength(14)

    def _unfinished_row(self) -> QWidget:
        self.unfinished_row, self.unfinished_box = QWidget(self), QComboBox(self)
        self.go_on_button = QPushButton("Resume", self)
        layout = QHBoxLayout(self.unfinished_row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Unfinished", self))
        layout.addWidget(self.unfinished_box, 1)
        layout.addWidget(self.go_on_button)
        return self.unfinished_row

    @property
    def card(self) -> Card:
        """Card of the chosen recipe's detector."""
        return cards()[self.recipe_box.currentData()]

    def order(self) -> Order:
        """What the form says.

        Raises
        ------
        MedadError
            Names the field that is wrong.
        """
        assert self.options is not None
        name = writable_name(self.name_edit.text())
        return Order(
            self.card.name,
            self.data.value(),
            weights_home() / self.card.name / name,
            self.options.values(),
            weights=self.weights_box.currentData(),
            device=self.device_box.currentText(),
        )

    def refresh(self) -> None:
        """List unfinished trainings and installed weights anew, and suggest a free name."""
        from napari_medad.training.folder import unfinished_trainings

        home = weights_home()
        self.unfinished_box.clear()
        for name in cards():
            for run in unfinished_trainings(home / name):
                title = f"{name} · {run.path.name} ({run.step} of {run.total} steps)"
                self.unfinished_box.addItem(title, run)
        self.unfinished_row.setVisible(self.unfinished_box.count() > 0)
        self.weights_box.clear()
        self.weights_box.addItem("random weights", None)
        for weights in installed_weights(self.card.name):
            self.weights_box.addItem(weights, weights)
        name = self.name_edit.text().strip()
        if not name or (home / self.card.name / name).exists():
            self.name_edit.setText(free_name(home / self.card.name, f"my-{self.card.name}"))
        self.notice.say("")

    def _on_recipe(self) -> None:
        load_triton_apart()  # recipes import torch's compiler, and that imports triton
        card = self.card
        recipe = card.recipe_type()
        self.about.setText(f"{card.about}<br>Learns from: {card.labels}.")
        self.data.offer(
            synthetic=recipe.synthetic, masks=card.labels not in ("none", "normal images")
        )
        if self.options is not None:
            self.options.hide()
            self.fold.removeWidget(self.options)
            self.options.deleteLater()
        self.options = SettingsForm(recipe.Options, parent=self)
        self.fold.addWidget(self.options)
        self.preset_box.blockSignals(True)
        self.preset_box.clear()
        self.preset_box.addItem("paper's defaults", None)
        for preset in recipe.presets:
            self.preset_box.addItem(preset, preset)
        self.preset_box.blockSignals(False)
        self.name_edit.clear()
        self.refresh()

    def _on_preset(self) -> None:
        assert self.options is not None
        presets = self.card.recipe_type().presets
        self.options.set_values(presets.get(self.preset_box.currentData(), {}))

    def _on_start(self) -> None:
        try:
            order = self.order()
        except MedadError as error:
            self.notice.say(str(error), "error")
            return
        self.notice.say("")
        self.started.emit(order)

    def _on_go_on(self) -> None:
        run: Unfinished = self.unfinished_box.currentData()
        try:
            data = self.data.value() if run.request.data == VOLUMES else run.request.data
        except MedadError:
            self.notice.say(
                "This training learns from open volumes: open them, choose 'Volumes open in the "
                "viewer', check the same ones as then, and resume.",
                "error",
            )
            return
        device = self.device_box.currentText()
        self.started.emit(Order(run.request.detector, data, run.path, device=device, resume=True))
