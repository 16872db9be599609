"""Labelling: which slices of the open volumes are normal, which abnormal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_medad.errors import MedadError
from napari_medad.training.slice_labelling import SliceLabelling, image_name
from napari_medad.training.slice_labels_file import filled_between, read_slice_labels
from napari_medad.viewer.layers import shown_slice_of, study_of, volume_layers
from napari_medad.viewer.parts.notice import Notice
from napari_medad.viewer.parts.slice_strip import SliceStrip
from napari_medad.viewer.parts.volume_box import VolumeBox
from napari_medad.volumes.reader import case_name
from napari_medad.volumes.volume import Volume

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

WORDS = {0: "normal", 1: "abnormal", None: "not labelled"}
KEYS = {0: "Alt-0", 1: "Alt-1", None: "Alt-Backspace"}


class SliceLabels(QWidget):
    """Labels the slice in view, and shows what is labelled.

    Parameters
    ----------
    viewer : napari.Viewer

    Signals
    -------
    changed
        A label was given or taken.
    """

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.labelling: SliceLabelling | None = None
        self.layer_box = VolumeBox(viewer, self, colour=False)
        self.where, self.strip = QLabel(self), SliceStrip(self)
        self.onward = QCheckBox("Go on to the next slice", self)
        self.onward.setChecked(True)
        self.buttons = {
            label: QPushButton(text, self)
            for label, text in ((0, "Normal"), (1, "Abnormal"), (None, "Unlabel"))
        }
        self.fill_button = QPushButton("Fill between", self)
        self.fill_button.setToolTip("Slices between two of one label get that label, too")
        self.import_button = QPushButton("Import CSV…", self)
        self.table, self.notice = QTableWidget(0, 3, self), Notice(self)
        self._build()
        self._connect()
        self._show()

    def _build(self) -> None:
        self.table.setHorizontalHeaderLabels(["Image", "Normal", "Abnormal"])
        self.table.verticalHeader().setVisible(False)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 4, 0, 0)
        grid.addWidget(self.layer_box, 0, 0, 1, 3)
        grid.addWidget(self.where, 1, 0, 1, 3)
        grid.addWidget(self.strip, 2, 0, 1, 3)
        for column, (label, button) in enumerate(self.buttons.items()):
            button.setToolTip(f"{KEYS[label]} in the viewer")
            grid.addWidget(button, 3, column)
        grid.addWidget(self.onward, 4, 0, 1, 2)
        grid.addWidget(self.fill_button, 4, 2)
        grid.addWidget(self.table, 5, 0, 1, 3)
        grid.addWidget(self.import_button, 6, 0)
        grid.addWidget(self.notice, 7, 0, 1, 3)
        grid.setRowStretch(5, 1)

    def _connect(self) -> None:
        for label, button in self.buttons.items():
            button.clicked.connect(lambda *_, label=label: self.give(label))
            self.viewer.bind_key(
                KEYS[label], lambda _, label=label: self.give(label), overwrite=True
            )
        self.fill_button.clicked.connect(self.fill)
        self.import_button.clicked.connect(self._import)
        self.strip.clicked.connect(self.go_to)
        self.layer_box.currentIndexChanged.connect(self._on_slice)
        self.viewer.dims.events.connect(self._on_slice)

    @property
    def layer(self) -> Image | None:
        """The chosen volume's layer."""
        return self.layer_box.layer

    def show_labelling(self, labelling: SliceLabelling) -> None:
        """Edit these labels from now on."""
        self.labelling = labelling
        self._show()

    def labels(self) -> dict[int, int]:
        """Those of the chosen volume."""
        found = self._named()
        if found is None or self.labelling is None:
            return {}
        return dict(self.labelling.labels.get(found[0], {}))

    def give(self, label: int | None) -> None:
        """Label the axial slice in view; None takes its label away."""
        if self.layer is None:
            self.notice.say("Open a volume first.", "warning")
            return
        axis, index = shown_slice_of(self.viewer, self.layer)
        if axis != "axial":
            self.notice.say(
                "Labels are of axial slices; show these (the button that rolls the axes).",
                "warning",
            )
            return
        labels = self.labels()
        labels.pop(index, None)
        if label is not None:
            labels[index] = label
        if self._keep(labels) and self.onward.isChecked() and label is not None:
            self.go_to(index + 1)

    def fill(self) -> None:
        """Label what lies between two slices of one label."""
        self._keep(filled_between(self.labels()))

    def open_labels(self, path: Path) -> None:
        """Take over the rows of a file that are of the volumes open here."""
        taken, others = 0, 0
        for row in read_slice_labels(path):
            layer = next((la for la in volume_layers(self.viewer) if self._is(la, row.image)), None)
            if layer is None:
                others += 1
                continue
            self.layer_box.setCurrentIndex(self.layer_box.findData(layer))
            depth = len(layer.data)
            beyond = next((z for z in row.slices if z >= depth), None)
            if beyond is not None:
                raise MedadError(
                    f"{row.where} has a label for slice {beyond}, but {layer.name} has only "
                    f"slices 0 to {depth - 1}; correct the label."
                )
            if not self._keep({**self.labels(), **row.slices}):
                return
            taken += len(row.slices)
        told = f"{taken} labels were taken from {path.name}."
        if others:
            told += f" {others} rows are of images that are not open here."
        self.notice.say(told, "warning" if others else "good")

    def go_to(self, index: int) -> None:
        """Show an axial slice of the chosen volume."""
        layer = self.layer
        if layer is None or layer.ndim < 3 or index >= layer.data.shape[layer.ndim - 3]:
            return
        first = self.viewer.dims.ndim - 3
        position = [0.0] * layer.ndim
        position[layer.ndim - 3] = index
        self.viewer.dims.set_point(first, layer.data_to_world(position)[layer.ndim - 3])

    def _is(self, layer: Image, image: str) -> bool:
        """Whether a file's row means this layer: by file name or by its name here."""
        study, name = study_of(self.viewer, layer)
        source = study.volume(name).source
        names = {study.name, image_name(study.name, name)}
        if source is not None and source.path is not None:
            names |= {source.path.name, case_name(source.path)}
        return Path(image).name in names or case_name(Path(image)) in names

    def _named(self) -> tuple[str, Volume] | None:
        """The chosen volume under the name that its labels have."""
        if self.layer is None or self.layer.ndim < 3:
            return None
        study, name = study_of(self.viewer, self.layer)
        return image_name(study.name, name), study.volume(name)

    def _keep(self, labels: dict[int, int]) -> bool:
        found = self._named()
        if found is None or self.labelling is None:
            self.notice.say("Open a 3D volume first.", "warning")
            return False
        try:
            self.labelling.label(*found, labels)
        except (MedadError, OSError) as error:
            self.notice.say(str(error), "error")
            return False
        self._show()
        self.changed.emit()
        return True

    def _import(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Labels of slices", "", "Labels (*.csv)")
        try:
            if path:
                self.open_labels(Path(path))
        except MedadError as error:
            self.notice.say(str(error), "error")

    def _show(self) -> None:
        held = self.labelling.labels if self.labelling else {}
        self.table.setRowCount(len(held))
        for row, (name, labels) in enumerate(held.items()):
            values = list(labels.values())
            self.table.setItem(row, 0, QTableWidgetItem(name))
            self.table.item(row, 0).setToolTip(name)
            for column, label in ((1, 0), (2, 1)):
                item = QTableWidgetItem(str(values.count(label)))
                item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                self.table.setItem(row, column, item)
        normal, abnormal = self.labelling.counts() if self.labelling else (0, 0)
        if normal and abnormal:
            self.notice.say(f"{normal} normal and {abnormal} abnormal slices; kept as you label.")
        else:
            self.notice.say("Label some slices as normal and some as abnormal.")
        self._on_slice()

    def _on_slice(self, event: Any = None) -> None:
        layer = self.layer
        for button in (*self.buttons.values(), self.fill_button, self.import_button):
            button.setEnabled(layer is not None)
        if layer is None or layer.ndim < 3:
            self.where.setText("No volume is open.")
            self.strip.show_labels({}, 0, 0)
            return
        axis, index = shown_slice_of(self.viewer, layer)
        labels = self.labels()
        said = WORDS[labels.get(index)] if axis == "axial" else "labels are of axial slices"
        self.where.setText(f"{axis} slice {index}: <b>{said}</b>")
        self.strip.show_labels(labels, layer.data.shape[layer.ndim - 3], index)
