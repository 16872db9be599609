"""Keys for each step of the loop: bound in napari, and listed where they are of use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

if TYPE_CHECKING:
    import napari


@dataclass(frozen=True)
class Shortcut:
    """A key and what it does.

    Attributes
    ----------
    key : str
        As napari writes it: "Alt-N".
    about : str
    act : callable or None
        None where napari binds the key itself.
    """

    key: str
    about: str
    act: Callable[[], Any] | None = None

    @property
    def text(self) -> str:
        """The key as people write it."""
        return self.key.replace("Control", "Ctrl").replace("-", "+")


def bind(viewer: napari.Viewer, shortcuts: Sequence[Shortcut]) -> None:
    """Bind keys in a viewer; the newest binding of a key counts."""
    for shortcut in shortcuts:
        if shortcut.act is not None:
            viewer.bind_key(shortcut.key, _command(shortcut), overwrite=True)


def _command(shortcut: Shortcut) -> Callable[[Any], None]:
    """A function that napari's list of key bindings can name and describe."""

    def command(viewer: Any) -> None:
        assert shortcut.act is not None
        shortcut.act()

    command.__name__ = shortcut.about.lower().replace(" ", "_")
    command.__doc__ = f"{shortcut.about}."
    return command


class ShortcutList(QWidget):
    """The keys and what they do, in two columns."""

    def __init__(self, shortcuts: Sequence[Shortcut], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        half = (len(shortcuts) + 1) // 2
        for index, shortcut in enumerate(shortcuts):
            row, column = index % half, 2 * (index // half)
            grid.addWidget(QLabel(f"<b>{shortcut.text}</b>", self), row, column)
            grid.addWidget(QLabel(shortcut.about, self), row, column + 1)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
