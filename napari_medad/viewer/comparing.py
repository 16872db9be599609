"""What the viewer shows of two detections: one, the other, both beside each other, or less."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Layer
from napari.utils.colormaps import Colormap

from napari_medad.viewer.canvas import camera_of, grid_of
from napari_medad.viewer.layers import STUDY, VOLUME, layer_units, placement

if TYPE_CHECKING:
    import napari

    from napari_medad.results.detection import Detection
    from napari_medad.viewer.layers import DetectionLayers

FIRST, SECOND, DIFFERENCE, BESIDE = "First", "Second", "Difference", "Side by side"
VIEWS = (FIRST, SECOND, BESIDE, DIFFERENCE)
FIRST_HIGHER, SECOND_HIGHER = "#ff8c42", "#4aa3ff"
COLOURS = Colormap(
    [SECOND_HIGHER, "#4aa3ff00", "#ff8c4200", FIRST_HIGHER],
    name="second higher, first higher",
    controls=[0, 0.45, 0.55, 1],
)
GAP = 4
"""Between the two views, pixels."""


class ComparedLayers:
    """Shows and hides the layers of two detections, and puts back what was shown before.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        self.viewer = viewer
        self.difference: Image | None = None
        self._copy: Image | None = None
        self._before: dict[Layer, bool] = {}
        self._order: list[Layer] = []
        self._camera: tuple[object, float] | None = None

    def add_difference(self, first: Detection, second: Detection, values: np.ndarray) -> Image:
        """The difference map [z, y, x] as a layer, -1..1; an earlier one goes."""
        self.drop_difference()
        self.difference = self.viewer.add_image(
            values,
            name=f"{first.study.name} · {first.detector} less {second.detector}",
            colormap=COLOURS,
            contrast_limits=(-1.0, 1.0),
            blending="translucent",
            visible=False,
            metadata={"medad map": "difference", VOLUME: first.volume, STUDY: first.study},
            **placement(first.volume),
            **layer_units(3),
        )
        return self.difference

    def drop_difference(self) -> None:
        """Remove the difference map, if it is still there."""
        if self.difference is not None and self.difference in self.viewer.layers:
            self.viewer.layers.remove(self.difference)
        self.difference = None

    def show(self, view: str, first: DetectionLayers, second: DetectionLayers) -> None:
        """Show one of `VIEWS`."""
        self._remember()
        self._end_grid()
        theirs = {FIRST: _layers(first), SECOND: _layers(second)}
        shown = {
            FIRST: theirs[FIRST],
            SECOND: theirs[SECOND],
            BESIDE: theirs[FIRST] + theirs[SECOND],
            DIFFERENCE: [self.difference] if self.difference is not None else [],
        }[view]
        for layer in self.viewer.layers:
            if "medad map" in layer.metadata:
                layer.visible = any(layer is one for one in shown)
        if view == BESIDE:
            self._beside(theirs[FIRST], theirs[SECOND])

    def restore(self) -> None:
        """Show what was shown before the first view."""
        self._end_grid()
        for layer, visible in self._before.items():
            if layer in self.viewer.layers:
                layer.visible = visible
        self._before = {}

    def _remember(self) -> None:
        if not self._before:
            self._before = {layer: layer.visible for layer in self.viewer.layers}

    def _beside(self, first: list[Layer], second: list[Layer]) -> None:
        """Two views in one canvas: napari fills each with as many layers as the other, in order."""
        scan = self._scan(first[0].metadata[VOLUME])
        if scan is None:
            return
        self._order = list(self.viewer.layers)
        data, options, kind = scan.as_layer_data_tuple()
        self._copy = Layer.create(data, {**options, "name": f"{scan.name} (again)"}, kind)
        self._copy.metadata["medad map"] = "scan again"
        self.viewer.add_layer(self._copy)
        scan.visible = self._copy.visible = True
        wanted = [scan, *first, self._copy, *second]
        for layer in self.viewer.layers:
            layer.visible = any(layer is one for one in wanted)
        self._reorder(wanted)
        grid = grid_of(self.viewer)
        grid.stride, grid.shape, grid.spacing = len(first) + 1, (1, 2), GAP
        grid.enabled = True
        camera = camera_of(self.viewer)
        self._camera = camera.center, camera.zoom
        self.viewer.reset_view()

    def _scan(self, volume: object) -> Image | None:
        return next(
            (
                layer
                for layer in self.viewer.layers
                if isinstance(layer, Image)
                and "medad map" not in layer.metadata
                and layer.metadata.get(VOLUME) is volume
            ),
            None,
        )

    def _reorder(self, lowest: list[Layer]) -> None:
        layers = self.viewer.layers
        for place, layer in enumerate(lowest):
            layers.move(layers.index(layer), place)

    def _end_grid(self) -> None:
        if self._copy is None:
            return
        grid_of(self.viewer).enabled = False
        if self._camera is not None:
            camera = camera_of(self.viewer)
            camera.center, camera.zoom = self._camera
        if self._copy in self.viewer.layers:
            self.viewer.layers.remove(self._copy)
        self._copy = None
        self._reorder([layer for layer in self._order if layer in self.viewer.layers])
        for layer, visible in self._before.items():
            if layer in self.viewer.layers and "medad map" not in layer.metadata:
                layer.visible = visible


def _layers(shown: DetectionLayers) -> list[Layer]:
    mask = [] if shown.mask is None else [shown.mask]
    return [shown.maps["anomaly"], *mask]
