"""A key for each step of the loop: next finding, accept, reject, brush, undo, threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_medad.viewer.parts.shortcuts import Shortcut

if TYPE_CHECKING:
    from napari_medad.viewer.correcting import Correcting


def correction_keys(editing: Correcting) -> list[Shortcut]:
    """Keys that correct; `[`, `]` are bound by napari itself."""
    return [
        Shortcut("Alt-N", "Next finding", lambda: editing.session.step(1)),
        Shortcut("Alt-P", "Previous finding", lambda: editing.session.step(-1)),
        Shortcut("Alt-A", "Accept", editing.accept),
        Shortcut("Alt-R", "Reject", editing.reject),
        Shortcut("Alt-M", "Merge", editing.merge),
        Shortcut("Alt-S", "Split into parts", editing.split),
        Shortcut("Alt-I", "Fill between slices", lambda: editing.reshape("between", 0.0)),
        Shortcut("Alt-Up", "Threshold up", lambda: editing.session.nudge(1)),
        Shortcut("Alt-Down", "Threshold down", lambda: editing.session.nudge(-1)),
        Shortcut("Alt-G", "New finding", editing.new_finding),
        Shortcut("Alt-B", "Brush", lambda: editing.take("brush")),
        Shortcut("Alt-E", "Eraser", lambda: editing.take("eraser")),
        Shortcut("Alt-D", "Wand", lambda: editing.take("wand")),
        Shortcut("Alt-Q", "Move", lambda: editing.take("move")),
        Shortcut("[", "Smaller brush"),
        Shortcut("]", "Larger brush"),
        Shortcut("Control-Z", "Undo", editing.undo),
        Shortcut("Control-Shift-Z", "Redo", editing.redo),
    ]
