"""Where is right, where is front: letters at the canvas edges, RAS mm in the status bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QLabel

from napari_medad.viewer.canvas import camera_of, canvas_of, scale_bar_of
from napari_medad.viewer.layers import VOLUME
from napari_medad.volumes.volume import Volume

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

GROWS_TOWARDS = ("S", "P", "L")
"""Direction in which each array axis (z, y, x) grows."""
OPPOSITE = dict(zip("SIPALR", "ISAPRL", strict=True))


class OrientationLetters(QObject):
    """Letters on the canvas for the displayed axes, and head-up coronal and sagittal views."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self.canvas = canvas_of(viewer)
        super().__init__(self.canvas)
        self.setObjectName("medad orientation")
        self.viewer = viewer
        self.labels = {edge: self._label() for edge in ("left", "right", "top", "bottom")}
        self.canvas.installEventFilter(self)
        for event in (viewer.dims.events.order, viewer.dims.events.ndisplay):
            event.connect(self.update)
        viewer.layers.events.inserted.connect(self.update)
        viewer.layers.events.removed.connect(self.update)
        self.update()

    def _label(self) -> QLabel:
        label = QLabel(self.canvas)
        label.setStyleSheet(
            "color: #f4c95d; font-weight: bold; font-size: 15px; background: transparent;"
        )
        label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        return label

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the canvas's size."""
        if event is not None and event.type() in (QEvent.Type.Resize, QEvent.Type.Show):
            self._place()
        return False

    def update(self, event: Any = None) -> None:
        """Letters of the displayed axes; none in 3D or for layers of unknown orientation."""
        dims = self.viewer.dims
        known = any(VOLUME in layer.metadata for layer in self.viewer.layers)
        shown = known and dims.ndisplay == 2 and dims.ndim >= 3
        for label in self.labels.values():
            label.setVisible(shown)
        if not shown:
            return
        row, column = (axis - (dims.ndim - 3) for axis in dims.displayed)
        upwards = row == 0
        camera = camera_of(self.viewer)
        if hasattr(camera, "orientation2d"):
            camera.orientation2d = ("up" if upwards else "down", "right")
        down = GROWS_TOWARDS[row]
        if upwards and hasattr(camera, "orientation2d"):
            down = OPPOSITE[down]
        letters = {
            "bottom": down,
            "top": OPPOSITE[down],
            "right": GROWS_TOWARDS[column],
            "left": OPPOSITE[GROWS_TOWARDS[column]],
        }
        for edge, letter in letters.items():
            self.labels[edge].setText(letter)
            self.labels[edge].adjustSize()
        self._place()

    def _place(self) -> None:
        width, height = self.canvas.width(), self.canvas.height()
        for edge, label in self.labels.items():
            w, h = label.width(), label.height()
            x = {"left": 8, "right": width - w - 8}.get(edge, (width - w) // 2)
            y = {"top": 6, "bottom": height - h - 6}.get(edge, (height - h) // 2)
            label.move(x, y)
            label.raise_()


def tell_ras(layer: Layer) -> None:
    """Put RAS millimetres into the status bar when the cursor is over this layer."""
    volume = layer.metadata.get(VOLUME)
    if volume is None or getattr(layer, "_tells_ras", False):
        return
    original = layer.get_status

    def get_status(position: Any = None, **options: Any) -> dict[str, Any]:
        status = original(position, **options)
        if position is not None and isinstance(status, dict):
            text = ras_text(layer, volume, position)
            status["coords"] = text
            status["coordinates"] = f"{text}  {status.get('coordinates', '')}".strip()
        return status

    layer.get_status = get_status
    layer._tells_ras = True


def ras_text(layer: Layer, volume: Volume, position: Any) -> str:
    """RAS millimetres at a world position of napari, as "R 12.0  A -3.5  S 40.0 mm"."""
    index = np.asarray(layer.world_to_data(position), float)[-3:]
    right, anterior, superior = volume.to_ras(index)
    return f"R {right:.1f}  A {anterior:.1f}  S {superior:.1f} mm"


def dress(viewer: napari.Viewer) -> None:
    """Letters, RAS status, axis names and a scale bar in mm, once per viewer."""
    canvas = canvas_of(viewer)
    if canvas.findChild(OrientationLetters, "medad orientation") is None:
        OrientationLetters(viewer)
        for layer in viewer.layers:
            tell_ras(layer)
        viewer.layers.events.inserted.connect(lambda event: tell_ras(event.value))
        scale_bar_of(viewer).visible = True
