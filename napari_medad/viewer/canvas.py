"""The canvas's parts, wherever this version of napari keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import napari
    from qtpy.QtWidgets import QWidget


def canvas_of(viewer: napari.Viewer) -> QWidget:
    """The widget that is drawn on."""
    return viewer.window._qt_viewer.canvas.native


def canvas_size(viewer: napari.Viewer) -> np.ndarray:
    """Height and width of the canvas in pixels."""
    canvas = canvas_of(viewer)
    return np.array([canvas.height(), canvas.width()], float)


def camera_of(viewer: napari.Viewer) -> Any:
    """The camera, which moved to the scene in napari 0.9."""
    scene = getattr(viewer, "scene", None)
    return scene.camera if scene is not None else viewer.camera


def scale_bar_of(viewer: napari.Viewer) -> Any:
    """The scale bar, which moved to the canvas in napari 0.9."""
    canvas = getattr(viewer, "canvas", None)
    return canvas.overlays.scale_bar if canvas is not None else viewer.scale_bar


def grid_of(viewer: napari.Viewer) -> Any:
    """Views beside each other, which moved to the canvas in napari 0.9."""
    canvas = getattr(viewer, "canvas", None)
    return canvas.grid if canvas is not None else viewer.grid
