"""Marks sharp changes of intensity."""

from napari_medad.detectors.card import Card

CARD = Card(
    name="edges",
    title="Edges",
    about="Marks sharp changes of intensity inside the brain.",
    package=__name__,
    settings_class="settings:EdgesSettings",
    detector_class="detector:EdgesDetector",
)
