"""Normal scans that a detector compares with: picked from the open layers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QLineEdit,
    QListWidget,
    QPushButton,
    QWidget,
)

from napari_medad.detectors.card import Card
from napari_medad.errors import MedadError
from napari_medad.inference.progress import Callback, Reporter
from napari_medad.viewer.layers import study_of, volume_layers
from napari_medad.viewer.parts.fold import Fold
from napari_medad.viewer.parts.notice import Notice
from napari_medad.volumes.volume import AXES, Volume

if TYPE_CHECKING:
    import napari


@dataclass(frozen=True, eq=False)
class Reference:
    """A normal volume, or some slices of it (None: evenly spread ones).

    Attributes
    ----------
    label : str
        As the list shows it.
    volume : Volume
    slices : tuple of int or None
        Along `axis`.
    axis : str or None
        What the slices were counted along; None where all are meant.
    """

    label: str
    volume: Volume
    slices: tuple[int, ...] | None
    axis: str | None


class References(Fold):
    """List of normal volumes and slices; hidden for detectors that cannot use them.

    Parameters
    ----------
    viewer : napari.Viewer
    axis_box : QComboBox
        Along which axis the detector looks.
    """

    fields = ("references",)
    """Settings that are edited here instead of in the form."""

    def __init__(
        self, viewer: napari.Viewer, axis_box: QComboBox, parent: QWidget | None = None
    ) -> None:
        super().__init__("Normal scans to compare with", parent)
        self.viewer, self.axis_box = viewer, axis_box
        self.picked: list[Reference] = []
        inside = QWidget(self)
        grid = QGridLayout(inside)
        grid.setContentsMargins(0, 0, 0, 0)
        self.layer_box, self.slices_edit = QComboBox(self), QLineEdit(self)
        self.layer_box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.layer_box.setMinimumContentsLength(14)
        self.slices_edit.setPlaceholderText("40-44, 60; empty: spread evenly")
        self.here_button, self.add_button, self.remove_button, self.clear_button = (
            QPushButton(text, self) for text in ("This slice", "Add", "Remove", "Clear")
        )
        self.list, self.notice = QListWidget(self), Notice(self)
        self.list.setFixedHeight(84)
        grid.addWidget(self.layer_box, 0, 0, 1, 4)
        grid.addWidget(self.slices_edit, 1, 0, 1, 3)
        grid.addWidget(self.here_button, 1, 3)
        grid.addWidget(self.list, 2, 0, 1, 4)
        for column, button in enumerate((self.add_button, self.remove_button, self.clear_button)):
            grid.addWidget(button, 3, column)
        grid.addWidget(self.notice, 4, 0, 1, 4)
        self.addWidget(inside)
        self._connect()
        self._tell()

    def _connect(self) -> None:
        self.here_button.setToolTip("Name the slice that is shown")
        self.here_button.clicked.connect(self._name_slice)
        self.add_button.clicked.connect(self.add)
        self.remove_button.clicked.connect(self._remove)
        self.clear_button.clicked.connect(self._clear)
        for event in (self.viewer.layers.events.inserted, self.viewer.layers.events.removed):
            event.connect(self._refill)
        self._refill()

    def offer(self, card: Card) -> None:
        """Show where a detector can use normal scans."""
        self.usable = "references" in card.settings_type().model_fields
        self.setVisible(self.usable)

    def chosen(self, axis: str) -> tuple[Reference, ...]:
        """What a run along an axis compares with.

        Raises
        ------
        MedadError
            If slices were counted along another axis.
        """
        if not self.usable:
            return ()
        other = next((r for r in self.picked if r.axis not in (None, axis)), None)
        if other is not None:
            raise MedadError(
                f"The normal scan '{other.label}' names {other.axis} slices, but the run is "
                f"{axis}; remove it, or run along its axis."
            )
        return tuple(self.picked)

    def add(self) -> None:
        """Add the chosen layer, or the named slices of it."""
        try:
            layer = self.layer_box.currentData()
            if layer is None:
                raise MedadError("Open a normal scan first.")
            study, name = study_of(self.viewer, layer)
            axis = self.axis_box.currentText()
            slices = _numbers(self.slices_edit.text())
            _check(slices, study.volumes[name].array.shape[AXES[axis]], axis)
        except MedadError as error:
            self.notice.say(str(error), "error")
            return
        where = f", {axis} {self.slices_edit.text().strip()}" if slices else ""
        label = layer.name + where
        self.picked.append(Reference(label, study.volumes[name], slices, axis if slices else None))
        self.list.addItem(label)
        self.slices_edit.clear()
        self._tell()

    def _remove(self) -> None:
        row = self.list.currentRow()
        if row >= 0:
            self.list.takeItem(row)
            del self.picked[row]
            self._tell()

    def _clear(self) -> None:
        self.list.clear()
        self.picked.clear()
        self._tell()

    def _tell(self) -> None:
        count = len(self.picked)
        self.notice.say(
            f"Slices are compared with {count} normal scan{'' if count == 1 else 's'} also."
            if count
            else "None: slices are compared with prompts alone. Add scans of the same kind."
        )

    def _name_slice(self) -> None:
        layer = self.layer_box.currentData()
        if layer is None or layer.ndim < 3:
            self.slices_edit.setText("" if layer is None else "0")
            return
        axis = AXES[self.axis_box.currentText()] - 3
        index = round(float(layer.world_to_data(self.viewer.dims.point)[axis]))
        self.slices_edit.setText(str(min(max(index, 0), layer.data.shape[axis] - 1)))

    def _refill(self, event: Any = None) -> None:
        chosen = self.layer_box.currentData()
        self.layer_box.clear()
        layers = volume_layers(self.viewer)
        for layer in layers:
            self.layer_box.addItem(layer.name, layer)
        self.layer_box.setCurrentIndex(layers.index(chosen) if chosen in layers else 0)


def _numbers(text: str) -> tuple[int, ...] | None:
    """Slices of a text such as "40-44, 60"; None where it is empty.

    Raises
    ------
    MedadError
        If it is anything else.
    """
    if not text.strip():
        return None
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            raise MedadError(f"'{part.strip()}' names no slices; write 60, or 40-44.")
        found |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(sorted(found))


def _check(slices: tuple[int, ...] | None, depth: int, axis: str) -> None:
    if slices and slices[-1] >= depth:
        raise MedadError(f"There is no {axis} slice {slices[-1]}; the scan has 0 to {depth - 1}.")


def compare_with(
    detector: Any, normal: tuple[Reference, ...], axis: str, progress: Callback
) -> None:
    """Let a detector that can remember normal scans remember these, or none."""
    if normal:
        volumes, slices = [r.volume for r in normal], [r.slices for r in normal]
        report = Reporter(progress, len(normal), "normal scans")
        detector.remember(volumes, slices=slices, axis=axis, report=report)
    elif hasattr(detector, "forget"):
        detector.forget()
