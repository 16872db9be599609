"""A correction that is going on: the form's buttons become edits, and edits show in the form."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject

from napari_medad.corrections import regions, shapes, verdicts
from napari_medad.corrections.correction import Correction
from napari_medad.corrections.edit import Edit
from napari_medad.corrections.history import Step
from napari_medad.errors import Cancelled, MedadError
from napari_medad.inference.progress import Progress
from napari_medad.results.findings import Finding, middle_of
from napari_medad.results.measurements import Diameters
from napari_medad.viewer.correction_keys import correction_keys
from napari_medad.viewer.correction_layers import CorrectionLayers
from napari_medad.viewer.medsam_tool import MedsamTool
from napari_medad.viewer.navigation import go_to
from napari_medad.viewer.parts.correction_form import CorrectionForm
from napari_medad.viewer.session import Session
from napari_medad.viewer.worker import Work

if TYPE_CHECKING:
    import napari

UNSEEN = ("detected", "edited")
"""States of findings that nobody has accepted."""
Report = Callable[[int, int], None]


class Correcting(QObject):
    """Edits of one correction at a time; without one, its keys and buttons do nothing.

    Parameters
    ----------
    viewer : napari.Viewer
    session : Session
    parent : QObject
    """

    def __init__(self, viewer: napari.Viewer, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self.viewer, self.session = viewer, session
        self.layers: CorrectionLayers | None = None
        self.work = Work(self)
        self.medsam = MedsamTool(viewer, self.ask_medsam)
        self.shortcuts = correction_keys(self)
        self.form = CorrectionForm(self.shortcuts)
        self.span = 1.0
        self._after: Callable[[Any], None] = lambda result: None
        self._connect()

    @property
    def correction(self) -> Correction | None:
        """What is edited."""
        return self.layers.correction if self.layers is not None else None

    def _connect(self) -> None:
        form, drawing = self.form, self.form.drawing
        self.session.selected_changed.connect(self._on_selected)
        self.work.finished.connect(lambda result: self._after(result))
        self.work.failed.connect(lambda text: self.say(text, "error"))
        self.work.cancelled.connect(lambda: self.say("Cancelled."))
        self.work.progressed.connect(form.show_progress)
        self.work.ended.connect(form.end_work)
        acts: dict[str, Callable[[], None]] = {
            "accept": self.accept,
            "reject": self.reject,
            "merge": self.merge,
            "parts": self.split,
            "waist": lambda: self.split("waist"),
            "name": self.name,
            "undo": self.undo,
            "redo": self.redo,
            "cancel": self.work.cancel,
        }
        for name, act in acts.items():
            form.buttons[name].clicked.connect(lambda _=False, act=act: act())
        form.table.chosen.connect(self._on_chosen)
        form.table.named.connect(
            lambda number, text: self._typed(lambda c: verdicts.name(c, [number], text))
        )
        form.table.renumbered.connect(
            lambda number, new: self._typed(lambda c: verdicts.renumber(c, number, new))
        )
        form.shapes.wanted.connect(self.reshape)
        form.provenance_box.toggled.connect(self._show_provenance)
        form.diameters_box.toggled.connect(lambda on: self._measure())
        form.measured.measured.connect(self._show_diameters)
        drawing.taken.connect(self._on_tool)
        drawing.sized.connect(lambda _: self._size())
        drawing.deepened.connect(lambda _: self._size())
        drawing.protect_box.toggled.connect(self._protect)
        drawing.new_button.clicked.connect(self.new_finding)
        self.viewer.dims.events.order.connect(lambda event: self._size())

    def say(self, text: str, kind: str = "plain") -> None:
        """Tell how something went."""
        self.form.notice.say(text, kind)

    # Beginning and ending -------------------------------------------------------------------

    def begin(self, correction: Correction, span: float) -> None:
        """Show a correction and edit it; `span` is the range of the map's scores."""
        self.layers, self.span = CorrectionLayers(self.viewer, correction), span
        self.layers.mask.events.brush_size.connect(self._on_brush)
        correction.changed.connect(self._on_step)
        self.form.table.colour = self.layers.mask.get_color
        self.form.drawing.offer_medsam(self.medsam.lacks)
        self._size()
        self._protect(self.form.drawing.protect_box.isChecked())
        self.take("move")
        self._show_all(correction)
        self.say("")
        if correction.ids:
            self.session.select(correction.ids[0])

    def end(self) -> Correction | None:
        """Edit no more and remove the layers; gives back what was edited."""
        layers, self.layers = self.layers, None
        if layers is None:
            return None
        layers.correction.changed.disconnect(self._on_step)
        self.form.measured.ask(None, [])
        self.medsam.put_away()
        self.form.provenance_box.setChecked(False)
        layers.close()
        return layers.correction

    # Edits ----------------------------------------------------------------------------------

    def make(self, edit: Callable[[Correction], Edit]) -> bool:
        """Make an edit at once, or say why not."""
        if self.correction is None:
            return False
        try:
            step = self.correction.apply(edit(self.correction))
        except MedadError as error:
            self.say(str(error), "error")
            return False
        self.say("" if step is not None else "That changes nothing.")
        return True

    def make_later(self, text: str, edit: Callable[[Correction, Report], Edit]) -> bool:
        """Work an edit out in a thread, then make it; False where something else runs."""
        correction = self.correction
        if correction is None or self.work.running:
            return False

        def work(report: Any) -> Edit:
            def check(done: int, total: int) -> None:
                if report(Progress(done, total, "steps")) == "stop":
                    raise Cancelled

            found = edit(correction, check)
            check(1, 1)
            return found

        self.run(text, work, lambda found: self.make(lambda _: found))
        return True

    def run(self, text: str, work: Callable[[Any], Any], after: Callable[[Any], Any]) -> None:
        """Do something in a thread, and something with its result."""
        self._after = after
        self.say("")
        self.form.begin_work(text)
        self.work.start(work)

    def accept(self) -> None:
        """Confirm the chosen findings and go to the next that nobody has accepted."""
        self._judge(verdicts.accept)

    def reject(self) -> None:
        """Take the chosen findings away and go to the next that nobody has accepted."""
        self._judge(verdicts.reject)

    def _judge(self, verdict: Callable[[Correction, list[int]], Edit]) -> None:
        ids = self.form.table.ids
        if not self.make(lambda c: verdict(c, ids)) or self.correction is None:
            return
        waiting = [f.id for f in self.correction.findings if f.state in UNSEEN]
        if waiting:
            self.session.select(next((n for n in waiting if n > max(ids)), waiting[0]))

    def _typed(self, edit: Callable[[Correction], Edit]) -> None:
        """Make what was typed into the table, or show again what was there."""
        self.make(edit)
        if self.correction is not None:
            self._show_all(self.correction)

    def merge(self) -> None:
        """Make one of the chosen findings."""
        self.make(lambda c: verdicts.merge(c, self.form.table.ids))

    def split(self, how: Any = "parts") -> None:
        """Split the chosen finding into its parts, or at its waist."""
        number = self._one()
        if number:
            self.make_later("Splitting …", lambda c, report: verdicts.split(c, number, how))

    def name(self) -> None:
        """Name the chosen findings."""
        category = self.form.category_box.currentText()
        self.make(lambda c: verdicts.name(c, self.form.table.ids, category))

    def reshape(self, what: str, mm: float) -> None:
        """Grow, shrink, smooth or fill the chosen finding."""
        number = self._one()
        if not number or self.layers is None:
            return
        axis = self.layers.axis
        holes = None if self.form.drawing.in_3d else axis
        edits: dict[str, Callable[[Correction, Report], Edit]] = {
            "grow": lambda c, report: shapes.grow(c, number, mm),
            "shrink": lambda c, report: shapes.grow(c, number, -mm),
            "smooth": lambda c, report: shapes.smooth(c, number, mm),
            "holes": lambda c, report: shapes.fill_holes(c, number, holes),
            "between": lambda c, report: shapes.fill_between(c, number, axis, report),
        }
        self.make_later("Working …", edits[what])

    def new_finding(self) -> None:
        """What is painted from now on is a finding of its own."""
        if self.layers is None:
            return
        self.form.table.choose([])
        self.layers.mask.selected_label = self.layers.correction.free_id()
        self.form.measured.setText("The brush paints a new finding.")
        if self.form.drawing.tool == "move":
            self.take("brush")

    def cut(self, threshold: float, minimum_ml: float) -> bool:
        """The detector's own voxels at another threshold; False where something else runs."""
        return self.make_later(
            "Cutting …",
            lambda c, report: regions.cut(c, threshold, minimum_ml=minimum_ml, report=report),
        )

    def undo(self) -> None:
        """Take the latest step back."""
        if self.correction is not None:
            self.correction.undo()

    def redo(self) -> None:
        """Do again what was undone."""
        if self.correction is not None:
            self.correction.redo()

    def _one(self) -> int:
        """The finding to be changed; 0, and a sentence, where none is chosen."""
        if self.correction is None:
            return 0
        ids = self.form.table.ids
        if not ids:
            self.say("Choose a finding in the table first.", "error")
        return ids[0] if ids else 0

    # Tools ----------------------------------------------------------------------------------

    def take(self, tool: str) -> None:
        """Take a tool into the hand."""
        if self.layers is not None:
            self.form.drawing.take(tool)

    def _on_tool(self, tool: str) -> None:
        if self.layers is None:
            return
        clicks = {"wand": self._wand, "point": self.ask_medsam}
        self.layers.clicked = clicks.get(tool)
        self.layers.take(tool)
        if tool == "box":
            self.medsam.draw_box(self.layers.correction)
        else:
            self.medsam.put_away()

    def _wand(self, place: np.ndarray) -> None:
        """Flood from a place that was clicked on."""
        layers, drawing = self.layers, self.form.drawing
        if layers is None:
            return
        z, y, x = (int(n) for n in np.rint(place))
        tolerance = drawing.tolerance.value() / 100 * self.span
        axis, number = None if drawing.in_3d else layers.axis, layers.mask.selected_label
        self.make_later(
            "Flooding …",
            lambda c, report: regions.wand(c, (z, y, x), tolerance, number, axis=axis),
        )

    def ask_medsam(self, corners: np.ndarray) -> None:
        """Ask MedSAM for what lies in a box, or at a point, of the shown slice."""
        layers = self.layers
        if layers is None:
            return
        axis, index, number = layers.axis, layers.slice, layers.mask.selected_label
        self.make_later(
            "MedSAM looks at the slice …",
            lambda c, report: self.medsam.answer(c, axis, index, number, corners),
        )

    def _size(self) -> None:
        """Give the brush the size of the form; the true size is its tip."""
        if self.layers is not None:
            drawing = self.form.drawing
            wanted = drawing.size_box.value()
            with self.layers.mask.events.brush_size.blocker(self._on_brush):
                true = self.layers.set_brush(wanted, drawing.in_3d)
            drawing.size_box.setToolTip(
                f"Diameter; whole voxels make {true:.1f} mm of it ([ and ])"
            )

    def _on_brush(self, event: Any) -> None:
        if self.layers is not None:
            self.form.drawing.show_size(self.layers.brush_mm)

    def _protect(self, on: bool) -> None:
        if self.layers is not None:
            self.layers.mask.preserve_labels = on

    def _show_diameters(self, found: Diameters | None) -> None:
        wanted = self.form.diameters_box.isChecked()
        if self.layers is not None:
            self.layers.show_diameters(found if wanted else None)

    def _show_provenance(self, on: bool) -> None:
        if self.layers is not None:
            self.layers.show_provenance(on)

    # Following ------------------------------------------------------------------------------

    def _show_all(self, correction: Correction) -> None:
        known = [*correction.detection.category_scores, *correction.categories.values()]
        self.form.offer_categories(sorted(set(known)))
        self.form.table.fill(correction.findings)
        self._show_state(correction)

    def _show_state(self, correction: Correction) -> None:
        """Title, undo and redo."""
        findings, detection = correction.findings, correction.detection
        waiting = sum(f.state in UNSEEN for f in findings)
        mark = "<b style='color:#e05a4f'>UNTRAINED</b> · " if detection.record.untrained else ""
        self.form.title.setText(
            f"<b>{detection.study.name}</b> · {mark}{detection.detector} · {len(findings)} "
            f"finding{'' if len(findings) == 1 else 's'}, "
            f"{sum(f.volume_ml for f in findings):.1f} mL, {waiting} to look at"
        )
        history = correction.history
        self.form.offer_steps(
            history.done[-1].what if history.done else "",
            history.undone[-1].what if history.undone else "",
        )

    def _on_step(self, step: Step) -> None:
        correction, table = self.correction, self.form.table
        if correction is None:
            return
        if step.categories[0] != step.categories[1]:
            self._show_all(correction)
        elif set(correction.ids) == table.known:
            table.update_rows(correction.finding(n) for n in step.ids & table.known)
            self._show_state(correction)
        else:
            table.fill(correction.findings)
            self._show_state(correction)
        self._measure()

    def _on_chosen(self, ids: list[int]) -> None:
        if self.layers is not None and len(ids) == 1:
            self.session.select(ids[0])
        self._measure()

    def _on_selected(self, finding: Finding) -> None:
        """A finding was chosen here or elsewhere: the brush paints it, and the view goes there."""
        if self.layers is None or finding.id not in self.layers.correction.ids:
            return
        self.layers.mask.selected_label = finding.id
        if self.form.table.ids != [finding.id]:
            self.form.table.choose([finding.id])
        volume = self.layers.correction.detection.volume
        go_to(self.viewer, self.layers.mask, middle_of(finding, self.layers.mask.data, volume))
        self._measure()

    def _measure(self) -> None:
        axis = self.layers.axis if self.layers is not None else 0
        self.form.measured.ask(self.correction, self.form.table.ids, axis)
