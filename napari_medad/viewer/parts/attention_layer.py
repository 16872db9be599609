"""Where brat's views looked for a sentence, as one layer over the scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_medad.results.outputs import category
from napari_medad.viewer.layers import (
    MAP_OPACITY,
    STUDY,
    UNTRAINED,
    VOLUME,
    colours_of,
    layer_units,
    placement,
)

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_medad.reports.scan import EmbeddedScan, ScoredSentence

LONGEST_NAME = 40
EVEN_GAZE = 1.0
"""Value of a map where the views look at nothing in particular; clear from there down."""


class AttentionLayer:
    """The layer of the sentence that was chosen last; another sentence takes its place.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        self.viewer = viewer
        self.layer: Image | None = None

    def show(self, scan: EmbeddedScan, sentence: ScoredSentence, view: int = -1) -> None:
        """Show a sentence's map, or that of one view."""
        looked = scan.map_of(sentence) if view < 0 else scan.embedding.view_map(view)
        volume = scan.study.volume()
        top = max(float(looked.max()), EVEN_GAZE + 0.1)
        words = sentence.text
        shown = words if len(words) <= LONGEST_NAME else f"{words[: LONGEST_NAME - 1].rstrip()}…"
        mark = UNTRAINED if scan.origin.untrained else ""
        active = self.viewer.layers.selection.active
        if self.layer is not None and self.layer in self.viewer.layers:
            self.viewer.layers.remove(self.layer)
        self.layer = self.viewer.add_image(
            np.asarray(looked),
            name=f"{scan.study.name} · {mark}brat · {shown}",
            colormap=colours_of(category(sentence.text)),
            blending="translucent",
            opacity=MAP_OPACITY,
            contrast_limits=(EVEN_GAZE, top),
            metadata={
                "medad map": f"category:{sentence.text}",
                VOLUME: volume,
                STUDY: scan.study,
            },
            **placement(volume),
            **layer_units(3),
        )
        if active in self.viewer.layers:
            self.viewer.layers.selection.active = active
