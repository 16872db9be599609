"""The Export dock: a result as files for others, and the whole session for later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from qtpy.QtCore import Qt, QTimer, QUrl
from qtpy.QtGui import QDesktopServices, QImage, QPixmap
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_medad.errors import MedadError
from napari_medad.export.outcome import Outcome
from napari_medad.export.pictures import key_image
from napari_medad.export.planes import PlanePainter
from napari_medad.export.run import export
from napari_medad.export.session_file import SavedSession, open_session, save_session
from napari_medad.viewer.parts.fold import Fold
from napari_medad.viewer.parts.format_list import FormatList
from napari_medad.viewer.parts.notice import DOCK_WIDTH
from napari_medad.viewer.parts.run_footer import RunFooter
from napari_medad.viewer.parts.scrolled import scrolled
from napari_medad.viewer.session import session_of, unwrapped
from napari_medad.viewer.worker import Work

if TYPE_CHECKING:
    from PIL.Image import Image

    from napari_medad.corrections.correction import Correction
    from napari_medad.results.detection import Detection

SETTLE_MS = 250
"""How long choices must rest before the preview is drawn anew."""
NOTHING = "No detection yet: run a detector in the Detect dock."
ZIP = "Session (*.zip)"


class ExportDock(QWidget):
    """Writes the chosen detection, or its correction, and saves and opens sessions.

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
        self.work, self.drawing = Work(self), Work(self)
        self.settling = QTimer(self)
        self.settling.setSingleShot(True)
        self.settling.setInterval(SETTLE_MS)
        self._painter: tuple[object, PlanePainter] | None = None
        self._picture: QPixmap | None = None
        self._after: Callable[[Any], None] = lambda answer: None
        self._build()
        self._connect()
        self._refill()

    # Layout ---------------------------------------------------------------------------------

    def _build(self) -> None:
        self.setMinimumWidth(DOCK_WIDTH)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        body = QWidget(self)
        outer.addWidget(scrolled(body, self), 1)
        layout = QVBoxLayout(body)
        self.detection_box, self.formats = QComboBox(self), FormatList(self)
        self.folder_edit, self.series_edit = QLineEdit(self), QLineEdit(self)
        self.folder_edit.setPlaceholderText("Folder to write into")
        self.series_edit.setPlaceholderText("the one that the scan was read from")
        self.folder_button, self.series_button = QPushButton("…", self), QPushButton("…", self)
        self.patient_box = QCheckBox("Carry patient and study fields", self)
        self.patient_box.setToolTip(
            "Name, number, birth date, sex, and the study's date and numbers of the source.\n"
            "A PACS files the objects under the patient only with them; without, they are empty."
        )
        form = QFormLayout()
        form.addRow("Detection", self.detection_box)
        layout.addLayout(form)
        self.preview = QLabel(self)
        self.preview.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.preview.setMinimumHeight(150)
        layout.addWidget(self.preview)
        layout.addWidget(self.formats)
        self.dicom, inside = QWidget(self), QFormLayout()
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addRow("DICOM series", _beside(self.series_edit, self.series_button))
        inside.addRow("", self.patient_box)
        self.dicom.setLayout(inside)
        layout.addWidget(self.dicom)
        form = QFormLayout()
        form.addRow("Folder", _beside(self.folder_edit, self.folder_button))
        layout.addLayout(form)
        layout.addWidget(self._sessions())
        layout.addStretch()
        self.footer, self.open_button = RunFooter(self), QPushButton("Open the folder", self)
        self.footer.run_button.setText("Export")
        self.open_button.setVisible(False)
        self.footer.layout().addWidget(self.open_button)
        outer.addWidget(self.footer)

    def _sessions(self) -> QWidget:
        fold, inside = Fold("Session", self), QWidget(self)
        self.scans_box = QCheckBox("With the scans, to open it elsewhere", self)
        self.scans_box.setChecked(True)
        self.save_button = QPushButton("Save session …", self)
        self.load_button = QPushButton("Open session …", self)
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.scans_box)
        row = QHBoxLayout()
        row.addWidget(self.save_button)
        row.addWidget(self.load_button)
        layout.addLayout(row)
        fold.addWidget(inside)
        fold.expand(animate=False)
        return fold

    def _connect(self) -> None:
        self.session.current_changed.connect(self._refill)
        self.session.corrections_changed.connect(self._refill)
        self.session.selected_changed.connect(lambda finding: self.settling.start())
        self.detection_box.currentIndexChanged.connect(lambda row: self.settling.start())
        self.settling.timeout.connect(self._draw)
        self.drawing.finished.connect(self._show_picture)
        self.drawing.failed.connect(self.preview.setText)
        self.formats.changed.connect(self._offer)
        self.folder_edit.textChanged.connect(self._offer)
        self.folder_button.clicked.connect(lambda: self._browse(self.folder_edit, "Export into"))
        self.series_button.clicked.connect(lambda: self._browse(self.series_edit, "DICOM series"))
        self.footer.run_button.clicked.connect(self.run)
        self.open_button.clicked.connect(self._open_folder)
        self.save_button.clicked.connect(self._save_session)
        self.load_button.clicked.connect(self._load_session)
        self.footer.follow(self.work, "Cancelled; nothing was written.")
        self.work.finished.connect(lambda answer: self._after(answer))
        self.work.ended.connect(self._on_ended)

    # What is exported -----------------------------------------------------------------------

    @property
    def result(self) -> Detection | Correction | None:
        """The chosen detection, or its correction where one goes on."""
        key = self.detection_box.currentData()
        if key is None or tuple(key) not in self.session.detections:
            return None
        return self.session.corrections.get(tuple(key)) or self.session.detections[tuple(key)]

    def _refill(self, event: Any = None) -> None:
        """Offer what the session holds; the current detection is chosen."""
        current = self.session.current
        self.detection_box.blockSignals(True)
        self.detection_box.clear()
        for key, detection in self.session.detections.items():
            told = " · corrected" if key in self.session.corrections else ""
            mark = "UNTRAINED · " if detection.record.untrained else ""
            self.detection_box.addItem(f"{key[0]} · {mark}{key[1]}{told}", list(key))
            if current is not None and key == (current.study.name, current.detector):
                self.detection_box.setCurrentIndex(self.detection_box.count() - 1)
        self.detection_box.blockSignals(False)
        self.save_button.setEnabled(bool(self.session.detections) and not self.work.running)
        self.settling.start()
        self._offer()

    def _offer(self) -> None:
        """Say what is missing before anything can be exported."""
        self.dicom.setVisible(self.formats.dicom)
        reason = ""
        if self.detection_box.count() == 0:
            reason = NOTHING
        elif not self.formats.chosen():
            reason = "Tick a format."
        elif not self.folder_edit.text().strip():
            reason = "Choose a folder to write into."
        if not self.work.running:
            self.footer.offer(reason)

    def _draw(self) -> None:
        """The key image of the chosen finding, in a thread."""
        result = self.result
        if result is None:
            self._picture = None
            self.preview.setText("The key image of a finding appears here.")
            return
        if self.drawing.running:
            self.settling.start()
            return
        wanted, held = self.session.selected, self._painter

        def work(report: Any) -> tuple[object, PlanePainter, Image | None]:
            outcome = Outcome.of(result)
            same = held is not None and held[0] is outcome.detection.maps and not outcome.corrected
            painter = held[1].of(outcome) if same and held is not None else PlanePainter(outcome)
            findings = outcome.findings
            finding = next(
                (f for f in findings if f.id == wanted), findings[0] if findings else None
            )
            picture = None if finding is None else key_image(painter, finding)
            return outcome.detection.maps, painter, picture

        self.drawing.start(work)

    def _show_picture(self, answer: tuple[object, PlanePainter, Image | None]) -> None:
        maps, painter, picture = answer
        self._painter = maps, painter
        if picture is None:
            self._picture = None
            self.preview.setText("No finding, so there is no key image.")
            return
        pixels = np.ascontiguousarray(np.asarray(picture))
        height, width, _ = pixels.shape
        image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
        self._picture = QPixmap.fromImage(image.copy())
        self._fit()

    def _fit(self) -> None:
        if self._picture is not None:
            width = max(100, self.width() - 40)
            smooth = Qt.TransformationMode.SmoothTransformation
            self.preview.setPixmap(self._picture.scaledToWidth(width, smooth))

    def resizeEvent(self, event: Any) -> None:
        """The preview fills the dock's width."""
        super().resizeEvent(event)
        self._fit()

    # Exporting ------------------------------------------------------------------------------

    def run(self) -> None:
        """Write the ticked formats."""
        result = self.result
        if result is None:
            self.footer.say(NOTHING, "error")
            return
        folder, chosen = Path(self.folder_edit.text().strip()).expanduser(), self.formats.chosen()
        series, keep = self.series_edit.text().strip() or None, self.patient_box.isChecked()

        def work(report: Callable[[Any], str | None]) -> list[Path]:
            return export(result, folder, chosen, series=series, keep_patient=keep, progress=report)

        def done(written: list[Path]) -> None:
            self.footer.say(f"{len(written)} files written to {folder}.", "good")
            self.open_button.setVisible(True)

        self._start("Exporting …", work, done)

    def _start(self, text: str, work: Callable[..., Any], done: Callable[[Any], None]) -> None:
        if self.work.running:
            return
        self._after = done
        self.open_button.setVisible(False)
        for button in (self.save_button, self.load_button):
            button.setEnabled(False)
        self.footer.begin(text)
        self.work.start(work)

    def _on_ended(self) -> None:
        self.load_button.setEnabled(True)
        self.save_button.setEnabled(bool(self.session.detections))
        self.footer.end(ready=not self.footer.reason)

    def _open_folder(self) -> None:
        folder = Path(self.folder_edit.text().strip()).expanduser().absolute()
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def _browse(self, edit: QLineEdit, title: str) -> None:
        folder = QFileDialog.getExistingDirectory(self, title, edit.text())
        if folder:
            edit.setText(folder)

    # Sessions -------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Save everything into a zip, or a folder."""
        from napari_medad.viewer.saved_session import capture

        try:
            held = capture(self.viewer)
        except MedadError as error:
            self.footer.say(str(error), "error")
            return
        scans = self.scans_box.isChecked()
        self._start(
            "Saving the session …",
            lambda report: save_session(held, path, with_scans=scans, progress=report),
            lambda written: self.footer.say(f"The session is kept in {written}.", "good"),
        )

    def open(self, path: Path) -> None:
        """Show a saved session in place of what is shown."""
        question = "Close everything that is open, and open the session?"
        if len(self.viewer.layers) and not self.confirm(question):
            return
        self._start(
            "Opening the session …",
            lambda report: open_session(path, progress=report),
            self._restore,
        )

    def _restore(self, held: SavedSession) -> None:
        from napari_medad.viewer.saved_session import restore

        restore(self.viewer, held)
        count = len(held.detections)
        self.footer.say(f"Session opened: {count} detection{'' if count == 1 else 's'}.", "good")

    def _save_session(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Save session", "session.zip", ZIP)
        if name:
            self.save(Path(name))

    def _load_session(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open session", "", ZIP)
        if name:
            self.open(Path(name))

    def _ask(self, question: str) -> bool:
        answer = QMessageBox.question(self, "MedAD", question)
        return answer == QMessageBox.StandardButton.Yes

    def closeEvent(self, event: Any) -> None:
        """Stop what runs."""
        for work in (self.work, self.drawing):
            work.cancel()
            work.wait(2)
        super().closeEvent(event)


def _beside(edit: QLineEdit, button: QPushButton) -> QHBoxLayout:
    button.setFixedWidth(34)
    row = QHBoxLayout()
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(edit)
    row.addWidget(button)
    return row
