"""The kinds of map a detector can say: how each is named, shown and read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OutputKind:
    """One kind of map.

    Attributes
    ----------
    name : str
        Key in `Detection.maps`, file and layer name.
    about : str
        One sentence for the reader of the map.
    colormap : str
        napari colour map.
    overlay : bool
        Whether it is laid over the scan, clear where it is low; else it stands for itself.
    visible : bool
        Whether its layer is switched on when it appears.
    """

    name: str
    about: str
    colormap: str
    overlay: bool = True
    visible: bool = True


ANOMALY = OutputKind("anomaly", "Higher is more abnormal.", "inferno")
HALLUCINATION = OutputKind(
    "hallucination",
    "Where the detector expects its own false alarms; do not trust the anomaly map here.",
    "bop blue",
    visible=False,
)
RECONSTRUCTION = OutputKind(
    "reconstruction",
    "What the detector thinks the scan would look like if it were normal.",
    "gray",
    overlay=False,
    visible=False,
)


def category(name: str) -> OutputKind:
    """The map of one named abnormality."""
    return OutputKind(f"category:{name}", f"Higher is more like {name}.", "magma", visible=False)


def kind_of(name: str) -> OutputKind:
    """The kind of the map with this name; unknown names are shown like category maps."""
    known = {kind.name: kind for kind in (ANOMALY, HALLUCINATION, RECONSTRUCTION)}
    return known.get(name) or category(name.removeprefix("category:"))
