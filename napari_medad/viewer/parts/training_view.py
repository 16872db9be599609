"""A training as it goes: curves, time left, messages, and what can be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_medad.viewer.parts.loss_curves import LossCurves
from napari_medad.viewer.parts.notice import Notice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_medad.viewer.training_run import TrainingRun

HEADINGS = {
    "running": "Training",
    "paused": "Paused",
    "done": "Finished",
    "stopped": "Stopped",
    "failed": "Failed",
}
KINDS = {"done": "good", "failed": "error", "stopped": "warning"}
SHOWN_MESSAGES = 4


class TrainingView(QWidget):
    """Shows a `TrainingRun`; its buttons are connected by the dock."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.heading, self.where = QLabel(self), QLabel(self)
        self.bar, self.curves = QProgressBar(self), LossCurves(self)
        self.messages, self.notice = QLabel(self), Notice(self)
        self.messages.setWordWrap(True)
        self.pause_button = QPushButton("Pause", self)
        self.pause_button.setCheckable(True)
        self.cancel_button = QPushButton("Cancel", self)
        self.resume_button = QPushButton("Resume", self)
        self.new_button = QPushButton("New training", self)
        self.use_button = QPushButton("Use in Detect", self)
        self.layer_box = QComboBox(self)
        self.layer_box.setToolTip("After each epoch, the anomaly map of the slice in view is shown")
        self.layer_row = QWidget(self)
        form = QFormLayout(self.layer_row)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Preview on", self.layer_box)
        layout = QVBoxLayout(self)
        layout.addWidget(self.heading)
        layout.addWidget(self.bar)
        layout.addWidget(self.where)
        layout.addWidget(self.curves, 1)
        layout.addWidget(self.layer_row)
        layout.addWidget(self.messages)
        layout.addWidget(self.notice)
        layout.addLayout(self._buttons())
        layout.addStretch()

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        for button in (
            self.pause_button,
            self.cancel_button,
            self.use_button,
            self.resume_button,
            self.new_button,
        ):
            row.addWidget(button)
        return row

    def offer_layers(self, names: Sequence[str]) -> None:
        """Offer layers to preview on."""
        chosen = self.layer_box.currentText()
        self.layer_box.blockSignals(True)
        self.layer_box.clear()
        self.layer_box.addItems(list(names))
        self.layer_box.setCurrentText(chosen if chosen in names else (names or [""])[-1])
        self.layer_box.blockSignals(False)
        self.layer_row.setVisible(bool(names))

    def show_run(self, run: TrainingRun) -> None:
        """Show where the run is."""
        assert run.order is not None
        title = f"{run.order.detector} · {run.order.out.name}"
        self.heading.setText(f"<b>{HEADINGS[run.state]}</b>: {title}")
        self._show_progress(run)
        self.curves.show_rows(run.rows)
        self.curves.setVisible(run.active or bool(run.rows))
        ended = not run.active
        told = run.messages[:-1] if ended else run.messages
        self.messages.setText("<br>".join(told[-SHOWN_MESSAGES:]))
        self.messages.setVisible(bool(told))
        self.notice.say(run.messages[-1] if ended else "", KINDS.get(run.state, "plain"))
        self._show_buttons(run)

    def _show_progress(self, run: TrainingRun) -> None:
        progress = run.progress
        self.bar.setVisible(run.active or run.state == "stopped")
        self.where.setVisible(run.active or run.state == "stopped")
        if progress is None:
            self.bar.setRange(0, 0 if run.active else 1)
            self.where.setText("Preparing …" if run.active else "")
            return
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)
        if progress.unit != "steps":
            self.where.setText(f"Looking through images: {progress.done} of {progress.total}")
            return
        parts = [
            f"step {progress.done} of {progress.total}",
            f"epoch {progress.epoch + 1} of {progress.epochs}",
        ]
        loss = next((row[2]["loss"] for row in reversed(run.rows) if row[1] == "train"), None)
        if loss is not None:
            parts.append(f"loss {loss:.4g}")
        if run.active and progress.eta_s is not None:
            parts.append(f"{_clock(progress.eta_s)} left")
        self.where.setText(", ".join(parts))

    def _show_buttons(self, run: TrainingRun) -> None:
        self.pause_button.setText("Go on" if self.pause_button.isChecked() else "Pause")
        for button in (self.pause_button, self.cancel_button):
            button.setVisible(run.active)
        self.use_button.setVisible(run.state == "done")
        self.resume_button.setVisible(run.state in ("stopped", "failed") and run.resumable)
        self.new_button.setVisible(not run.active)
        self.new_button.setText("Back to the settings" if run.state == "failed" else "New training")
        self.layer_row.setVisible(run.active and self.layer_box.count() > 0)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
