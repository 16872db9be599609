"""Figures of a detection against a reference: voxels on the left, lesions and outlines right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QGridLayout, QLabel, QWidget

from napari_medad.evaluation.surface import TOLERANCE_MM

if TYPE_CHECKING:
    from napari_medad.evaluation.reference import Measured

VOXELS = {
    "Dice": "2 TP / (2 TP + FP + FN) over the voxels of the volume",
    "Sensitivity": "TP / (TP + FN): share of the lesion voxels that are found",
    "Specificity": "TN / (TN + FP): share of the other voxels that are left alone",
    "PPV": "TP / (TP + FP): share of the found voxels that are lesion",
    "AUROC": "Of the map itself, whatever the threshold",
    "AP": "Average precision of the map itself, whatever the threshold",
}
LESIONS = {
    "Lesions found": "Lesions of the reference that a found voxel touches",
    "Lesion Dice": "Mean over lesions, each with the found pieces that touch it",
    "False findings": "Found pieces that touch no lesion",
    "HD95": "Hausdorff distance of the outlines, 95 %",
    "Surface Dice": f"Share of both outlines that lies within {TOLERANCE_MM:g} mm of the other",
    "Volume": "Found, and in the reference",
}
NONE, PENDING = "–", "…"


class FigureTable(QFrame):
    """Twelve figures; those of outlines come later than the others."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.values: dict[str, QLabel] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(2, 2, 2, 2)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(3)
        for column, figures in enumerate((VOXELS, LESIONS)):
            for row, (name, tip) in enumerate(figures.items()):
                label, value = QLabel(name, self), QLabel(NONE, self)
                value.setAlignment(Qt.AlignmentFlag.AlignRight)
                value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                value.setStyleSheet("font-weight: bold;")
                for widget in (label, value):
                    widget.setToolTip(tip)
                grid.addWidget(label, row, 3 * column)
                grid.addWidget(value, row, 3 * column + 1)
                self.values[name] = value
        grid.setColumnMinimumWidth(2, 14)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(4, 1)

    def clear(self) -> None:
        """Show no figure."""
        for value in self.values.values():
            value.setText(NONE)

    def show_figures(self, measured: Measured) -> None:
        """Show figures; those of outlines as soon as they are measured."""
        figures, pooled = measured.figures, measured.reference.pooled
        found = sum(not lesion.missed for lesion in measured.lesions)
        told = {
            "Dice": _three(figures.dice),
            "Sensitivity": _three(figures.sensitivity),
            "Specificity": _three(figures.specificity, 4),
            "PPV": _three(figures.ppv),
            "AUROC": _three(pooled.auroc),
            "AP": _three(pooled.average_precision),
            "Lesions found": f"{found} of {figures.lesions}" if figures.lesions else NONE,
            "Lesion Dice": _three(figures.lesion_dice),
            "False findings": str(figures.false_positives),
            "HD95": NONE if figures.hausdorff95_mm is None else f"{figures.hausdorff95_mm:.1f} mm",
            "Surface Dice": _three(figures.surface_dice),
            "Volume": f"{measured.found_ml:.1f} / {figures.lesion_ml:.1f} mL",
        }
        if not measured.surfaces:
            told |= dict.fromkeys(("HD95", "Surface Dice"), PENDING)
        for name, text in told.items():
            self.values[name].setText(text)


def _three(value: float | None, digits: int = 3) -> str:
    return NONE if value is None else f"{value:.{digits}f}"
