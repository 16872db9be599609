"""The Detect dock: choose a volume and a detector, run it, watch the maps appear."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import napari
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QVBoxLayout,
    QWidget,
)

from napari_medad.detectors.needs import needs
from napari_medad.detectors.registry import cards
from napari_medad.errors import MedadError
from napari_medad.results.detection import Detection
from napari_medad.results.threshold import check_threshold
from napari_medad.viewer.layers import DetectionLayers, study_of, volume_layers
from napari_medad.viewer.orientation import dress
from napari_medad.viewer.parts.fold import Fold
from napari_medad.viewer.parts.notice import DOCK_WIDTH
from napari_medad.viewer.parts.prompt_box import PromptBox
from napari_medad.viewer.parts.prompt_editor import PromptEditor
from napari_medad.viewer.parts.prompt_routing import PromptRouting
from napari_medad.viewer.parts.references import Reference, References, compare_with
from napari_medad.viewer.parts.router_bars import RouterBars
from napari_medad.viewer.parts.run_footer import RunFooter
from napari_medad.viewer.parts.scrolled import scrolled
from napari_medad.viewer.parts.settings_form import SettingsForm
from napari_medad.viewer.parts.weights_choice import WeightsChoice
from napari_medad.viewer.session import session_of, unwrapped
from napari_medad.viewer.worker import Work, leave_a_core_to_the_window
from napari_medad.volumes.volume import AXES
from napari_medad.weights.installed import installed_weights

if TYPE_CHECKING:
    from napari_medad.detectors.card import Card
    from napari_medad.inference.progress import Progress
    from napari_medad.volumes.study import Study


class DetectDock(QWidget):
    """Runs a detector on a layer.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    confirm : callable, optional
        Asks a yes-or-no question; default: a message box.
    """

    def __init__(
        self,
        napari_viewer: napari.Viewer,
        confirm: Callable[[str], bool] | None = None,
    ) -> None:
        super().__init__()
        self.viewer = unwrapped(napari_viewer)
        self.session = session_of(napari_viewer)
        self.confirm = confirm or self._ask
        self.work = Work(self)
        self.shown: DetectionLayers | None = None
        self.run_number = 0
        self._volume_picked = False
        self.form: SettingsForm | None = None
        self._build()
        self._connect()
        dress(self.viewer)
        self._refill_volumes()
        self._choose_detector()

    # Layout ---------------------------------------------------------------------------------

    def _build(self) -> None:
        """Choices in a scroll area; what runs, and how it went, always in view below it."""
        self.setMinimumWidth(DOCK_WIDTH)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        body = QWidget(self)
        outer.addWidget(scrolled(body, self), 1)
        layout = QVBoxLayout(body)
        self.volume_box, self.detector_box = QComboBox(self), QComboBox(self)
        self.about, self.weights = QLabel(self), WeightsChoice(self._shown_settings, self)
        self.about.setWordWrap(True)
        self.weights_label = QLabel("Weights", self)
        self.prompt_label, self.prompt_box = QLabel("Prompt", self), PromptBox(self)
        self.bars = RouterBars(self)
        self.routing = PromptRouting(
            self.session, self.prompt_box, self.bars, self._routed, lambda: self.work.running, self
        )
        for box in (self.volume_box, self.detector_box):
            box.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            box.setMinimumContentsLength(14)
        layout.addLayout(_form(("Volume", self.volume_box), ("Detector", self.detector_box)))
        layout.addWidget(self.about)
        layout.addLayout(
            _form((self.weights_label, self.weights), (self.prompt_label, self.prompt_box))
        )
        layout.addWidget(self.bars)
        self.form_place = QVBoxLayout()
        layout.addLayout(self.form_place)
        options = self._options()
        self.prompts = PromptEditor(self._shown_settings, lambda: self.weights.clip, self)
        self.references = References(self.viewer, self.axis_box, self)
        for part in (self.prompts, self.references, options):
            layout.addWidget(part)
        layout.addStretch()
        self.footer = RunFooter(self)
        outer.addWidget(self.footer)

    def _options(self) -> QWidget:
        fold, inside = Fold("Run options", self), QWidget(self)
        self.axis_box, self.device_box = QComboBox(self), QComboBox(self)
        self.axis_box.addItems(list(AXES))
        self.device_box.addItems(["auto", "cpu", "cuda", "mps"])
        self.threshold_edit = QLineEdit("auto", self)
        self.threshold_edit.setToolTip("auto, quantile:0.98 or a number")
        inside.setLayout(
            _form(
                ("Slices", self.axis_box),
                ("Device", self.device_box),
                ("Threshold", self.threshold_edit),
            )
        )
        fold.addWidget(inside)
        return fold

    def _connect(self) -> None:
        ready = sorted(cards().values(), key=lambda card: bool(needs(card)))
        for card in ready:
            self.detector_box.addItem(card.title, card.name)
        self.choose(default_detector())
        self.detector_box.currentIndexChanged.connect(self._choose_detector)
        self.volume_box.activated.connect(self._pick_volume)
        layers = self.viewer.layers.events
        for event in (layers.inserted, layers.removed, layers.reordered):
            event.connect(self._refill_volumes)
        self.footer.run_button.clicked.connect(self.run)
        self.footer.cancel_button.clicked.connect(self.work.cancel)
        self.work.progressed.connect(self._on_progress)
        self.work.finished.connect(self._on_finished)
        self.work.failed.connect(lambda text: self._give_up(text, "error"))
        self.work.cancelled.connect(lambda: self._give_up("Cancelled.", "plain"))
        self.work.ended.connect(self._on_ended)
        self.weights.changed.connect(self._on_weights_chosen)
        self.session.weights_changed.connect(self._on_weights_changed)

    # Choices --------------------------------------------------------------------------------

    @property
    def card(self) -> Card:
        """The chosen detector's card."""
        return cards()[self.detector_box.currentData()]

    def choose(self, detector: str, weights: str | None = None) -> None:
        """Choose a detector, and weights where several are installed."""
        self.detector_box.setCurrentIndex(self.detector_box.findData(detector))
        if weights is not None:
            self.weights.offer(self.card, weights)

    def _refill_volumes(self, event: Any = None) -> None:
        names = [layer.name for layer in volume_layers(self.viewer)]
        if names and names == [self.volume_box.itemText(i) for i in range(self.volume_box.count())]:
            return
        chosen = self.volume_box.currentText() if self._volume_picked else ""
        self.volume_box.clear()
        self.volume_box.addItems(names)
        self._volume_picked = chosen in names
        self.volume_box.setCurrentText(chosen if chosen in names else (names or [""])[-1])
        self.footer.offer(self._reason())

    def _pick_volume(self) -> None:
        """Keep the user's choice when layers come and go; until then the top scan is chosen."""
        self._volume_picked = True

    def _reason(self) -> str:
        """Why nothing can run now; empty where it can."""
        if self.volume_box.count() == 0:
            return "Open a scan first: File > Open, or drop a file or folder here."
        lacks = self.weights.lacks
        return f"{self.card.title} {lacks}; or choose untrained to try it." if lacks else ""

    def _choose_detector(self) -> None:
        card = self.card
        cited = f"<br><i>{card.paper}</i>" if card.paper else ""
        self.about.setText(card.about + cited)
        self.weights_label.setVisible(bool(card.weights))
        for widget in (self.prompt_label, self.prompt_box):
            widget.setVisible(card.prompt)
        self.bars.show_weights({})
        if self.form is not None:
            self.form_place.removeWidget(self.form)
            self.form.hide()
            self.form.deleteLater()
        skip = (*self.prompts.fields, *self.references.fields)
        self.form = SettingsForm(card.settings_type(), skip, self)
        self.form_place.addWidget(self.form)
        self.weights.offer(card)
        self.prompts.offer(card)
        self.references.offer(card)
        self.form.changed.connect(self._on_settings_changed)

    def _on_weights_chosen(self) -> None:
        """What was said of other weights, or another detector, no longer holds."""
        self.footer.say("")
        self._on_settings_changed()
        self.routing.start()

    def _on_settings_changed(self) -> None:
        """Another CLIP may be on this machine, or read other sentences."""
        self.weights.refresh()
        self.footer.offer(self._reason())
        self.prompts.refresh()

    def _on_weights_changed(self, name: str) -> None:
        if name == self.card.name:
            self.weights.offer(self.card)

    def _shown_settings(self) -> dict[str, Any]:
        return {} if self.form is None else self.form.values()

    def _routed(self) -> dict[str, Any] | None:
        """What the prompt is routed with; None where the detector reads none, or cannot run."""
        can = self.card.prompt and self.weights.state != "missing" and self.form is not None
        return self._loading() if can else None

    def _loading(self) -> dict[str, Any]:
        return {
            "name": self.card.name,
            "weights": self.weights.name,
            "device": self.device_box.currentText(),
            "settings": self._shown_settings() | self.prompts.values(),
        }

    # Running --------------------------------------------------------------------------------

    def run(self) -> None:
        """Detect on the chosen volume, after asking where older layers would be replaced."""
        try:
            layer = self.viewer.layers[self.volume_box.currentText()]
            study, name = study_of(self.viewer, layer)
            threshold = check_threshold(self.threshold_edit.text())
            self.prompts.values()
            normal = self.references.chosen(self.axis_box.currentText())
        except KeyError:
            self.footer.say("Open a scan first.", "error")
            return
        except MedadError as error:
            self.footer.say(str(error), "error")
            return
        shown = DetectionLayers(
            self.viewer,
            study,
            study.volumes[name],
            self.card.name,
            untrained=self.weights.state == "untrained",
        )
        if shown.existing():
            question = f"Replace the layers of the last {self.card.title} run on {study.name}?"
            if not self.confirm(question):
                return
            shown.remove_existing()
        shown.begin(self.card.outputs)
        self.viewer.layers.selection.active = shown.maps["anomaly"]
        self.shown = shown
        self.prompt_box.remember(self.card.name)
        self._start(shown, study, name, threshold, normal)

    def _start(
        self,
        shown: DetectionLayers,
        study: Study,
        volume: str,
        threshold: str | float,
        normal: tuple[Reference, ...],
    ) -> None:
        from napari_medad.inference.run import detect

        loading, axis = self._loading(), self.axis_box.currentText()
        prompt = self.prompt_box.prompt() if self.card.prompt else None
        start = self.viewer.dims.current_step[max(0, self.viewer.dims.ndim - 3) + AXES[axis]]
        number = self.run_number = self.session.next_run()

        def work(report: Any) -> tuple[int, Detection]:
            leave_a_core_to_the_window()
            detector = self.session.load(**loading)
            compare_with(detector, normal, axis, report)
            result = detect(
                study,
                detector,
                volume=volume,
                prompt=prompt,
                axis=axis,
                threshold=threshold,
                start=start,
                progress=lambda progress: report(progress),
            )
            shown.prepare(result)
            return number, result

        self.footer.begin("Loading the detector …")
        self.work.start(work)

    def _on_progress(self, progress: Progress) -> None:
        self.footer.show_progress(progress)
        if progress.maps is not None and self.shown is not None:
            self.shown.update(progress.maps)

    def _on_finished(self, answer: tuple[int, Detection]) -> None:
        number, detection = answer
        if number != self.run_number or self.shown is None:
            return
        self.shown.finish(detection)
        # The maps are drawn before the table is filled: two short pauses, not a long one.
        QTimer.singleShot(0, lambda: self._publish(detection))

    def _publish(self, detection: Detection) -> None:
        if self.shown is None:
            return
        self._tell(detection)
        self.session.layers_of_current = self.shown
        self.session.add(detection)
        for name in self.shown.missing(detection):
            QTimer.singleShot(0, partial(self.shown.add_late, name, detection))

    def _tell(self, detection: Detection) -> None:
        """What came out, and how."""
        record, count = detection.record, len(detection.findings)
        text = f"{count} finding{'' if count == 1 else 's'} in {record.duration_s:.1f} s"
        if record.untrained:
            text = "UNTRAINED: random weights; these maps mean nothing."
        lines = [
            f"Threshold {detection.threshold:.4g}: {record.threshold_source}.",
            f"{record.device}, {record.precision}; weights: {record.weights.name or 'none'}.",
            *record.notes,
        ]
        self.footer.say(text, "error" if record.untrained else "good", lines)

    def _give_up(self, text: str, kind: str) -> None:
        """Say why there is no result, and leave no empty layers behind."""
        self.footer.say(text, kind)
        if self.shown is not None:
            self.shown.remove_existing()
            self.shown = None

    def _on_ended(self) -> None:
        self.footer.end(ready=not self._reason())

    def _ask(self, question: str) -> bool:
        answer = QMessageBox.question(self, "MedAD", question)
        return answer == QMessageBox.StandardButton.Yes

    def closeEvent(self, event: Any) -> None:
        """Stop what runs."""
        self.work.cancel()
        self.work.wait(2)
        self.routing.wait(2)
        self.prompts.words.wait(5)
        super().closeEvent(event)


def default_detector() -> str:
    """The first to try on a brain MRI: rasalore where it has weights, else the baseline."""
    return "rasalore" if installed_weights("rasalore") else "hyperintensity"


def _form(*rows: tuple[str | QWidget, QWidget]) -> QFormLayout:
    form = QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for label, widget in rows:
        form.addRow(label, widget)
    return form
