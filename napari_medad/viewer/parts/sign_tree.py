"""Categories and their signs as a tree: renamed by a double click, dragged into order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from napari_medad.detectors.sdmad.signs import SignList

EDITABLE = (
    Qt.ItemFlag.ItemIsEnabled
    | Qt.ItemFlag.ItemIsSelectable
    | Qt.ItemFlag.ItemIsEditable
    | Qt.ItemFlag.ItemIsDragEnabled
)


class SignTree(QTreeWidget):
    """Edits the categories of a sign list.

    Signals
    -------
    edited
        By the user, after `categories` has changed.
    """

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setHeaderLabels(["Category or sign", "Source"])
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setAlternatingRowColors(False)
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Interactive)
        header.resizeSection(1, 110)
        self.sources: Mapping[str, str] = {}
        self.itemChanged.connect(lambda item, column: self.edited.emit())

    def categories(self) -> list[dict[str, Any]]:
        """What the tree holds, as `SignList.to_dict` has it; may be incomplete."""
        return [
            {
                "name": parent.text(0).strip(),
                "signs": [
                    {"text": child.text(0).strip(), "source": child.text(1).strip()}
                    for child in (parent.child(i) for i in range(parent.childCount()))
                ],
            }
            for parent in (self.topLevelItem(i) for i in range(self.topLevelItemCount()))
        ]

    def show_list(self, held: Mapping[str, Any]) -> None:
        """Show what `SignList.to_dict` gives; the same categories stay open, one row chosen."""
        closed = {item.text(0) for item in self._parents() if not item.isExpanded()}
        row = self._place()
        self.blockSignals(True)
        self.sources = held.get("sources", {})
        self.clear()
        for category in held["categories"]:
            parent = self._add(None, category["name"])
            for sign in category["signs"]:
                self._add(parent, sign["text"], sign["source"])
            parent.setExpanded(category["name"] not in closed)
        self.blockSignals(False)
        self._choose(row)

    def add_category(self) -> None:
        """A new category, its name being typed."""
        self._edit(self._added(None, "New category"))

    def add_sign(self) -> None:
        """A new sign of the chosen category, being typed."""
        parent = self._category()
        if parent is not None:
            self._edit(self._added(parent, "new sign"))

    def remove(self) -> None:
        """Remove the chosen category or sign."""
        item = self.currentItem()
        if item is not None:
            self._take(item)
            self.edited.emit()

    def move(self, by: int) -> None:
        """Move the chosen category or sign up (-1) or down (+1)."""
        item = self.currentItem()
        if item is None:
            return
        around = item.parent() or self.invisibleRootItem()
        index, was_open = around.indexOfChild(item), item.isExpanded()
        if not 0 <= index + by < around.childCount():
            return
        self.blockSignals(True)
        around.insertChild(index + by, around.takeChild(index))
        item.setExpanded(was_open)
        self.blockSignals(False)
        self.setCurrentItem(item)
        self.edited.emit()

    def dropEvent(self, event: QDropEvent) -> None:
        """A sign belongs into a category, a category beside others; elsewhere nothing moves."""
        item, before = self.currentItem(), self.categories()
        was_category = item is not None and item.parent() is None
        self.blockSignals(True)
        super().dropEvent(event)
        self.blockSignals(False)
        moved = self.currentItem()
        if moved is None or (moved.parent() is None) != was_category:
            self.show_list({"categories": before, "sources": self.sources})
        else:
            self.edited.emit()

    def _parents(self) -> list[QTreeWidgetItem]:
        return [self.topLevelItem(i) for i in range(self.topLevelItemCount())]

    def _category(self) -> QTreeWidgetItem | None:
        item = self.currentItem() or self.topLevelItem(self.topLevelItemCount() - 1)
        return item if item is None or item.parent() is None else item.parent()

    def _place(self) -> tuple[int, ...]:
        """Row of the chosen item, below its category's."""
        item, rows = self.currentItem(), []
        while item is not None:
            around = item.parent() or self.invisibleRootItem()
            rows.append(around.indexOfChild(item))
            item = item.parent()
        return tuple(reversed(rows))

    def _choose(self, rows: tuple[int, ...]) -> None:
        item = None
        for row in rows:
            around = item or self.invisibleRootItem()
            item = around.child(min(row, around.childCount() - 1)) or item
        if item is not None:
            self.setCurrentItem(item)

    def _add(self, parent: QTreeWidgetItem | None, text: str, source: str = "") -> QTreeWidgetItem:
        item = QTreeWidgetItem([text, source])
        drop = Qt.ItemFlag.ItemIsDropEnabled if parent is None else Qt.ItemFlag.NoItemFlags
        item.setFlags(EDITABLE | drop)
        item.setToolTip(0, text)
        item.setToolTip(1, self.sources.get(source, source))
        if parent is None:
            font = item.font(0)
            font.setBold(True)
            item.setFont(0, font)
            self.addTopLevelItem(item)
        else:
            parent.addChild(item)
        return item

    def _added(self, parent: QTreeWidgetItem | None, text: str) -> QTreeWidgetItem:
        names = [c["name"] for c in self.categories()]
        if parent is not None:
            names = [parent.child(i).text(0) for i in range(parent.childCount())]
        free = (text if n == 1 else f"{text} {n}" for n in range(1, len(names) + 2))
        self.blockSignals(True)
        item = self._add(parent, next(name for name in free if name not in names))
        self.blockSignals(False)
        (parent or item).setExpanded(True)
        self.setCurrentItem(item)
        self.edited.emit()
        return item

    def _edit(self, item: QTreeWidgetItem) -> None:
        if self.isVisible():
            self.editItem(self.currentItem() or item, 0)

    def _take(self, item: QTreeWidgetItem) -> None:
        around = item.parent() or self.invisibleRootItem()
        self.blockSignals(True)
        around.removeChild(item)
        self.blockSignals(False)


def blank(organ: str) -> dict[str, Any]:
    """The list to begin another organ with, as `SignList.to_dict` has it."""
    return SignList(organ, f"a photo of a normal {organ}", ()).to_dict()
