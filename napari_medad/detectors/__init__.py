"""The detector interface, and one folder a method.

The package can be called: `napari_medad.detectors()` gives every detector's card by name.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_medad.detectors.card import Card


class _Detectors(ModuleType):
    """The package itself, which shares its name with the public function."""

    def __call__(self) -> dict[str, Card]:
        """Every detector's card by name; see `registry.cards`."""
        from napari_medad.detectors.registry import cards

        return cards()


sys.modules[__name__].__class__ = _Detectors
