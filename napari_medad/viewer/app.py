"""napari with a study and the docks open: what `medad open` and `medad demo` show."""

from __future__ import annotations

from pathlib import Path

import napari
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QTabWidget, QWidget

from napari_medad.results.detection import Detection
from napari_medad.viewer.docks.detect import DetectDock
from napari_medad.viewer.docks.findings import FindingsDock
from napari_medad.viewer.layers import DetectionLayers, add_study
from napari_medad.viewer.reader import read_layers
from napari_medad.viewer.session import session_of
from napari_medad.volumes.phantom import sample_study

PLUGIN = "napari-medad"
DOCKS = (
    "Detect",
    "Findings",
    "Correct",
    "Teach",
    "Train",
    "Label",
    "Signs",
    "Report search",
    "Evaluate",
    "Compare",
    "Cohort",
    "Export",
)


def open_docks(viewer: napari.Viewer) -> dict[str, QWidget]:
    """Every dock, as tabs on the right, Detect in front.

    The tabs stand beside the docks, where there is room for all their names.
    """
    viewer.window._qt_window.setTabPosition(
        Qt.DockWidgetArea.RightDockWidgetArea, QTabWidget.TabPosition.East
    )
    docks: dict[str, QWidget] = {}
    for name in DOCKS:
        dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=bool(docks))
        dock.setWindowTitle(name)  # the tab's; napari adds the plugin's name to it
        docks[name] = widget
    raise_dock(docks["Detect"])
    return docks


def raise_dock(widget: QWidget) -> None:
    """Bring a dock's tab to the front, now or as soon as the window has been laid out."""
    parent = widget.parentWidget()
    while parent is not None and not hasattr(parent, "toggleViewAction"):
        parent = parent.parentWidget()
    if parent is not None:
        parent.raise_()
        QTimer.singleShot(0, parent.raise_)


def open_study(source: str | Path, *, block: bool = True) -> napari.Viewer:
    """Open an input with the docks.

    Raises
    ------
    MedadError
        If the input cannot be read; no window appears then.
    """
    layers = read_layers(str(source))
    viewer = napari.Viewer(title="napari · MedAD")
    for data, options, kind in layers:
        getattr(viewer, f"add_{kind}")(data, **options)
    open_docks(viewer)
    viewer.layers.selection.active = viewer.layers[-1]
    if block:
        napari.run()
    return viewer


def open_saved(path: str | Path, *, block: bool = True) -> napari.Viewer:
    """Open a saved session with the docks.

    Raises
    ------
    MedadError
        If it cannot be opened; no window appears then.
    """
    from napari_medad.export.session_file import open_session
    from napari_medad.viewer.saved_session import restore

    held = open_session(path)
    viewer = napari.Viewer(title="napari · MedAD")
    open_docks(viewer)
    restore(viewer, held)
    if block:
        napari.run()
    return viewer


def open_cohort(folder: str | Path, *, block: bool = True) -> napari.Viewer:
    """Open the table of a cohort with the docks, in front."""
    from napari_medad.viewer.docks.cohort import CohortDock

    viewer = napari.Viewer(title="napari · MedAD")
    dock = open_docks(viewer)["Cohort"]
    assert isinstance(dock, CohortDock)
    dock.open(Path(folder))
    raise_dock(dock)
    if block:
        napari.run()
    return viewer


def show_detection(viewer: napari.Viewer, detection: Detection) -> DetectionLayers:
    """Show a finished detection and make it the session's current one."""
    shown = DetectionLayers(
        viewer,
        detection.study,
        detection.volume,
        detection.detector,
        untrained=detection.record.untrained,
    )
    shown.remove_existing()
    shown.begin(list(detection.maps))
    shown.prepare(detection)
    shown.finish(detection)
    session = session_of(viewer)
    session.layers_of_current = shown
    session.add(detection)
    return shown


def demo(*, block: bool = True) -> napari.Viewer:
    """The sample patient with a detection running, its largest finding chosen at the end."""
    study = sample_study().study
    viewer = napari.Viewer(title="napari · MedAD · synthetic patient")
    add_study(viewer, study)
    docks = open_docks(viewer)
    detect_dock, findings_dock = docks["Detect"], docks["Findings"]
    assert isinstance(detect_dock, DetectDock)
    assert isinstance(findings_dock, FindingsDock)
    session = session_of(viewer)

    def first_finding(detection: Detection | None) -> None:
        session.current_changed.disconnect(first_finding)
        raise_dock(findings_dock)
        session.step(1)

    session.current_changed.connect(first_finding)
    viewer.reset_view()
    detect_dock.run()
    if block:
        napari.run()
    return viewer
