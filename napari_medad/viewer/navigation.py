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
