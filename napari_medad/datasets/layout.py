"""What a layout is: how a dataset's folder is recognised and read, and facts about the dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from napari_medad.datasets.dataset import DatasetCase
from napari_medad.datasets.tree import Tree


@dataclass
class Found:
    """What a reader finds in a tree.

    Attributes
    ----------
    cases : list of DatasetCase
    notes : list of str
        What was left out, one sentence each.
    """

    cases: list[DatasetCase] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, what: str, names: Sequence[str]) -> None:
        """Tell what cannot be used, and the first names; nothing where there are none."""
        if names:
            shown = ", ".join(sorted(names)[:5]) + (", ..." if len(names) > 5 else "")
            self.notes.append(f"{what} ({len(names)}): {shown}.")


@dataclass(frozen=True)
class Layout:
    """One way in which a dataset lies in its folder.

    Attributes
    ----------
    name : str
        What users type; `datasets.yaml` says what it is.
    fits : callable
        Whether a tree is laid out so, from names of files alone.
    read : callable
        The cases of such a tree, in any order.
    """

    name: str
    fits: Callable[[Tree], bool]
    read: Callable[[Tree], Found]
