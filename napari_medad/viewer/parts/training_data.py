"""What to learn from: a folder, a manifest, volumes open in the viewer, or synthetic images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_medad.errors import MedadError
from napari_medad.viewer.layers import study_of, volume_layers

if TYPE_CHECKING:
    import napari

    from napari_medad.detectors.recipe import Example

FOLDER, MANIFEST, LAYERS, SYNTHETIC = "folder", "manifest", "volumes", "synthetic"
TITLES = {
    SYNTHETIC: "Synthetic images",
    LAYERS: "Volumes open in the viewer",
    FOLDER: "Folder of images",
    MANIFEST: "Manifest (CSV or JSON)",
}
NORMAL = "none (normal)"


class TrainingData(QWidget):
    """Chooses the data of a training.

    Parameters
    ----------
    viewer : napari.Viewer

    Signals
    -------
    changed
    """

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.source = QComboBox(self)
        self.source.currentIndexChanged.connect(self._on_source)
        self.path = QLineEdit(self)
        self.path.textChanged.connect(self.changed)
        self.browse = QPushButton("Browse…", self)
        self.browse.clicked.connect(self._on_browse)
        self.table = _LayerTable(viewer, self)
        self.about = QLabel("Made without end by the recipe; nobody's data are needed.", self)
        self.about.setWordWrap(True)
        self.path_row = self._path_row()
        self.table.setFixedHeight(180)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.source, self.about, self.table, self.path_row):
            layout.addWidget(widget)
        self.offer(synthetic=True, masks=False)

    def offer(self, *, synthetic: bool, masks: bool) -> None:
        """Offer what a recipe can learn from."""
        kept = self.source.currentData()
        self.source.blockSignals(True)
        self.source.clear()
        for key, title in TITLES.items():
            if key != SYNTHETIC or synthetic:
                self.source.addItem(title, key)
        self.source.setCurrentIndex(max(0, self.source.findData(kept)))
        self.source.blockSignals(False)
        self.table.setColumnHidden(2, not masks)
        self._on_source()

    def choose(self, source: str, path: str | Path = "") -> None:
        """Show a source, and its path where it has one."""
        self.source.setCurrentIndex(max(0, self.source.findData(source)))
        self.path.setText(str(path))

    def value(self) -> str | Path | tuple[Example, ...]:
        """The data as `medad.train` takes them.

        Raises
        ------
        MedadError
            If nothing is chosen.
        """
        source = self.source.currentData()
        if source == SYNTHETIC:
            return SYNTHETIC
        if source == LAYERS:
            return self.table.examples()
        if not self.path.text().strip():
            raise MedadError(f"No {source} is chosen; give the path of one.")
        return Path(self.path.text().strip()).expanduser()

    def _path_row(self) -> QWidget:
        row = QWidget(self)
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.path, 1)
        layout.addWidget(self.browse)
        return row

    def _on_source(self) -> None:
        source = self.source.currentData()
        self.about.setVisible(source == SYNTHETIC)
        self.table.setVisible(source == LAYERS)
        self.path_row.setVisible(source in (FOLDER, MANIFEST))
        example = "a folder; its sub-folders are tasks" if source == FOLDER else "a .csv or .json"
        self.path.setPlaceholderText(example)
        self.changed.emit()

    def _on_browse(self) -> None:
        if self.source.currentData() == FOLDER:
            found = QFileDialog.getExistingDirectory(self, "Folder of images")
        else:
            found, _ = QFileDialog.getOpenFileName(
                self, "Manifest", filter="Manifests (*.csv *.tsv *.json)"
            )
        if found:
            self.path.setText(found)


class _LayerTable(QTableWidget):
    """The open volumes: which to learn from, as what task, with what mask."""

    def __init__(self, viewer: napari.Viewer, parent: QWidget) -> None:
        super().__init__(0, 3, parent)
        self.viewer = viewer
        self.setHorizontalHeaderLabels(["Volume", "Task", "Mask"])
        self.verticalHeader().setVisible(False)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        header = self.horizontalHeader()
        for column in range(3):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        viewer.layers.events.inserted.connect(self.refresh)
        viewer.layers.events.removed.connect(self.refresh)
        self.destroyed.connect(self._disconnect)
        self.refresh()

    def refresh(self, event: Any = None) -> None:
        """List the layers anew; what was checked and typed stays."""
        held = {row[0].text(): row for row in self._rows()}
        kept = {n: (r[0].checkState(), r[1].text(), r[2].currentText()) for n, r in held.items()}
        layers = volume_layers(self.viewer)
        self.setRowCount(len(layers))
        for number, layer in enumerate(layers):
            checked, task, mask = kept.get(
                layer.name, (Qt.CheckState.Unchecked, _task_of(layer), NORMAL)
            )
            item = QTableWidgetItem(layer.name)
            item.setFlags(Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled)
            item.setCheckState(checked)
            item.setToolTip(layer.name)
            self.setItem(number, 0, item)
            self.setItem(number, 1, QTableWidgetItem(task))
            masks = QComboBox()
            fitting = [m for m in self.viewer.layers if isinstance(m, Labels)]
            masks.addItems([NORMAL, *(m.name for m in fitting if m.data.shape == layer.data.shape)])
            masks.setCurrentText(mask)
            if (old := self.cellWidget(number, 2)) is not None:
                old.hide()  # Qt deletes it later, and until then would show it in the corner
            self.setCellWidget(number, 2, masks)

    def examples(self) -> tuple[Example, ...]:
        """The checked volumes.

        Raises
        ------
        MedadError
            If none is checked, or one is no volume.
        """
        from napari_medad.detectors.recipe import Example

        found = []
        for name, task, masks in self._rows():
            if name.checkState() != Qt.CheckState.Checked:
                continue
            study, volume = study_of(self.viewer, self.viewer.layers[name.text()])
            mask = None
            if not self.isColumnHidden(2) and masks.currentText() != NORMAL:
                mask = np.asarray(self.viewer.layers[masks.currentText()].data) > 0
            found.append(
                Example(
                    study.volume(volume),
                    task=task.text().strip(),
                    label=0 if mask is None else 1,
                    mask=mask if mask is None or mask.ndim == 3 else mask[None],
                    patient=study.name,
                )
            )
        if not found:
            raise MedadError("No volume is checked; check those to learn from.")
        return tuple(found)

    def _rows(self) -> list[tuple[Any, Any, Any]]:
        return [
            (self.item(row, 0), self.item(row, 1), self.cellWidget(row, 2))
            for row in range(self.rowCount())
        ]

    def _disconnect(self) -> None:
        self.viewer.layers.events.inserted.disconnect(self.refresh)
        self.viewer.layers.events.removed.disconnect(self.refresh)


def _task_of(layer: Image) -> str:
    """A first suggestion for a layer's task."""
    from napari_medad.volumes.phantom.contrast import contrasts

    volume = layer.metadata.get("medad volume")
    known = contrasts().get(volume.modality or "") if volume is not None else None
    return known["task"] if known else layer.name
