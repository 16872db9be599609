"""A line that measures the chosen findings as soon as the mask rests."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QLabel, QWidget

from napari_medad.corrections.correction import Correction
from napari_medad.results.measurements import diameters_in, gap_mm
from napari_medad.volumes.volume import AXES

SETTLE_MS = 250
"""How long the mask must rest."""


class MeasuredLine(QLabel):
    """Diameters of one finding, or the gap between two.

    Signals
    -------
    measured : Diameters or None
    """

    measured = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self._asked: tuple[Correction, list[int], int] | None = None
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.setInterval(SETTLE_MS)
        self._settling.timeout.connect(self._measure)

    def ask(self, correction: Correction | None, ids: Sequence[int], axis: int = 0) -> None:
        """Measure findings soon, in slices along an array axis; None measures nothing."""
        self._asked = None if correction is None else (correction, list(ids), axis)
        self._settling.start()

    def _measure(self) -> None:
        text, found = "", None
        if self._asked is not None:
            correction, ids, axis = self._asked
            there = set(ids) <= set(correction.ids)
            if there and len(ids) == 1:
                box = correction.box(ids[0])
                found = diameters_in(correction.labels, ids[0], box, correction.volume, axis)
                text = (
                    f"Finding {ids[0]}: {found.longest_mm:.1f} × {found.perpendicular_mm:.1f} mm "
                    f"in {list(AXES)[axis]} slice {found.slice}"
                )
            elif there and len(ids) == 2:
                text = f"Between findings {ids[0]} and {ids[1]}: {_gap(correction, ids):.1f} mm"
        self.setText(text)
        self.measured.emit(found)


def _gap(correction: Correction, ids: Sequence[int]) -> float:
    """Shortest distance in mm between two findings."""
    boxes = [correction.box(n) for n in ids]
    both = tuple(
        slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(*boxes, strict=True)
    )
    return gap_mm(correction.labels[both], ids[0], ids[1], correction.volume)
