"""A viewer as a saved session, and a saved session as a viewer: the same screen again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer
from napari.utils.colormaps import AVAILABLE_COLORMAPS
from qtpy.QtWidgets import QWidget

from napari_medad.detectors.registry import cards
from napari_medad.errors import MedadError
from napari_medad.export.session_file import SavedSession
from napari_medad.viewer.app import show_detection
from napari_medad.viewer.canvas import camera_of
from napari_medad.viewer.docks.correct import CorrectDock
from napari_medad.viewer.docks.detect import DetectDock
from napari_medad.viewer.docks.signs import SignsDock
from napari_medad.viewer.layers import STUDY, add_study
from napari_medad.viewer.session import session_of
from napari_medad.weights.installed import installed_weights

if TYPE_CHECKING:
    import napari

    from napari_medad.volumes.study import Study

SHOWN = ("visible", "opacity", "blending")
CAMERA = ("center", "zoom", "angles")


def capture(viewer: napari.Viewer) -> SavedSession:
    """Everything that a viewer's session holds.

    Raises
    ------
    MedadError
        If there is no scan.
    """
    session = session_of(viewer)
    studies: dict[int, Study] = {}
    for study in (
        *(layer.metadata[STUDY] for layer in viewer.layers if STUDY in layer.metadata),
        *(detection.study for detection in session.detections.values()),
    ):
        studies[id(study)] = study
    if not studies:
        raise MedadError("There is no scan to save; open one first.")
    if len({study.name for study in studies.values()}) < len(studies):
        raise MedadError("Two open scans have the same name; close one of them first.")
    signs = _dock(viewer, SignsDock)
    return SavedSession(
        tuple(studies.values()),
        tuple(session.detections.values()),
        tuple(session.corrections.values()),
        () if signs is None else tuple(signs.shots.shots),
        session.current,
        _settings(viewer),
        _screen(viewer),
    )


def restore(viewer: napari.Viewer, held: SavedSession) -> None:
    """Show a session in place of what the viewer shows."""
    session = session_of(viewer)
    viewer.layers.clear()
    session.clear()
    for study in held.studies:
        add_study(viewer, study)
    for detection in held.detections:
        show_detection(viewer, detection)
    if held.current is not None:
        session.show(held.current)
    correct, signs = _dock(viewer, CorrectDock), _dock(viewer, SignsDock)
    for correction in held.corrections[:1]:
        if correct is not None:
            correct.resume(correction)
    if signs is not None:
        signs.shots.add(held.shots)
    _set_docks(viewer, held.settings)
    _set_screen(viewer, held.screen)


def _dock(viewer: napari.Viewer, kind: type[QWidget]) -> Any:
    """The viewer's dock of a kind, where it is open."""
    return viewer.window._qt_window.findChild(kind)


# Settings -----------------------------------------------------------------------------------


def _settings(viewer: napari.Viewer) -> dict[str, Any]:
    dock = _dock(viewer, DetectDock)
    if dock is None or dock.form is None:
        return {}
    return {
        "detect": {
            "detector": dock.card.name,
            "weights": dock.weights.name,
            "values": dock.form.values(),
            "axis": dock.axis_box.currentText(),
            "threshold": dock.threshold_edit.text(),
            "prompt": dock.prompt_box.currentText(),
        }
    }


def _set_docks(viewer: napari.Viewer, settings: Any) -> None:
    """Set the Detect dock; what this machine lacks is left as it is."""
    dock, held = _dock(viewer, DetectDock), settings.get("detect", {})
    if dock is None or held.get("detector") not in cards():
        return
    name = held["detector"]
    weights = held.get("weights")
    dock.choose(name, weights if weights in installed_weights(name) else None)
    if dock.form is not None:
        known = dock.form.values()
        dock.form.set_values({k: v for k, v in held.get("values", {}).items() if k in known})
    dock.axis_box.setCurrentText(held.get("axis", "axial"))
    dock.threshold_edit.setText(held.get("threshold", "auto"))
    dock.prompt_box.setEditText(held.get("prompt", ""))


# Screen -------------------------------------------------------------------------------------


def _screen(viewer: napari.Viewer) -> dict[str, Any]:
    camera, active = camera_of(viewer), viewer.layers.selection.active
    return {
        "layers": [_shown(layer) for layer in viewer.layers],
        "active": None if active is None else active.name,
        "camera": {key: _plain(getattr(camera, key)) for key in CAMERA},
        "ndisplay": viewer.dims.ndisplay,
        "order": _plain(viewer.dims.order),
        "point": _plain(viewer.dims.point),
    }


def _shown(layer: Layer) -> dict[str, Any]:
    shown = {"name": layer.name, **{key: _plain(getattr(layer, key)) for key in SHOWN}}
    if isinstance(layer, Image) and not layer.rgb:
        shown |= {
            "contrast_limits": _plain(layer.contrast_limits),
            "gamma": float(layer.gamma),
            "colormap": layer.colormap.name,
        }
    return shown


def _set_screen(viewer: napari.Viewer, screen: Any) -> None:
    """How everything was shown; layers that are not there are passed over."""
    for place, shown in enumerate(screen.get("layers", ())):
        if shown.get("name") in viewer.layers:
            layer = viewer.layers[shown["name"]]
            viewer.layers.move(viewer.layers.index(layer), min(place, len(viewer.layers)))
            _show(layer, shown)
    if screen.get("active") in viewer.layers:
        viewer.layers.selection.active = viewer.layers[screen["active"]]
    dims, camera = viewer.dims, camera_of(viewer)
    if len(screen.get("order", ())) == dims.ndim:
        dims.ndisplay = screen["ndisplay"]
        dims.order = tuple(screen["order"])
        dims.set_point(range(dims.ndim), screen["point"])
    for key, value in screen.get("camera", {}).items():
        if key in CAMERA:
            setattr(camera, key, value)


def _show(layer: Layer, shown: dict[str, Any]) -> None:
    for key in SHOWN:
        if key in shown:
            setattr(layer, key, shown[key])
    if isinstance(layer, Image) and "contrast_limits" in shown:
        layer.contrast_limits = shown["contrast_limits"]
        layer.gamma = shown.get("gamma", 1.0)
        name = shown.get("colormap", "")
        if name != layer.colormap.name and name in AVAILABLE_COLORMAPS:
            layer.colormap = name


def _plain(value: Any) -> Any:
    """As JSON holds it."""
    if isinstance(value, str | bool | int):
        return value
    return np.asarray(value, float if not isinstance(value, tuple) else None).tolist()
