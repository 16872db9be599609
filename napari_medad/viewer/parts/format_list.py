"""What a result can be exported as, to tick."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QWidget

from napari_medad.export.run import FORMATS

GROUPS = {
    "Images": ("nifti", "nrrd"),
    "DICOM": ("dicom-seg", "dicom-map", "rtstruct"),
    "Tables": ("csv", "json"),
    "Pictures": ("png", "montage", "gif", "mp4"),
    "Reports": ("html", "pdf", "bids"),
}
USUAL = ("nifti", "csv", "png", "html")
SHORT = {
    "dicom-seg": "Segmentation",
    "dicom-map": "Parametric maps",
    "rtstruct": "RT structures",
    "csv": "CSV",
    "png": "Key images",
    "montage": "Montage",
    "gif": "GIF",
    "mp4": "MP4",
    "html": "HTML",
    "pdf": "PDF",
    "bids": "BIDS",
}


class FormatList(QWidget):
    """Check boxes by kind.

    Signals
    -------
    changed
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.boxes: dict[str, QCheckBox] = {}
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setVerticalSpacing(3)
        for row, (group, names) in enumerate(GROUPS.items()):
            heading = QLabel(group, self)
            heading.setStyleSheet("font-weight: bold;")
            layout.addWidget(heading, row, 0, Qt.AlignmentFlag.AlignTop)
            inner = QGridLayout()
            for number, name in enumerate(names):
                box = self.boxes[name] = QCheckBox(SHORT.get(name, FORMATS[name].title), self)
                box.setToolTip(f"{FORMATS[name].title}: {FORMATS[name].about}")
                box.setChecked(name in USUAL)
                box.toggled.connect(lambda _: self.changed.emit())
                inner.addWidget(box, number // 2, number % 2)
            for column in (0, 1):
                inner.setColumnStretch(column, 1)
            layout.addLayout(inner, row, 1)
        layout.setColumnStretch(1, 1)

    def chosen(self) -> list[str]:
        """Names of the ticked formats, in the order of `FORMATS`."""
        return [name for name in FORMATS if self.boxes[name].isChecked()]

    def choose(self, names: Sequence[str]) -> None:
        """Tick these and no others."""
        for name, box in self.boxes.items():
            box.setChecked(name in names)

    @property
    def dicom(self) -> bool:
        """Whether something is to be attached to a DICOM series."""
        return any(FORMATS[name].dicom for name in self.chosen())
