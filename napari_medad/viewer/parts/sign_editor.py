"""A list of radiological signs: chosen, edited, undone, kept in a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QInputDialog,
    QLineEdit,
    QPushButton,
    QShortcut,
    QVBoxLayout,
    QWidget,
)

from napari_medad.detectors.sdmad.signs import SignList, shipped
from napari_medad.errors import MedadError
from napari_medad.viewer.parts.notice import Notice
from napari_medad.viewer.parts.sign_tree import SignTree, blank

FILES = "Signs (*.yaml *.yml)"
OWN = "own list"


class SignEditor(QWidget):
    """Edits one list of signs; every edit can be undone.

    Signals
    -------
    changed
        The list is another, or was edited.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tree, self.notice = SignTree(self), Notice(self)
        self.list_box, self.organ, self.normal = QComboBox(self), QLineEdit(self), QLineEdit(self)
        self.list_box.addItems(shipped())
        self.normal.setToolTip("The anchor: a sentence about the organ without abnormality")
        self._past: list[dict[str, Any]] = []
        self._future: list[dict[str, Any]] = []
        self._held: dict[str, Any] = {}
        self._build()
        self._connect()
        self.load("brain-fastmri")
        self._past.clear()
        self._tell()

    def _build(self) -> None:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("List", self.list_box)
        form.addRow("Organ", self.organ)
        form.addRow("Normal", self.normal)
        self.buttons = {}
        rows = []
        for labels in (
            ("+ Category", "+ Sign", "Remove", "▲", "▼"),
            ("Undo", "Redo", "New…", "Open…", "Save…"),
        ):
            row = QHBoxLayout()
            for label in labels:
                self.buttons[label] = QPushButton(label, self)
                row.addWidget(self.buttons[label])
            rows.append(row)
        for arrow, tip in (("▲", "Move up"), ("▼", "Move down")):
            self.buttons[arrow].setToolTip(tip)
            self.buttons[arrow].setMaximumWidth(36)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.tree, 1)
        for row in rows:
            layout.addLayout(row)
        layout.addWidget(self.notice)

    def _connect(self) -> None:
        acts: dict[str, Callable[[], object]] = {
            "+ Category": self.tree.add_category,
            "+ Sign": self.tree.add_sign,
            "Remove": self.tree.remove,
            "▲": lambda: self.tree.move(-1),
            "▼": lambda: self.tree.move(1),
            "Undo": self.undo,
            "Redo": self.redo,
            "New…": self._new,
            "Open…": self._open,
            "Save…": self._save,
        }
        for label, act in acts.items():
            self.buttons[label].clicked.connect(lambda _=False, act=act: act())
        keys = (
            (QKeySequence.StandardKey.Undo, self.undo),
            (QKeySequence.StandardKey.Redo, self.redo),
        )
        for key, act in keys:
            shortcut = QShortcut(QKeySequence(key), self.tree)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(act)
        self.tree.edited.connect(self._keep)
        for line in (self.organ, self.normal):
            line.editingFinished.connect(self._keep)
        self.list_box.textActivated.connect(self._on_list)

    def value(self) -> SignList:
        """The list.

        Raises
        ------
        MedadError
            If something is missing or twice in it.
        """
        return SignList.from_dict(self._held, "in the Signs dock")

    @property
    def names(self) -> tuple[str, ...]:
        """The categories' names, of an incomplete list too."""
        return tuple(c["name"] for c in self._held["categories"] if c["name"])

    def load(self, name: str | Path) -> None:
        """Show a shipped list by name, or that of a YAML file.

        Raises
        ------
        MedadError
            If it cannot be read or is no list of signs.
        """
        held = SignList.read(name).to_dict()
        self._become(held, str(name) if str(name) in shipped() else Path(name).name)

    def undo(self) -> None:
        """Back to before the last edit."""
        self._step(self._past, self._future)

    def redo(self) -> None:
        """Forward again."""
        self._step(self._future, self._past)

    def save(self, path: str | Path) -> None:
        """Write YAML, which `medad train sdmad --signs FILE` reads."""
        self.value().save(path)

    def _become(self, held: dict[str, Any], title: str) -> None:
        """Show another list, as an edit that can be undone."""
        self._past.append(self._held)
        self._future.clear()
        self._show(held)
        if self.list_box.findText(title) < 0:
            self.list_box.addItem(title)
        self.list_box.setCurrentText(title)
        self.changed.emit()

    def _show(self, held: dict[str, Any]) -> None:
        self._held = held
        self.organ.setText(held["organ"])
        self.normal.setText(held["normal"])
        self.tree.show_list(held)
        self._tell()

    def _keep(self) -> None:
        """Take over what the user has edited."""
        edited = {
            **self._held,
            "organ": self.organ.text().strip(),
            "normal": self.normal.text().strip(),
            "categories": self.tree.categories(),
        }
        if edited != self._held:
            self._past.append(self._held)
            self._future.clear()
            self._held = edited
            self._tell()
            self.changed.emit()

    def _step(self, back: list[dict[str, Any]], forth: list[dict[str, Any]]) -> None:
        held = back.pop() if back else {}
        if held:
            forth.append(self._held)
            self._show(held)
            self.changed.emit()

    def _tell(self) -> None:
        self.buttons["Undo"].setEnabled(any(self._past))
        self.buttons["Redo"].setEnabled(any(self._future))
        try:
            signs = self.value()
        except MedadError as error:
            self.notice.say(str(error), "warning")
            return
        count = sum(len(category.signs) for category in signs.categories)
        single = [c.name for c in signs.categories if len(c.signs) == 1]
        told = f"{len(signs.categories)} categories, {count} signs."
        if single:
            told += f" With one sign alone, which selection cannot judge: {', '.join(single)}."
        self.notice.say(told)

    def _on_list(self, name: str) -> None:
        if name in shipped():
            self.load(name)

    def _new(self) -> None:
        organ, agreed = QInputDialog.getText(self, "New list of signs", "Organ:")
        if agreed and organ.strip():
            self.begin(organ.strip())

    def begin(self, organ: str) -> None:
        """An empty list for an organ."""
        self._become(blank(organ), OWN)
        self.tree.add_category()

    def _open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open signs", "", FILES)
        self._try(self.load, path)

    def _save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save signs", "signs.yaml", FILES)
        self._try(self.save, path)

    def _try(self, act: Callable[[str], None], path: str) -> None:
        try:
            if path:
                act(path)
        except (MedadError, OSError) as error:
            self.notice.say(str(error), "error")
