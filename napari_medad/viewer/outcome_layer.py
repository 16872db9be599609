"""What is right, false and missed as a layer over the scan, in place of mask and reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels, Layer
from napari.utils.colormaps import DirectLabelColormap

from napari_medad.evaluation.overlap import CLASSICAL, SCHEMES
from napari_medad.viewer.layers import STUDY, VOLUME, layer_units, placement

if TYPE_CHECKING:
    import napari

    from napari_medad.evaluation.reference import Measured

OPACITY = 0.6


class OutcomeLayer:
    """Added on the first outcome; while it is shown, what it is made of is hidden.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        self.viewer = viewer
        self.scheme = CLASSICAL
        self.layer: Labels | None = None
        self._hidden: dict[Layer, bool] = {}

    @property
    def there(self) -> bool:
        """Whether the layer is in the viewer."""
        return self.layer is not None and self.layer in self.viewer.layers

    def show(self, measured: Measured, instead_of: list[Layer]) -> None:
        """Show an outcome; `instead_of` are layers that it is made of."""
        detection = measured.reference.detection
        name = f"{detection.study.name} · {detection.detector} against {measured.reference.name}"
        if (
            self.there
            and self.layer is not None
            and self.layer.metadata[VOLUME] is detection.volume
        ):
            self.layer.name = name
            np.copyto(self.layer.data, measured.labels)
            self.layer.refresh(extent=False, highlight=False, thumbnail=False)
        else:
            self.remove()
            self._add(name, measured)
        for layer in instead_of:
            if layer not in self._hidden:
                self._hidden[layer] = layer.visible
                layer.visible = False

    def _add(self, name: str, measured: Measured) -> None:
        detection, active = measured.reference.detection, self.viewer.layers.selection.active
        self.layer = self.viewer.add_labels(
            measured.labels.copy(),
            name=name,
            colormap=colours_of(self.scheme),
            opacity=OPACITY,
            blending="translucent_no_depth",
            metadata={
                "medad map": "outcome",
                VOLUME: detection.volume,
                STUDY: detection.study,
            },
            **placement(detection.volume),
            **layer_units(3),
        )
        self.layer.editable = False
        self.viewer.layers.selection.active = active

    def recolour(self, scheme: str) -> None:
        """Take another of `SCHEMES`."""
        self.scheme = scheme
        if self.layer is not None:
            self.layer.colormap = colours_of(scheme)

    def remove(self) -> None:
        """Take it away and show again what it hid."""
        layer, self.layer = self.layer, None
        if layer is not None and layer in self.viewer.layers:
            self.viewer.layers.remove(layer)
        for layer, visible in self._hidden.items():
            if layer in self.viewer.layers:
                layer.visible = visible
        self._hidden = {}


def colours_of(scheme: str) -> DirectLabelColormap:
    """A scheme as napari's colours of labels."""
    colours: dict[int | None, str] = {None: "transparent", 0: "transparent"}
    for label, colour in SCHEMES[scheme].items():
        colours[label] = colour
    return DirectLabelColormap(color_dict=colours)
