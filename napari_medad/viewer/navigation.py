"""Going to a place of the scan: sliders and camera."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_medad.viewer.canvas import camera_of, canvas_size

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

EDGE = 0.4
"""Share of the canvas around its middle in which a place counts as in view."""


def go_to(viewer: napari.Viewer, layer: Layer, zyx: Sequence[float]) -> None:
    """Put the sliders on a layer's position, and move the camera only where it is out of view."""
    world = np.asarray(layer.data_to_world(zyx))
    first = viewer.dims.ndim - 3
    for axis in range(3):
        viewer.dims.set_point(first + axis, world[axis])
    if viewer.dims.ndisplay != 2:
        return
    camera = camera_of(viewer)
    shown = np.array([world[axis - first] for axis in viewer.dims.displayed])
    if np.any(np.abs(shown - camera.center[-2:]) > EDGE * canvas_size(viewer) / camera.zoom):
        camera.center = (camera.center[0], *shown)


def go_to_slice(viewer: napari.Viewer, layer: Layer, axis: int, index: int) -> None:
    """Put the slider of a layer's axis (0 to 2) on a slice."""
    position = [0, 0, 0]
    position[axis] = index
    viewer.dims.set_point(viewer.dims.ndim - 3 + axis, layer.data_to_world(position)[axis])


def slice_in_view(viewer: napari.Viewer, layer: Layer, axis: int) -> int:
    """Number of the slice along a layer's axis (0 to 2) that the slider is on."""
    first = max(0, viewer.dims.ndim - 3)
    return round(float(layer.world_to_data(viewer.dims.point[first:])[axis]))
