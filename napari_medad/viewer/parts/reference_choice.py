"""Which layer is the reference, which of its labels count, and whether it is resampled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Layer
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QListView,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_medad.viewer.reference_layer import MOST_LABELS, reference_layers

if TYPE_CHECKING:
    import napari

CHOOSE = "Choose a labels layer …"
LABEL_SIZE, LABELS_A_LINE = (56, 22), 6
"""Pixels of a label with its tick, and how many stand beside each other."""
FILES = "Masks (*.nii *.nii.gz *.nrrd *.mha *.mhd *.mgz *.img *.hdr);;All files (*)"


class ReferenceChoice(QWidget):
    """Lists the viewer's labels layers; emits `changed` when what is chosen has changed.

    Parameters
    ----------
    viewer : napari.Viewer

    Signals
    -------
    changed
        Another layer, or other labels of it, or it is to be resampled.
    opened : Path
        The user has chosen a file.
    """

    changed = Signal()
    opened = Signal(Path)

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.own_mask: Layer | None = None
        self._layer: Layer | None = None
        self._filling = False
        self._build()
        self.box.currentIndexChanged.connect(self._on_chosen)
        self.open_button.clicked.connect(self._browse)
        self.labels.itemChanged.connect(self._on_label)
        self.resample_box.toggled.connect(lambda _: self.changed.emit())
        layers = viewer.layers.events
        for event in (layers.inserted, layers.removed):
            event.connect(self.refill)
        layers.inserted.connect(lambda event: event.value.events.name.connect(self.refill))
        self.refill()

    def _build(self) -> None:
        self.box, self.open_button = QComboBox(self), QPushButton("Open …", self)
        self.box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.box.setMinimumContentsLength(14)
        self.box.setToolTip("Labels drawn by a reader; 0 is healthy")
        self.open_button.setToolTip("Open a mask from a file as a labels layer")
        self.labels = QListWidget(self)
        self.labels.setFlow(QListView.Flow.LeftToRight)
        self.labels.setWrapping(True)
        self.labels.setResizeMode(QListView.ResizeMode.Adjust)
        self.labels.setToolTip("Labels of the reference that count as lesion")
        self.labels.setVisible(False)
        self.resample_box = QCheckBox("Resample the reference onto the map's voxels", self)
        self.resample_box.setToolTip("By nearest neighbour; small lesions may lose voxels")
        self.resample_box.setVisible(False)
        row = QHBoxLayout()
        row.addWidget(self.box, 1)
        row.addWidget(self.open_button)
        form = QFormLayout()
        form.addRow("Reference", row)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.labels)
        layout.addWidget(self.resample_box)

    @property
    def layer(self) -> Layer | None:
        """The chosen layer."""
        return self._layer

    @property
    def chosen_labels(self) -> tuple[int, ...]:
        """Labels that count; empty: all of them."""
        items = [self.labels.item(row) for row in range(self.labels.count())]
        on = [item for item in items if item.checkState() == Qt.CheckState.Checked]
        if len(on) == len(items):
            return ()
        return tuple(item.data(Qt.ItemDataRole.UserRole) for item in on)

    @property
    def resampled(self) -> bool:
        """Whether the user wants it resampled."""
        return not self.resample_box.isHidden() and self.resample_box.isChecked()

    def choose(self, layer: Layer | None) -> None:
        """Choose a layer as a user would."""
        self.box.setCurrentIndex(max(0, self.box.findData(layer)))

    def refill(self, event: Any = None) -> None:
        """List the layers anew and stay with the one that is chosen."""
        layers = reference_layers(self.viewer, self.own_mask)
        self.box.blockSignals(True)
        self.box.clear()
        self.box.addItem(CHOOSE, None)
        for layer in layers:
            self.box.addItem(layer.name, layer)
        kept = next((n for n, la in enumerate(layers, 1) if la is self._layer), 0)
        self.box.setCurrentIndex(kept)
        self.box.blockSignals(False)
        if not kept and self._layer is not None:
            self._on_chosen(0)

    def offer_labels(self, labels: Sequence[int]) -> None:
        """Show the labels to choose among, where there are several and not too many."""
        held = [self.labels.item(row) for row in range(self.labels.count())]
        if [item.data(Qt.ItemDataRole.UserRole) for item in held] == list(labels):
            return
        self._filling = True
        self.labels.clear()
        for label in labels if 1 < len(labels) <= MOST_LABELS else ():
            item = QListWidgetItem(str(label))
            item.setData(Qt.ItemDataRole.UserRole, label)
            item.setCheckState(Qt.CheckState.Checked)
            item.setSizeHint(QSize(*LABEL_SIZE))
            self.labels.addItem(item)
        lines = 1 if self.labels.count() <= LABELS_A_LINE else 2
        self.labels.setFixedHeight(lines * LABEL_SIZE[1] + 6)
        self.labels.setVisible(self.labels.count() > 0)
        self._filling = False

    def offer_resampling(self, on: bool) -> None:
        """Show the choice, for a reference on other voxels."""
        self.resample_box.setVisible(on)

    def _on_chosen(self, row: int) -> None:
        self._layer = self.box.itemData(row)
        self.offer_labels([])
        self.resample_box.blockSignals(True)
        self.resample_box.setChecked(False)
        self.resample_box.blockSignals(False)
        self.offer_resampling(False)
        self.changed.emit()

    def _on_label(self, item: QListWidgetItem) -> None:
        if not self._filling:
            self.changed.emit()

    def _browse(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open a reference mask", "", FILES)
        if name:
            self.opened.emit(Path(name))
