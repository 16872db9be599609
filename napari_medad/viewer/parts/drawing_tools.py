"""Brush, eraser, wand and MedSAM: which is in hand, and how large it is."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

TOOLS = {
    "move": ("Move", "Move the scan and click through it"),
    "brush": ("Brush", "Paint the chosen finding"),
    "eraser": ("Eraser", "Take voxels away; they count as normal tissue"),
    "wand": ("Wand", "Click: what is connected and has a like anomaly score joins the finding"),
    "box": ("MedSAM box", "Draw a box round a lesion; MedSAM outlines it in this slice"),
    "point": ("MedSAM point", "Click on a lesion; MedSAM outlines it in this slice"),
}
PRESETS_MM = (2.0, 5.0, 10.0, 20.0)
TOLERANCE = (1, 100, 25)
"""Smallest, largest and first tolerance of the wand, in % of the map's shown range."""


class DrawingTools(QWidget):
    """What the mouse does.

    Signals
    -------
    taken : str
        A tool, a key of `TOOLS`.
    sized : float
        Brush diameter in mm.
    deepened : bool
        Whether the brush, the wand work in 3D.
    """

    taken = Signal(str)
    sized = Signal(float)
    deepened = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: dict[str, QPushButton] = {}
        self.group = QButtonGroup(self)
        self.size_box, self.depth_box = QDoubleSpinBox(self), QComboBox(self)
        self.tolerance, self.tolerance_label = QSlider(Qt.Orientation.Horizontal), QLabel(self)
        self.protect_box = QCheckBox("Leave other findings as they are", self)
        self.protect_box.setToolTip("The brush and the eraser touch the chosen finding only")
        self.new_button = QPushButton("New finding", self)
        self.lacking = QLabel(self)
        self.lacking.setWordWrap(True)
        self.lacking.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._tools())
        layout.addWidget(self.lacking)
        layout.addLayout(self._sizes())
        self.wand_row = self._wand()
        layout.addWidget(self.wand_row)
        last = QHBoxLayout()
        last.addWidget(self.protect_box, 1)
        last.addWidget(self.new_button)
        layout.addLayout(last)
        self.size_box.valueChanged.connect(self.sized)
        self.depth_box.currentIndexChanged.connect(lambda index: self.deepened.emit(index == 1))
        self.tolerance.valueChanged.connect(
            lambda value: self.tolerance_label.setText(f"{value} %")
        )
        self.tolerance.setValue(TOLERANCE[2])
        self.group.buttonClicked.connect(lambda _: self._on_taken())
        self.take("move")

    def _tools(self) -> QGridLayout:
        grid = QGridLayout()
        for index, (name, (text, tip)) in enumerate(TOOLS.items()):
            button = QPushButton(text, self)
            button.setCheckable(True)
            button.setToolTip(tip)
            self.group.addButton(button)
            self.buttons[name] = button
            grid.addWidget(button, index // 3, index % 3)
        return grid

    def _sizes(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.size_box.setRange(0.1, 100.0)
        self.size_box.setDecimals(1)
        self.size_box.setSuffix(" mm")
        self.size_box.setValue(PRESETS_MM[1])
        self.size_box.setKeyboardTracking(False)
        self.size_box.setToolTip("Diameter of brush and eraser; the keys [ and ] change it")
        row.addWidget(self.size_box)
        for size in PRESETS_MM:
            button = QPushButton(f"{size:g}", self)
            button.setToolTip(f"{size:g} mm")
            button.setMaximumWidth(34)
            button.clicked.connect(lambda _=False, mm=size: self.size_box.setValue(mm))
            row.addWidget(button)
        self.depth_box.addItems(["in the slice", "in 3D"])
        row.addWidget(self.depth_box, 1)
        return row

    def _wand(self) -> QWidget:
        widget = QWidget(self)
        row = QHBoxLayout(widget)
        row.setContentsMargins(0, 0, 0, 0)
        self.tolerance.setRange(*TOLERANCE[:2])
        self.tolerance.setToolTip(
            "How far the anomaly score may differ from that of the place you click on, as a "
            "share of the map's shown range"
        )
        row.addWidget(QLabel("Wand's tolerance", self))
        row.addWidget(self.tolerance, 1)
        row.addWidget(self.tolerance_label)
        return widget

    @property
    def tool(self) -> str:
        """The tool in hand."""
        return next(name for name, button in self.buttons.items() if button.isChecked())

    @property
    def in_3d(self) -> bool:
        """Whether brush and wand work in 3D."""
        return self.depth_box.currentIndex() == 1

    def take(self, name: str) -> None:
        """Take a tool, where it can be had."""
        if self.buttons[name].isEnabled():
            self.buttons[name].setChecked(True)
            self._on_taken()

    def offer_medsam(self, lacks: str) -> None:
        """Enable MedSAM's tools, or say what is lacking."""
        self.lacking.setText(f"<small>MedSAM {lacks}</small>")
        self.lacking.setVisible(bool(lacks))
        for name in ("box", "point"):
            self.buttons[name].setEnabled(not lacks)
            self.buttons[name].setToolTip(f"MedSAM {lacks}" if lacks else TOOLS[name][1])

    def show_size(self, mm: float) -> None:
        """Show a size that was set elsewhere."""
        self.size_box.blockSignals(True)
        self.size_box.setValue(mm)
        self.size_box.blockSignals(False)

    def _on_taken(self) -> None:
        self.wand_row.setVisible(self.tool == "wand")
        self.taken.emit(self.tool)
