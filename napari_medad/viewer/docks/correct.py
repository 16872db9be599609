"""The Correct dock: the detector's mask in the reader's hands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import napari
from qtpy.QtWidgets import QFileDialog, QMessageBox, QVBoxLayout, QWidget

from napari_medad.corrections.correction import Correction
from napari_medad.corrections.files import (
    load_correction,
    load_recovery,
    refuse_moved,
    save_correction,
)
from napari_medad.results.detection import Detection
from napari_medad.results.threshold import threshold_levels
from napari_medad.viewer.correcting import Correcting
from napari_medad.viewer.orientation import dress
from napari_medad.viewer.parts.correction_start import CorrectionStart
from napari_medad.viewer.parts.notice import DOCK_WIDTH
from napari_medad.viewer.parts.shortcuts import bind
from napari_medad.viewer.recovery import Recovery, recovery_path
from napari_medad.viewer.session import session_of, unwrapped


class CorrectDock(QWidget):
    """Starts a correction, keeps it, and ends it; `editing` is what happens between.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    confirm : callable, optional
        Asks a yes-or-no question; default: a message box.
    """

    def __init__(
        self, napari_viewer: napari.Viewer, confirm: Callable[[str], bool] | None = None
    ) -> None:
        super().__init__()
        self.viewer = unwrapped(napari_viewer)
        self.session = session_of(napari_viewer)
        self.confirm = confirm or self._ask
        self.recovery = Recovery(self)
        self.editing = Correcting(self.viewer, self.session, self)
        self.form, self.start = self.editing.form, CorrectionStart(self)
        self._threshold, self._kept = 0.0, 0
        self.setMinimumWidth(DOCK_WIDTH)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.start)
        layout.addWidget(self.form, 1)
        self._connect()
        dress(self.viewer)
        self._show()

    def _connect(self) -> None:
        self.session.current_changed.connect(self._on_current)
        self.viewer.layers.events.removed.connect(self._on_removed)
        self.recovery.told.connect(self.form.autosaved.setText)
        self.recovery.failed.connect(lambda text: self.editing.say(text, "error"))
        self.start.box.currentIndexChanged.connect(lambda _: self._offer_recovery())
        self.start.start_button.clicked.connect(self.begin)
        self.start.open_button.clicked.connect(self._open)
        self.start.recover_button.clicked.connect(self.recover)
        self.start.forget_button.clicked.connect(self.forget)
        self.form.buttons["save"].clicked.connect(self._save)
        self.form.buttons["done"].clicked.connect(self.done)
        bind(self.viewer, self.editing.shortcuts)

    @property
    def correction(self) -> Correction | None:
        """The correction that is going on."""
        return self.editing.correction

    def _show(self) -> None:
        """The choices, or the correction."""
        on = self.correction is not None
        self.start.offer(self.session.detections, self.session.current)
        self.start.setVisible(not on)
        self.form.show_editing(on)
        self._offer_recovery()

    # Beginning ------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start correcting the chosen detection."""
        self._load("Preparing the mask …", Correction.of)

    def recover(self) -> None:
        """Go on with what was saved by itself."""
        self._load("Recovering …", lambda found: load_recovery(found, recovery_path(found)))

    def open(self, folder: Path) -> None:
        """Go on with a correction that was saved."""
        self._load("Opening …", lambda found: load_correction(found, folder))

    def resume(self, correction: Correction) -> None:
        """Go on with a correction that was read already."""
        if self.correction is None:
            detection = correction.detection
            levels = threshold_levels(detection.maps["anomaly"], detection.foreground)
            self._on_begun((correction, float(levels[-1] - levels[0])))

    def forget(self) -> None:
        """Drop what was saved by itself, after asking."""
        detection = self.start.detection
        if detection is not None and self.confirm("Drop the correction that was not saved?"):
            recovery_path(detection).unlink(missing_ok=True)
            self._offer_recovery()

    def _load(self, text: str, make: Callable[[Detection], Correction]) -> None:
        detection = self.start.detection
        if detection is None or self.editing.work.running:
            return

        def work(report: Any) -> tuple[Correction, float]:
            refuse_moved(detection)
            levels = threshold_levels(detection.maps["anomaly"], detection.foreground)
            return make(detection), float(levels[-1] - levels[0])

        self.editing.run(text, work, self._on_begun)

    def _on_begun(self, answer: tuple[Correction, float]) -> None:
        correction, span = answer
        self._threshold, self._kept = correction.detection.threshold, correction.revision
        if self.session.current is not correction.detection:
            self.session.show(correction.detection)
        self.session.begin(correction)
        self.recovery.follow(correction)
        self.editing.begin(correction, span)
        self._show()

    def _open(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of the saved correction")
        if folder:
            self.open(Path(folder))

    def _offer_recovery(self) -> None:
        detection = self.start.detection
        path = recovery_path(detection) if detection is not None else None
        when = ""
        if path is not None and path.is_file():
            when = f"{datetime.fromtimestamp(path.stat().st_mtime):%d %B, %H:%M}"
        self.start.offer_recovery(when)

    # Keeping and ending ---------------------------------------------------------------------

    def save(self, folder: Path, after: Callable[[], None] = lambda: None) -> None:
        """Write the correction into a folder, in a thread, and do something when that is done."""
        correction = self.correction
        if correction is None or self.editing.work.running:
            return
        revision = correction.revision

        def saved(written: list[Path]) -> None:
            self._kept = revision
            if correction.revision == revision:
                self.recovery.drop()
            self.editing.say(f"{len(written)} files written to {folder}", "good")
            after()

        self.editing.run("Saving …", lambda report: save_correction(correction, folder), saved)

    def _save(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Save the corrected mask into")
        if folder:
            self.save(Path(folder))

    def done(self) -> None:
        """End the correction, after asking where it was not saved."""
        correction = self.correction
        if correction is None:
            return
        question = "The correction is not saved. End it all the same? It can be recovered later."
        if correction.revision == self._kept or self.confirm(question):
            self._end()

    def _end(self) -> None:
        correction = self.editing.end()
        if correction is None:
            return
        self.editing.say("")
        self.recovery.told.emit("")
        self.recovery.stop(forget=correction.revision == self._kept)
        self.session.end(correction)
        self._show()

    def _on_removed(self, event: Any) -> None:
        if self.editing.layers is not None and not self.editing.layers.there:
            self._end()

    def _on_current(self, detection: Detection | None) -> None:
        """Another detection, or another threshold: then the detector's own voxels follow."""
        correction = self.correction
        if correction is None:
            self._show()
        elif (
            detection is not None
            and detection.maps is correction.detection.maps
            and detection.threshold != self._threshold
            and self.editing.cut(detection.threshold, detection.minimum_ml)
        ):
            self._threshold = detection.threshold

    def _ask(self, question: str) -> bool:
        answer = QMessageBox.question(self, "MedAD", question)
        return answer == QMessageBox.StandardButton.Yes

    def closeEvent(self, event: Any) -> None:
        """Stop what runs, and keep the correction to be recovered."""
        self.editing.work.cancel()
        self.editing.work.wait(2)
        self._end()
        super().closeEvent(event)
