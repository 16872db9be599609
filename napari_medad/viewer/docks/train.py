"""The Train dock: choose a recipe and data, watch the losses fall, use the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from napari_medad.results.outputs import kind_of
from napari_medad.viewer.layers import colours_of, volume_layers
from napari_medad.viewer.parts.training_form import TrainingForm
from napari_medad.viewer.parts.training_view import TrainingView
from napari_medad.viewer.session import session_of
from napari_medad.viewer.training_run import Order, ShownSlice, training_of

if TYPE_CHECKING:
    from napari.layers import Image

PREVIEW = "preview"
"""Name of the layer that shows what the network thinks as yet."""


class TrainDock(QWidget):
    """Trains a detector while the window stays quick.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.session = session_of(napari_viewer)
        self.run = training_of(self.session)
        self.form = TrainingForm(napari_viewer, self)
        self.view = TrainingView(self)
        self.pages = QStackedWidget(self)
        self.pages.addWidget(self.form)
        self.pages.addWidget(self.view)
        # napari puts a stretch below any dock whose content does not ask for the height.
        self.pages.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.pages)
        self._shown: ShownSlice | None = None
        self._connect()
        self._on_theme()
        self._on_layers()
        self._on_changed()

    def _connect(self) -> None:
        self.form.started.connect(self.start)
        self.view.pause_button.toggled.connect(self.run.pause)
        self.view.cancel_button.clicked.connect(self.run.cancel)
        self.view.resume_button.clicked.connect(self._on_resume)
        self.view.new_button.clicked.connect(self._on_new)
        self.view.use_button.clicked.connect(self.use)
        self.view.layer_box.currentIndexChanged.connect(self._on_slice)
        self.run.changed.connect(self._on_changed)
        self.run.finished.connect(self._on_finished)
        self.run.previewed.connect(self._on_previewed)
        self.run.shown = lambda: self._shown
        for event in (self.viewer.layers.events.inserted, self.viewer.layers.events.removed):
            event.connect(self._on_layers)
        self.viewer.dims.events.connect(self._on_slice)
        self.viewer.events.theme.connect(self._on_theme)

    def showEvent(self, event: Any) -> None:
        """Make ready what a training needs as soon as the dock is looked at."""
        super().showEvent(event)
        if self.run.state == "ready":
            self.run.prepare()

    def start(self, order: Order) -> None:
        """Begin or go on with a training."""
        self.view.pause_button.setChecked(False)
        self.run.start(order)

    def use(self) -> None:
        """Choose the new model in the Detect dock, and bring that to the front."""
        from napari_medad.viewer.app import PLUGIN, raise_dock

        order = self.run.order
        assert order is not None
        _, dock = self.viewer.window.add_plugin_dock_widget(PLUGIN, "Detect", tabify=True)
        dock.choose(order.detector, order.out.name)
        raise_dock(dock)

    def _on_changed(self) -> None:
        run = self.run
        self.pages.setCurrentWidget(self.form if run.state == "ready" else self.view)
        if run.order is not None and run.state != "ready":
            self.view.show_run(run)

    def _on_finished(self) -> None:
        assert self.run.order is not None
        self.session.forget(self.run.order.detector)

    def _on_resume(self) -> None:
        self.view.pause_button.setChecked(False)
        self.run.resume()

    def _on_new(self) -> None:
        self.form.refresh()
        self.run.dismiss()

    def _on_theme(self, event: Any = None) -> None:
        theme = get_theme(self.viewer.theme)
        self.view.curves.set_colours(theme.background.as_hex(), theme.text.as_hex())

    def _on_layers(self, event: Any = None) -> None:
        self.view.offer_layers([layer.name for layer in volume_layers(self.viewer)])
        self._on_slice()

    def _on_slice(self, event: Any = None) -> None:
        """Remember the slice in view, for the next preview."""
        name = self.view.layer_box.currentText()
        self._shown = None
        if name in self.viewer.layers:
            self._shown = shown_slice(self.viewer, self.viewer.layers[name])

    def _on_previewed(self, asked: ShownSlice, values: np.ndarray) -> None:
        """Show the anomaly map of the slice it was asked of."""
        if asked.layer not in self.viewer.layers:
            return
        placed = preview_placement(self.viewer.layers[asked.layer], asked)
        data = values if asked.axis is None else np.expand_dims(values, asked.axis)
        limits = (0.0, max(float(np.quantile(values, 0.999)), 1e-6))
        if PREVIEW in self.viewer.layers:
            layer = self.viewer.layers[PREVIEW]
            layer.data = data
            layer.scale, layer.translate = placed["scale"], placed["translate"]
            layer.contrast_limits = limits
            return
        kind = kind_of("anomaly")
        active = self.viewer.layers.selection.active
        self.viewer.add_image(
            data,
            name=PREVIEW,
            colormap=colours_of(kind),
            blending="translucent",
            contrast_limits=limits,
            metadata={"medad map": PREVIEW},
            **placed,
        )
        self.viewer.layers.selection.active = active


def shown_slice(viewer: napari.Viewer, layer: Image) -> ShownSlice | None:
    """The slice [h, w] of a 2D or 3D grey layer that the viewer shows, as a view."""
    if layer.rgb or layer.multiscale or layer.ndim not in (2, 3):
        return None
    if layer.ndim == 2:
        return ShownSlice(layer.data, layer.name)
    axis = max(0, viewer.dims.order[0] - (viewer.dims.ndim - 3))
    position = layer.world_to_data(viewer.dims.point[-3:])
    index = int(np.clip(round(position[axis]), 0, layer.data.shape[axis] - 1))
    return ShownSlice(layer.data.take(index, axis), layer.name, axis, index)


def preview_placement(layer: Image, asked: ShownSlice) -> Mapping[str, Any]:
    """Scale, translation and axes that put a preview on its slice."""
    translate = np.array(layer.translate, float)
    if asked.axis is not None:
        translate[asked.axis] += asked.index * layer.scale[asked.axis]
    return {
        "scale": tuple(layer.scale),
        "translate": tuple(translate),
        "axis_labels": layer.axis_labels,
        "units": layer.units,
    }
