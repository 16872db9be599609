"""Saving a correction by itself, so that nothing is lost when the program ends suddenly."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

from platformdirs import user_data_path
from qtpy.QtCore import QCoreApplication, QObject, QTimer, Signal

from napari_medad.corrections.correction import Correction
from napari_medad.corrections.files import save_recovery
from napari_medad.errors import MedadError
from napari_medad.results.detection import Detection
from napari_medad.viewer.worker import Work

EVERY_S = 20.0
"""Longest time that a change waits until it is saved."""
TICK_MS = 1000


def recovery_home() -> Path:
    """Folder of recovery files; `MEDAD_RECOVERY` overrides the user data folder."""
    override = os.environ.get("MEDAD_RECOVERY")
    return Path(override) if override else user_data_path("napari-medad", False) / "recovery"


def recovery_path(detection: Detection) -> Path:
    """Where the correction of a detection is saved by itself; its name tells no name."""
    study, grid = detection.study, detection.volume.grid
    key = (
        study.name,
        str(study.path),
        detection.detector,
        grid.shape,
        grid.affine.round(3).tolist(),
    )
    return recovery_home() / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:20]}.npz"


class Recovery(QObject):
    """Writes a correction's recovery file in a thread while it changes.

    Signals
    -------
    told : str
        When it was saved last, once a second; an empty text before the first time.
    failed : str
        Why it could not be saved, in one sentence.
    """

    told = Signal(str)
    failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.correction: Correction | None = None
        self.work = Work(self)
        self.work.finished.connect(self._on_saved)
        self.work.failed.connect(self.failed)
        self.timer = QTimer(self)
        self.timer.setInterval(TICK_MS)
        self.timer.timeout.connect(self._on_tick)
        self._revision, self._saved, self._tried = 0, 0.0, 0.0
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self._on_quit)

    def follow(self, correction: Correction) -> None:
        """Keep this correction from now on."""
        self.correction, self._revision, self._saved = correction, correction.revision, 0.0
        self._tried = time.monotonic()
        self.timer.start()
        self.told.emit("")

    def stop(self, *, forget: bool) -> None:
        """Keep it no longer; its file goes (`forget`) or holds its last state.

        Never raises: a window that is closing must close. `failed` tells what could not be saved.
        """
        correction, self.correction = self.correction, None
        self.timer.stop()
        self.work.wait(10)
        if correction is None:
            return
        path = recovery_path(correction.detection)
        if forget:
            path.unlink(missing_ok=True)
        elif correction.revision != self._revision:
            try:
                save_recovery(correction, path)
            except MedadError as error:
                self.failed.emit(str(error))

    def save(self) -> None:
        """Save now, in a thread."""
        if self.correction is None or self.work.running:
            return
        correction, path = self.correction, recovery_path(self.correction.detection)
        self._tried = time.monotonic()
        self.work.start(lambda report: save_recovery(correction, path))

    def drop(self) -> None:
        """Remove the file: the correction was saved where the user wants it."""
        if self.correction is not None:
            self.work.wait(10)
            self._revision = self.correction.revision
            recovery_path(self.correction.detection).unlink(missing_ok=True)

    def _on_tick(self) -> None:
        correction = self.correction
        if correction is None:
            return
        if correction.revision != self._revision and time.monotonic() - self._tried >= EVERY_S:
            self.save()
        if self._saved:
            self.told.emit(f"autosaved {_ago(time.monotonic() - self._saved)} ago")

    def _on_quit(self) -> None:
        """The program ends, and windows may not be told so."""
        self.stop(forget=False)

    def _on_saved(self, revision: Any) -> None:
        self._revision, self._saved = revision, time.monotonic()
        self.told.emit("autosaved just now")


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
