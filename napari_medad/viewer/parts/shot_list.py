"""A few slices with the categories they show: marked in the viewer, kept with the study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QImage, QPixmap
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QWidget,
)

from napari_medad.errors import MedadError
from napari_medad.training.support import NORMAL, Shot, read_support, save_support
from napari_medad.viewer.layers import shown_slice_of, study_of, volume_layers
from napari_medad.viewer.parts.notice import Notice
from napari_medad.viewer.parts.volume_box import VolumeBox
from napari_medad.viewer.worker import Work
from napari_medad.volumes.volume import AXES

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

FILES = "Shots (*.csv)"
SIDE = 56
"""Of a thumbnail, pixels."""


class ShotList(QWidget):
    """The support set of a learning.

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
        self.shots: list[Shot] = []
        self.names: tuple[str, ...] = ()
        self.reading = Work(self)
        self.layer_box = VolumeBox(viewer, self)
        self.categories, self.list = QListWidget(self), QListWidget(self)
        self.notice = Notice(self)
        self.list.setIconSize(QSize(SIDE, SIDE))
        self.list.setWordWrap(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setToolTip("A double click goes to the slice")
        self.mark_button, self.remove_button, self.open_button, self.save_button, self.found = (
            QPushButton(text, self) for text in ("", "Remove", "Open…", "Save with the study", "")
        )
        self._build()
        self._connect()
        self._on_slice()
        self._tell()

    def _build(self) -> None:
        self.categories.setToolTip("What the slice shows; nothing checked is normal")
        self.categories.setMinimumHeight(90)
        self.categories.setMaximumHeight(150)
        self.found.setVisible(False)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 4, 0, 0)
        grid.addWidget(self.layer_box, 0, 0, 1, 3)
        grid.addWidget(self.categories, 1, 0, 1, 3)
        grid.addWidget(self.mark_button, 2, 0, 1, 3)
        grid.addWidget(self.list, 3, 0, 1, 3)
        grid.addWidget(self.found, 4, 0, 1, 3)
        for column, button in enumerate((self.remove_button, self.open_button, self.save_button)):
            grid.addWidget(button, 5, column)
        grid.addWidget(self.notice, 6, 0, 1, 3)
        grid.setRowStretch(3, 1)

    def _connect(self) -> None:
        self.mark_button.clicked.connect(self.mark)
        self.remove_button.clicked.connect(self.remove)
        self.open_button.clicked.connect(self._open)
        self.save_button.clicked.connect(self._save)
        self.found.clicked.connect(self._open_beside)
        self.list.itemDoubleClicked.connect(lambda item: self._go_to(self.list.row(item)))
        self.layer_box.currentIndexChanged.connect(self._on_slice)
        self.categories.itemChanged.connect(self._on_slice)
        self.reading.finished.connect(self._on_read)
        self.reading.failed.connect(lambda sentence: self.notice.say(sentence, "error"))
        self.viewer.dims.events.connect(self._on_slice)

    @property
    def layer(self) -> Image | None:
        """The chosen volume's layer."""
        return self.layer_box.layer

    def offer(self, names: Sequence[str]) -> None:
        """Offer these categories; checked ones stay so."""
        checked = self._checked()
        self.names = tuple(names)
        self.categories.blockSignals(True)
        self.categories.clear()
        for name in names:
            item = QListWidgetItem(name)
            item.setFlags(Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled)
            state = Qt.CheckState.Checked if name in checked else Qt.CheckState.Unchecked
            item.setCheckState(state)
            self.categories.addItem(item)
        self.categories.blockSignals(False)
        self._show()

    def mark(self) -> None:
        """Keep the slice in view with the checked categories, or as normal."""
        try:
            if self.layer is None:
                raise MedadError("Open a volume or an image first.")
            study, name = study_of(self.viewer, self.layer)
            axis, index = shown_slice_of(self.viewer, self.layer)
            label = f"{study.name} · {name}"
            self.add([Shot(study.volume(name), label, index, self._checked(), axis)])
        except MedadError as error:
            self.notice.say(str(error), "error")

    def add(self, shots: Sequence[Shot]) -> None:
        """Add shots; one of a slice that is there already replaces it."""
        for shot in shots:
            self.shots = [held for held in self.shots if not held.same_slice(shot)]
            self.shots.append(shot)
        self._show()
        self.changed.emit()

    def remove(self) -> None:
        """Remove the chosen shot."""
        row = self.list.currentRow()
        if row >= 0:
            del self.shots[row]
            self._show()
            self.changed.emit()

    def unknown(self) -> tuple[str, ...]:
        """Categories of the shots that have no signs."""
        used = dict.fromkeys(name for shot in self.shots for name in shot.categories)
        return tuple(name for name in used if name not in self.names)

    def save(self, path: str | Path) -> None:
        """Write a manifest, which `medad train sdmad --data FILE` reads."""
        save_support(self.shots, path)
        self.notice.say(f"{len(self.shots)} shots are kept in {Path(path).name}.", "good")

    def open(self, path: str | Path) -> None:
        """Read a manifest in a thread and add its shots."""
        self.found.setVisible(False)
        self.notice.say("Reading …")
        self.reading.start(lambda report: read_support(path))

    def _on_read(self, shots: Sequence[Shot]) -> None:
        self.add([self._on_open_volume(shot) for shot in shots])

    def _on_open_volume(self, shot: Shot) -> Shot:
        """The shot on the volume that is open in the viewer, where it is the same file."""
        for layer in volume_layers(self.viewer):
            volume = layer.metadata.get("medad volume")
            if volume is None:
                continue
            open_here = Shot(volume, shot.name, 0, shot.categories, shot.axis)
            if open_here.path == shot.path and volume.array.shape == shot.volume.array.shape:
                study, name = study_of(self.viewer, layer)
                label = f"{study.name} · {name}"
                return Shot(volume, label, shot.index, shot.categories, shot.axis)
        return shot

    @property
    def _beside(self) -> Path | None:
        """Where the chosen study's shots are kept: beside its file."""
        if self.layer is None:
            return None
        study, name = study_of(self.viewer, self.layer)
        source = study.volume(name).source
        home = None if source is None or source.path is None else source.path.parent
        return None if home is None else home / f"{study.name}_support.csv"

    def _open_beside(self) -> None:
        if self._beside is not None:
            self.open(self._beside)

    def _open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open shots", "", FILES)
        if path:
            self.open(path)

    def _save(self) -> None:
        suggested = self._beside
        path, _ = QFileDialog.getSaveFileName(
            self, "Save shots", str(suggested or "support.csv"), FILES
        )
        try:
            if path:
                self.save(path)
        except (MedadError, OSError) as error:
            self.notice.say(str(error), "error")

    def _checked(self) -> tuple[str, ...]:
        items = (self.categories.item(row) for row in range(self.categories.count()))
        return tuple(i.text() for i in items if i.checkState() == Qt.CheckState.Checked)

    def _on_slice(self, event: Any = None) -> None:
        layer = self.layer
        self.mark_button.setEnabled(layer is not None)
        if layer is None:
            self.mark_button.setText("Mark this slice")
            return
        axis, index = shown_slice_of(self.viewer, layer)
        what = ", ".join(self._checked()) or NORMAL
        short = what if len(what) <= 34 else f"{what[:32]}…"
        self.mark_button.setText(f"Mark {axis} slice {index} as {short}")
        self.mark_button.setToolTip(what)
        kept = self._beside
        self.found.setVisible(bool(kept and kept.is_file() and not self.shots))
        if kept is not None:
            self.found.setText(f"Open {kept.name}, kept beside this study")

    def _show(self) -> None:
        row = self.list.currentRow()
        self.list.clear()
        for shot in self.shots:
            what = ", ".join(shot.categories) or NORMAL
            text = f"{shot.axis} {shot.index}: {what}\n{shot.name}"
            item = QListWidgetItem(_icon(shot.thumbnail(SIDE)), text)
            if any(name not in self.names for name in shot.categories):
                item.setForeground(QColor("#e05a4f"))
                item.setToolTip("A category of this shot has no signs")
            self.list.addItem(item)
        self.list.setCurrentRow(min(row, len(self.shots) - 1))
        self._tell()

    def _tell(self) -> None:
        self.save_button.setEnabled(bool(self.shots))
        self.remove_button.setEnabled(bool(self.shots))
        if self.unknown():
            self.notice.say(
                f"There are shots of {', '.join(self.unknown())}, which has no signs; add the "
                "category on the Signs page, or remove the shots.",
                "warning",
            )
            return
        without = [n for n in self.names if all(n not in s.categories for s in self.shots)]
        normal = sum(not shot.categories for shot in self.shots)
        told = f"{len(self.shots)} shots, {normal} of them normal."
        if self.shots and without:
            told += f" None yet of {', '.join(without)}."
        self.notice.say(told if self.shots else "Show a slice, check what it shows, and mark it.")

    def _go_to(self, row: int) -> None:
        """Show the slice of a shot in the viewer."""
        shot, first = self.shots[row], self.viewer.dims.ndim - 3
        for layer in volume_layers(self.viewer):
            study, name = study_of(self.viewer, layer)
            if study.volume(name) is shot.volume and layer.ndim >= 3:
                axis = AXES[shot.axis]
                position = [0.0] * layer.ndim
                position[layer.ndim - 3 + axis] = shot.index
                world = layer.data_to_world(position)[layer.ndim - 3 + axis]
                self.viewer.dims.order = _order(self.viewer.dims.ndim, first + axis)
                self.viewer.dims.set_point(first + axis, world)
                return
        self.notice.say(f"{shot.name} is not open in the viewer.", "warning")

    def examples(self) -> tuple[Any, ...]:
        """The shots as training takes them.

        Raises
        ------
        MedadError
            If there is none, or one has a category without signs.
        """
        if not self.shots:
            raise MedadError("No slice is marked yet; mark a few on the Shots page.")
        if self.unknown():
            raise MedadError(
                f"The shots name {', '.join(self.unknown())}, which has no signs; add the "
                "category on the Signs page, or remove the shots."
            )
        return tuple(shot.example() for shot in self.shots)


def _icon(picture: np.ndarray) -> QIcon:
    height, width, _ = picture.shape
    image = QImage(
        np.ascontiguousarray(picture).data, width, height, 3 * width, QImage.Format.Format_RGB888
    )
    return QIcon(QPixmap.fromImage(image))


def _order(ndim: int, axis: int) -> tuple[int, ...]:
    """Order of the axes that steps through one and shows the two others."""
    last = [a for a in range(ndim - 3, ndim) if a != axis]
    return (*range(ndim - 3), axis, *last)
