"""MedSAM in the reader's hand: a box or a click becomes an outline of the shown slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes
from qtpy.QtCore import QTimer

from napari_medad.corrections.regions import ask_medsam
from napari_medad.detectors.needs import sentence
from napari_medad.detectors.registry import card
from napari_medad.viewer.layers import contrast_limits, layer_units, placement
from napari_medad.weights.installed import installed_weights

if TYPE_CHECKING:
    from collections.abc import Iterator

    import napari

    from napari_medad.corrections.correction import Correction
    from napari_medad.corrections.edit import Edit

DETECTOR = "medsam+ddpt"
"""Whose weights MedSAM's are installed as."""
BOX_LAYER = "MedSAM box"


class MedsamTool:
    """Takes prompts and asks MedSAM; its network is loaded on the first one and kept.

    Parameters
    ----------
    viewer : napari.Viewer
    prompted : callable
        Called with an array [n, 3] of positions: the corners of a box.
    """

    def __init__(self, viewer: napari.Viewer, prompted: Callable[[np.ndarray], None]) -> None:
        self.viewer, self.prompted = viewer, prompted
        self.layer: Shapes | None = None
        self._sam: Any = None

    @property
    def lacks(self) -> str:
        """What MedSAM lacks to run, in one sentence; empty where it can."""
        return sentence(card(DETECTOR))

    def draw_box(self, correction: Correction) -> None:
        """Let the user draw a box on the shown slice."""
        if self.layer is None or self.layer not in self.viewer.layers:
            volume = correction.volume
            self.layer = self.viewer.add_shapes(
                ndim=3,
                name=BOX_LAYER,
                edge_color="#ffe14d",
                face_color="transparent",
                edge_width=1,
                **placement(volume),
                **layer_units(3),
            )
            self.layer.mouse_drag_callbacks.append(self._on_drag)
        self.viewer.layers.selection.active = self.layer
        self.layer.mode = "add_rectangle"

    def put_away(self) -> None:
        """Remove the layer that boxes are drawn on."""
        if self.layer is not None and self.layer in self.viewer.layers:
            self.viewer.layers.remove(self.layer)
        self.layer = None

    def answer(
        self, correction: Correction, axis: int, index: int, number: int, corners: np.ndarray
    ) -> Edit:
        """What MedSAM outlines for a box (2 or more corners) or a point; may run in a thread.

        Raises
        ------
        MedadError
            As `ask_medsam`, or if the weights cannot be loaded.
        """
        from napari_medad.backbones.medsam.prompts import Box, Points

        scan = correction.volume.array.take(index, axis=axis)
        low, high = contrast_limits(correction.volume.array)
        grey = (255 * np.clip((scan - low) / (high - low), 0, 1)).astype(np.uint8)
        # A pixel's centre is 0.5 for MedSAM, and 0 for napari.
        yx = np.delete(np.atleast_2d(corners), axis, axis=1) + 0.5
        if len(yx) == 1:
            prompt: dict[str, Any] = {"points": Points(yx[:, ::-1], np.ones(1, bool))}
        else:
            (y0, x0), (y1, x1) = yx.min(axis=0), yx.max(axis=0)
            prompt = {"box": Box(x0, y0, x1, y1)}
        return ask_medsam(correction, self._loaded(), grey, axis, index, number, **prompt)

    def _loaded(self) -> Any:
        if self._sam is None:
            from napari_medad.backbones.medsam.sam import RELEASED, Sam, load_sam

            best = next(iter(installed_weights(DETECTOR).values()), None)
            self._sam = Sam(load_sam(RELEASED if best is None else best.path))
        return self._sam

    def _on_drag(self, layer: Shapes, event: Any) -> Iterator[None]:
        yield
        while event.type == "mouse_move":
            yield
        QTimer.singleShot(0, self._take_box)

    def _take_box(self) -> None:
        """The box that was drawn, which then goes."""
        if self.layer is None or not len(self.layer.data):
            return
        corners = np.asarray(self.layer.data[-1])[:, -3:]
        self.layer.data = []
        if np.ptp(corners, axis=0).max() >= 1:
            self.prompted(corners)
