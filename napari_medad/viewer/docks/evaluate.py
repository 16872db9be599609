"""The Evaluate dock: the current detection against a reader's mask, live."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from napari.layers import Layer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_medad.errors import MedadError
from napari_medad.evaluation.overlap import MEANINGS, SCHEMES
from napari_medad.evaluation.reference_files import save_measured
from napari_medad.viewer.evaluating import Answer, Question
from napari_medad.viewer.latest import Latest
from napari_medad.viewer.navigation import go_to, go_to_slice, slice_in_view
from napari_medad.viewer.outcome_layer import OutcomeLayer
from napari_medad.viewer.parts.cut_sliders import CutSliders
from napari_medad.viewer.parts.figure_table import FigureTable
from napari_medad.viewer.parts.notice import DOCK_WIDTH, Notice
from napari_medad.viewer.parts.outcome_table import KINDS, OutcomeTable
from napari_medad.viewer.parts.reference_choice import ReferenceChoice
from napari_medad.viewer.parts.slice_profile import CURVE, SliceProfile
from napari_medad.viewer.reference_layer import lies_on, open_reference
from napari_medad.viewer.session import session_of, unwrapped
from napari_medad.viewer.worker import Work
from napari_medad.volumes.volume import AXES

if TYPE_CHECKING:
    from napari_medad.evaluation.reference import Measured
    from napari_medad.results.detection import Detection

NO_DETECTION = "No detection yet: run a detector in the Detect dock, then measure it here."
NO_REFERENCE = "Choose the labels layer that a reader drew, or open a mask from a file."
SETTLE_MS = 200
"""How long sliders, or a brush in the reference, must rest before everything is done anew."""
DETECTED, CORRECTED = "The detection", "The corrected mask"


class EvaluateDock(QWidget):
    """Measures the session's current detection against a reference layer.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self.viewer = unwrapped(napari_viewer)
        self.session = session_of(napari_viewer)
        self.outcome = OutcomeLayer(self.viewer)
        self.measuring, self.saving = Latest(self), Work(self)
        self.answer: Answer | None = None
        self._watched: Layer | None = None
        self._stamp = 0
        self.settling, self.painted = QTimer(self), QTimer(self)
        for timer in (self.settling, self.painted):
            timer.setSingleShot(True)
            timer.setInterval(SETTLE_MS)
        self._build()
        self._connect()
        self._on_current(self.session.current)

    # Layout ---------------------------------------------------------------------------------

    def _build(self) -> None:
        self.setMinimumWidth(DOCK_WIDTH)
        self.choice, self.title = ReferenceChoice(self.viewer, self), QLabel(self)
        self.title.setWordWrap(True)
        self.what_box, self.sliders = QComboBox(self), CutSliders(self)
        self.what_box.addItems([DETECTED, CORRECTED])
        self.what_box.setVisible(False)
        self.notice, self.figures = Notice(self), FigureTable(self)
        self.source = QLabel(self)
        self.source.setWordWrap(True)
        self.overlay_box, self.scheme_box = QCheckBox("Overlay", self), QComboBox(self)
        self.overlay_box.setChecked(True)
        self.overlay_box.setToolTip("Shown in place of the mask, the map and the reference")
        self.scheme_box.addItems(list(SCHEMES))
        self.legend = QLabel(self)
        self._show_legend()
        self.profile = SliceProfile(self, label="Dice")
        self.profile.setYRange(0, 1)
        self.profile.curve.setSymbol("o")
        self.profile.curve.setSymbolSize(3)
        self.profile.curve.setSymbolPen(None)
        self.profile.curve.setSymbolBrush(CURVE)
        self.profile.setToolTip("Dice of each slice with a lesion or a finding; a click goes there")
        self.table, self.save_button = OutcomeTable(self), QPushButton("Save figures …", self)
        self.kind_box = QComboBox(self)
        self.kind_box.addItems(list(KINDS))
        self.kind_box.setToolTip("What the table lists")
        overlay = QHBoxLayout()
        overlay.addWidget(self.overlay_box)
        overlay.addWidget(self.scheme_box, 1)
        layout = QVBoxLayout(self)
        for widget in (self.choice, self.title, self.what_box, self.sliders, self.notice):
            layout.addWidget(widget)
        layout.addWidget(self.figures)
        layout.addWidget(self.source)
        layout.addLayout(overlay)
        for widget in (self.legend, self.profile, self.table):
            layout.addWidget(widget)
        layout.setStretchFactor(self.table, 1)
        last = QHBoxLayout()
        for widget in (QLabel("Listed", self), self.kind_box, self.save_button):
            last.addWidget(widget)
        layout.addLayout(last)

    def _connect(self) -> None:
        self.session.current_changed.connect(self._on_current)
        self.session.corrections_changed.connect(self._on_correction)
        self.choice.changed.connect(self._on_reference)
        self.choice.opened.connect(self.open)
        self.what_box.currentIndexChanged.connect(lambda _: self.measure())
        self.sliders.threshold_moved.connect(self._on_threshold)
        self.sliders.minimum_moved.connect(lambda _: self.settling.start())
        self.settling.timeout.connect(self._settle)
        self.painted.timeout.connect(self.measure)
        self.measuring.told.connect(self._show)
        self.measuring.finished.connect(self._show)
        self.measuring.failed.connect(self._on_failed)
        self.overlay_box.toggled.connect(self._show_overlay)
        self.scheme_box.currentTextChanged.connect(self._on_scheme)
        self.kind_box.currentTextChanged.connect(self._on_kind)
        self.profile.clicked.connect(self._go_to_slice)
        self.table.chosen.connect(self._go_to)
        self.viewer.dims.events.current_step.connect(self._follow_slice)
        self.viewer.layers.events.removed.connect(self._on_removed)
        self.save_button.clicked.connect(self._save)
        self.saving.finished.connect(self._on_saved)
        self.saving.failed.connect(lambda text: self.notice.say(text, "error"))

    # What is measured -----------------------------------------------------------------------

    @property
    def measured(self) -> Measured | None:
        """The figures that are shown."""
        return None if self.answer is None else self.answer.measured

    def _on_current(self, detection: Detection | None) -> None:
        layers = self.session.layers_of_current
        self.choice.own_mask = None if layers is None else layers.mask
        self.choice.refill()
        self.sliders.setEnabled(detection is not None)
        if detection is not None:
            self.sliders.show_cut(detection)
        self._on_correction()

    def _on_correction(self, correction: Any = None) -> None:
        """A correction of the current detection may be measured in its place."""
        current = self.session.correction
        self.what_box.setVisible(current is not None)
        if current is None:
            self.what_box.setCurrentIndex(0)
        else:
            current.changed.connect(self._on_edited, unique=True)
        self.measure()

    def _on_edited(self, step: Any) -> None:
        if self.what_box.currentText() == CORRECTED:
            self.painted.start()

    def _on_reference(self) -> None:
        layer = self.choice.layer
        if layer is not self._watched:
            self._watch(layer)
            self._clear()
        self.measure()

    def _watch(self, layer: Layer | None) -> None:
        """Follow what is painted into the reference."""
        for watched, act in ((self._watched, "disconnect"), (layer, "connect")):
            for event in ("paint", "data"):
                emitter = getattr(watched.events, event, None) if watched is not None else None
                if emitter is not None:
                    getattr(emitter, act)(self._on_painted)
        self._watched, self._stamp = layer, self._stamp + 1

    def _on_painted(self, event: Any = None) -> None:
        self._stamp += 1
        self.painted.start()

    def open(self, path: Path) -> None:
        """Take a mask from a file as the reference."""
        try:
            self.choice.choose(open_reference(self.viewer, path))
        except MedadError as error:
            self.notice.say(str(error), "error")

    # Measuring ------------------------------------------------------------------------------

    def measure(self) -> None:
        """Measure the current detection, or its correction, anew."""
        detection, layer = self.session.current, self.choice.layer
        self.choice.offer_resampling(
            detection is not None and layer is not None and not lies_on(layer, detection.volume)
        )
        if detection is None or layer is None:
            self._clear()
            self._head(NO_DETECTION if detection is None else NO_REFERENCE)
            return
        self._ask(detection)

    def _ask(self, detection: Detection) -> None:
        assert self.choice.layer is not None
        known, corrected = self.answer, self.what_box.currentText() == CORRECTED
        question = Question(
            detection,
            self.choice.layer,
            self.choice.chosen_labels,
            self.choice.resampled,
            self._stamp,
            self.session.correction if corrected else None,
        )
        if known is None:
            self._head("Measuring …")
        self.measuring.ask(lambda report: question.answer(known, report))

    def _on_threshold(self, threshold: float) -> None:
        """Follow the slider while it moves; the other docks follow when it rests."""
        detection, layers = self.session.current, self.session.layers_of_current
        if detection is None:
            return
        if layers is not None and not self.outcome.there:
            layers.preview_cut(detection, threshold)
        if self.answer is not None and self.choice.layer is not None:
            self._ask(detection.at(threshold, self.sliders.minimum_ml))
        self.settling.start()

    def _settle(self) -> None:
        self.session.selected = None
        self.session.cut(self.sliders.threshold, self.sliders.minimum_ml)

    # Showing --------------------------------------------------------------------------------

    def _show(self, answer: Answer) -> None:
        detection, asked = self.session.current, answer.question
        if detection is None or asked.layer is not self.choice.layer:
            return
        if asked.detection.maps is not detection.maps:  # another one is current by now
            return
        self.answer, measured = answer, answer.measured
        self.choice.offer_labels(answer.labels)
        of = "corrected " if measured.corrected else ""
        mark = "<b style='color:#e05a4f'>UNTRAINED</b> · " if detection.record.untrained else ""
        self._head(f"<b>{detection.study.name}</b> · {mark}{of}{detection.detector}")
        empty = not measured.reference.truth.any()
        self.notice.say(
            f"'{measured.reference.name}' marks no lesion, so whatever is found counts as false."
            if empty
            else "",
            "warning",
        )
        source = measured.threshold_source
        told = f"Threshold {measured.figures.threshold:.3g}{f', {source}' if source else ''}."
        self.source.setText("As a reader corrected it." if measured.corrected else told)
        self.figures.show_figures(measured)
        self.profile.show_scores(measured.dice, detection.record.axis)
        self.table.show_rows(measured, self.scheme_box.currentText())
        self.save_button.setEnabled(measured.surfaces and not self.saving.running)
        self._show_overlay()
        self._follow_slice()

    def _head(self, text: str) -> None:
        self.title.setText(text)
        self.title.setVisible(bool(text))

    def _clear(self) -> None:
        self.measuring.drop()
        self.answer = None
        self.outcome.remove()
        self.figures.clear()
        self.table.show_rows(None, "")
        self.profile.curve.setData([], [])
        self.profile.line.setVisible(False)
        self.source.setText("")
        self.notice.say("")
        self.save_button.setEnabled(False)

    def _on_failed(self, text: str) -> None:
        self._clear()
        self._head("")
        self.notice.say(text, "error")

    def _show_overlay(self, on: bool = True) -> None:
        if self.measured is None or not self.overlay_box.isChecked():
            self.outcome.remove()
            return
        self.outcome.show(self.measured, self._made_of())

    def _made_of(self) -> list[Layer]:
        """Layers that would lie over the overlay and say the same."""
        layers = self.session.layers_of_current
        own = [] if layers is None else [*layers.maps.values(), layers.mask]
        wanted = (self.choice.layer, *own)
        return [layer for layer in wanted if layer is not None and layer in self.viewer.layers]

    def _on_scheme(self, scheme: str) -> None:
        self.outcome.recolour(scheme)
        self._show_legend()
        self.table.show_rows(self.measured, scheme)

    def _on_kind(self, kind: str) -> None:
        self.table.kind = kind
        self.table.show_rows(self.measured, self.scheme_box.currentText())

    def _show_legend(self) -> None:
        colours = SCHEMES[self.scheme_box.currentText()]
        marks = (f"<span style='color:{colours[k]}'>■</span> {MEANINGS[k]}" for k in colours)
        self.legend.setText("&nbsp;&nbsp; ".join(marks))

    def _on_removed(self, event: Any) -> None:
        if event.value is self.outcome.layer:
            self.overlay_box.setChecked(False)

    # Going there ----------------------------------------------------------------------------

    def _mask(self) -> Layer | None:
        layers = self.session.layers_of_current
        return self.outcome.layer if layers is None or layers.mask is None else layers.mask

    def _go_to(self, place: tuple[int, int, int]) -> None:
        mask = self._mask()
        if mask is not None:
            go_to(self.viewer, mask, place)

    def _go_to_slice(self, index: int) -> None:
        mask, detection = self._mask(), self.session.current
        if mask is not None and detection is not None and self.measured is not None:
            go_to_slice(self.viewer, mask, AXES[detection.record.axis], index)

    def _follow_slice(self, event: Any = None) -> None:
        mask, detection = self._mask(), self.session.current
        if mask is not None and detection is not None and self.measured is not None:
            axis = AXES[detection.record.axis]
            self.profile.mark(slice_in_view(self.viewer, mask, axis))

    # Keeping --------------------------------------------------------------------------------

    def _save(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Save figures and lesions into")
        if folder:
            self.save(Path(folder))

    def save(self, folder: Path) -> None:
        """Write the figures into a folder, in a thread."""
        measured = self.measured
        if measured is not None and measured.surfaces and not self.saving.running:
            self.saving.start(lambda report: save_measured(measured, folder))

    def _on_saved(self, written: list[Path]) -> None:
        names = " and ".join(path.name for path in written)
        self.notice.say(f"{names} written to {written[0].parent}", "good")

    def closeEvent(self, event: Any) -> None:
        """Stop what runs, and leave the viewer as it was."""
        self.measuring.close()
        self.saving.wait(2)
        self._watch(None)
        self.outcome.remove()
        super().closeEvent(event)
