"""What the docks of one viewer share: detections, the current one, loaded detectors. No Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import finalize

import numpy as np
from psygnal import Signal

from napari_medad.corrections.correction import Correction
from napari_medad.detectors.registry import load_detector
from napari_medad.results.detection import Detection
from napari_medad.results.findings import Finding
from napari_medad.results.threshold import threshold_levels

if TYPE_CHECKING:
    import napari

    from napari_medad.detectors.detector import Detector
    from napari_medad.viewer.layers import DetectionLayers
    from napari_medad.viewer.training_run import TrainingRun

NUDGE = 4
"""Steps of the threshold's slider that one press of a key moves it."""


class Session:
    """The one state behind the docks; each dock shows it, edits it and follows its signals.

    Attributes
    ----------
    detections : dict of (case, detector) to Detection
        The latest of each detector on each study.
    current : Detection or None
        The one that the Findings dock shows.
    layers_of_current : DetectionLayers or None
        Where the current detection is shown.
    corrections : dict of (case, detector) to Correction
        Those that are going on.
    selected : int or None
        Finding that is selected, by id.
    training : TrainingRun or None
        What the Train dock runs; it goes on while the dock is closed.
    run_number : int
        Number of the latest run; results of earlier ones are stale.
    """

    current_changed = Signal(object)
    """A Detection, or None: another one is current, or it was cut at another threshold."""
    selected_changed = Signal(object)
    """A Finding: it was chosen."""
    corrections_changed = Signal(object)
    """A Correction: it was begun, or ended. What it holds it tells by its own `changed`."""
    weights_changed = Signal(str)
    """A detector's name: weights for it have been trained or added."""

    def __init__(self) -> None:
        self.detections: dict[tuple[str, str], Detection] = {}
        self.current: Detection | None = None
        self.layers_of_current: DetectionLayers | None = None
        self.corrections: dict[tuple[str, str], Correction] = {}
        self.selected: int | None = None
        self.training: TrainingRun | None = None
        self.run_number = 0
        self._loaded: dict[str, Detector] = {}
        self._loading = Lock()
        self._layers: dict[tuple[str, str], DetectionLayers | None] = {}
        self._levels: tuple[object, np.ndarray] | None = None

    def next_run(self) -> int:
        """Number of a run that begins now; older results are dropped from here on."""
        self.run_number += 1
        return self.run_number

    def add(self, detection: Detection) -> None:
        """Keep a finished detection and make it current."""
        key = detection.study.name, detection.detector
        self.detections[key], self._layers[key] = detection, self.layers_of_current
        self.selected = None
        self.show(detection)

    def show(self, detection: Detection | None) -> None:
        """Make a detection current."""
        self.current = detection
        if detection is not None:
            key = detection.study.name, detection.detector
            self.layers_of_current = self._layers.get(key, self.layers_of_current)
        self.current_changed.emit(detection)

    def layers_of(self, detection: Detection) -> DetectionLayers | None:
        """Where a detection is shown."""
        return self._layers.get((detection.study.name, detection.detector))

    def clear(self) -> None:
        """Forget every detection and correction: other scans come."""
        self.detections, self.corrections, self._layers = {}, {}, {}
        self.current = self.layers_of_current = self.selected = None
        self.current_changed.emit(None)

    def cut(self, threshold: float | None = None, minimum_ml: float | None = None) -> None:
        """Cut the current detection at another threshold or minimum size."""
        if self.current is None:
            return
        detection = self.current.at(threshold, minimum_ml)
        self.detections[detection.study.name, detection.detector] = detection
        self.show(detection)

    def nudge(self, by: int) -> None:
        """Raise (+1) or lower (-1) the current detection's threshold a little."""
        if self.current is None:
            return
        maps = self.current.maps
        if self._levels is None or self._levels[0] is not maps:
            self._levels = maps, threshold_levels(maps["anomaly"], self.current.foreground)
        levels = np.unique(self._levels[1])
        at = int(np.searchsorted(levels, self.current.threshold)) + NUDGE * by
        self.cut(threshold=float(levels[np.clip(at, 0, levels.size - 1)]))

    @property
    def correction(self) -> Correction | None:
        """The correction of the current detection that is going on."""
        if self.current is None:
            return None
        return self.corrections.get((self.current.study.name, self.current.detector))

    @property
    def findings(self) -> Sequence[Finding]:
        """Findings of the current detection, as corrected where a correction is going on."""
        if self.correction is not None:
            return self.correction.findings
        return self.current.findings if self.current is not None else []

    def begin(self, correction: Correction) -> None:
        """A correction is going on from here."""
        detection = correction.detection
        self.corrections[detection.study.name, detection.detector] = correction
        self.corrections_changed.emit(correction)

    def end(self, correction: Correction) -> None:
        """A correction is going on no longer."""
        self.corrections = {k: c for k, c in self.corrections.items() if c is not correction}
        self.corrections_changed.emit(correction)

    def select(self, number: int) -> None:
        """Choose a finding by id."""
        finding = next((f for f in self.findings if f.id == number), None)
        if finding is not None:
            self.selected = number
            self.selected_changed.emit(finding)

    def step(self, by: int) -> None:
        """Choose the next (+1) or previous (-1) finding, round the end."""
        ids = [f.id for f in self.findings]
        if not ids:
            return
        at = ids.index(self.selected) + by if self.selected in ids else (0 if by > 0 else -1)
        self.select(ids[at % len(ids)])

    def load(self, name: str, weights: str, device: str, settings: Mapping[str, Any]) -> Detector:
        """A detector, loaded once for each name, weights, device and settings.

        Safe to call from worker threads. Keeps one detector a name.

        Raises
        ------
        MedadError
            As `load_detector`.
        """
        key = repr((name, weights, device, sorted(settings.items())))
        with self._loading:
            if key not in self._loaded:
                detector = load_detector(name, weights=weights, device=device, **settings)
                self._loaded = {k: d for k, d in self._loaded.items() if d.card.name != name}
                self._loaded[key] = detector
            return self._loaded[key]

    def forget(self, name: str) -> None:
        """Drop loaded copies of a detector, whose weights have changed."""
        with self._loading:
            self._loaded = {k: d for k, d in self._loaded.items() if d.card.name != name}
        self.weights_changed.emit(name)


_sessions: dict[int, Session] = {}


def unwrapped(viewer: napari.Viewer) -> napari.Viewer:
    """The viewer itself: napari hands plugins a proxy, a new one to each."""
    return getattr(viewer, "__wrapped__", viewer)


def session_of(viewer: napari.Viewer) -> Session:
    """The session of a viewer: the same for all its docks, gone when the viewer is."""
    viewer = unwrapped(viewer)
    key = id(viewer)
    if key not in _sessions:
        _sessions[key] = Session()
        finalize(viewer, _sessions.pop, key, None)
    return _sessions[key]
