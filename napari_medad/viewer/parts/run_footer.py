"""Run and Cancel, how far the work is, and how it went: always in view below a dock's choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_medad.viewer.parts.notice import Notice

if TYPE_CHECKING:
    from napari_medad.inference.progress import Progress
    from napari_medad.viewer.worker import Work


class RunFooter(QWidget):
    """Starts nothing itself; the dock connects its buttons."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run_button, self.cancel_button = QPushButton("Run", self), QPushButton("Cancel", self)
        self.cancel_button.setEnabled(False)
        self.reason = ""
        self.bar, self.where = QProgressBar(self), QLabel(self)
        self.notice, self.summary = Notice(self), QLabel(self)
        self.summary.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button, 2)
        buttons.addWidget(self.cancel_button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(9, 4, 9, 9)
        layout.addLayout(buttons)
        for widget in (self.bar, self.where, self.notice, self.summary):
            widget.setVisible(False)
            layout.addWidget(widget)

    def follow(self, work: Work, cancelled: str = "Cancelled.", kind: str = "plain") -> None:
        """Show how a work goes, and let Cancel stop it; `cancelled` is said when it was."""
        self.cancel_button.clicked.connect(work.cancel)
        work.progressed.connect(self.show_progress)
        work.failed.connect(lambda sentence: self.say(sentence, "error"))
        work.cancelled.connect(lambda: self.say(cancelled, kind))

    def offer(self, reason: str = "") -> None:
        """Let the user run, or say why that cannot be now."""
        if reason or self.reason:
            self.say(reason)
        self.reason = reason
        self.run_button.setEnabled(not reason and not self.cancel_button.isEnabled())
        self.run_button.setToolTip(reason)

    def begin(self, text: str) -> None:
        """Something runs that cannot say yet how long it will take."""
        self.run_button.setEnabled(False)
        self.cancel_button.setEnabled(True)
        self.say("")
        self.bar.setRange(0, 0)
        self.where.setText(text)
        self._show_progress(True)

    def show_progress(self, progress: Progress) -> None:
        """How far it is."""
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)
        left = f", {progress.eta_s:.0f} s left" if progress.eta_s is not None else ""
        self.where.setText(f"{progress.done} of {progress.total} {progress.unit}{left}")

    def end(self, ready: bool) -> None:
        """Nothing runs any more; `ready` says whether it could run again."""
        self._show_progress(False)
        self.run_button.setEnabled(ready)
        self.cancel_button.setEnabled(False)

    def say(self, text: str, kind: str = "plain", details: Sequence[str] = ()) -> None:
        """One sentence, and lines of detail below."""
        self.notice.say(text, kind)
        self.summary.setText("<br>".join(details))
        self.summary.setVisible(bool(details))

    def _show_progress(self, on: bool) -> None:
        self.bar.setVisible(on)
        self.where.setVisible(on)
