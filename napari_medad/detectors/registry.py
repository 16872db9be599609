"""Which detectors there are: ours by folder, others' by entry point."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import napari_medad.detectors as home
from napari_medad.detectors.card import Card
from napari_medad.errors import MedadError

if TYPE_CHECKING:
    from napari_medad.detectors.detector import Detector

GROUP = "napari_medad.detectors"
"""Entry point group; each entry names a `Card`."""


@cache
def cards() -> dict[str, Card]:
    """Every detector's card by name, ours first. Imports nothing heavy."""
    found: dict[str, Card] = {}
    for module in pkgutil.iter_modules(home.__path__):
        if module.ispkg:
            card = getattr(import_module(f"{home.__name__}.{module.name}"), "CARD", None)
            if isinstance(card, Card):
                found[card.name] = card
    for entry in entry_points(group=GROUP):
        card = entry.load()
        found.setdefault(card.name, card)
    return found


def card(name: str) -> Card:
    """The card of a detector.

    Raises
    ------
    MedadError
        If there is none of that name; the sentence lists those there are.
    """
    known = cards()
    if name not in known:
        raise MedadError(f"There is no detector '{name}'; there are: {', '.join(known)}.")
    return known[name]


def load_detector(
    name: str,
    *,
    weights: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    **settings: Any,
) -> Detector:
    """A detector by name, ready to run.

    Parameters
    ----------
    name : str
    weights : str
        "auto", "starter", "released", "untrained", an added name, or a path.
    device : {"auto", "cpu", "cuda", "cuda:N", "mps"}
    precision : {"auto", "bf16", "fp32"}
    **settings
        Settings of the detector by name.

    Raises
    ------
    MedadError
        Unknown detector, setting, device or weights.
    """
    from napari_medad.detectors.device import Device

    found = card(name)
    parsed = found.settings_type().parse(settings, name)
    return found.detector_type()(parsed, Device.choose(device, precision), weights)
