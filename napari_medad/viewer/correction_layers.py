"""A correction as napari layers: what napari paints becomes a step of its history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Vectors
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap
from napari.utils.colormaps.standardize_color import transform_color

from napari_medad.corrections.correction import Correction
from napari_medad.corrections.edit import flat_positions
from napari_medad.corrections.history import Step
from napari_medad.corrections.provenance import Provenance
from napari_medad.results.measurements import Diameters
from napari_medad.viewer.layers import STUDY, VOLUME, layer_units, placement

if TYPE_CHECKING:
    import napari

PROVENANCE_COLOURS = {
    Provenance.DETECTED: "#2fd6ff",
    Provenance.DRAWN: "#ffb02e",
    Provenance.CONFIRMED: "#4cd964",
    Provenance.REMOVED: "#ff5c8a",
}
FINDING_COLOURS = (
    *("#2fd6ff", "#ffe14d", "#ff7ac6", "#7dff8a", "#ff9f43"),
    *("#b18cff", "#4dffd8", "#ff6b6b", "#9ad0ff", "#d4ff5c"),
)
"""Of findings in turn: bright on grey scans and on the anomaly map."""
DIAMETER_COLOUR = "#ffffff"


class CorrectionLayers:
    """The editable mask, and on demand who said what of each voxel.

    napari paints into the correction's own array; each finished stroke tells which voxels it
    changed and what they were, so nothing is compared and nothing copied. Undo and redo of
    the layer, by menu or key, are the correction's.

    Parameters
    ----------
    viewer : napari.Viewer
    correction : Correction
    """

    def __init__(self, viewer: napari.Viewer, correction: Correction) -> None:
        self.viewer, self.correction = viewer, correction
        self.clicked: Callable[[np.ndarray], None] | None = None
        self.provenance: Labels | None = None
        self.diameters: Vectors | None = None
        self._painting = False
        colours = CyclicLabelColormap(colors=transform_color(["transparent", *FINDING_COLOURS]))
        self.mask = self._add(correction.labels, "corrected", opacity=0.45, colormap=colours)
        self.mask.undo = correction.undo
        self.mask.redo = correction.redo
        self.mask.events.paint.connect(self._on_paint)
        self.mask.events.data.connect(self._keep_data)
        self.mask.mouse_drag_callbacks.append(self._on_press)
        correction.changed.connect(self._on_step)

    def _add(self, data: np.ndarray, name: str, **options: Any) -> Labels:
        detection = self.correction.detection
        return self.viewer.add_labels(
            data,
            name=f"{detection.study.name} · {detection.detector} · {name}",
            metadata={"medad map": name, VOLUME: detection.volume, STUDY: detection.study},
            **options,
            **placement(detection.volume),
            **layer_units(3),
        )

    @property
    def there(self) -> bool:
        """Whether the user has not removed the mask."""
        return self.mask in self.viewer.layers

    @property
    def axis(self) -> int:
        """Array axis that the viewer's slices are along."""
        return max(0, self.viewer.dims.order[0] - (self.viewer.dims.ndim - 3))

    @property
    def slice(self) -> int:
        """Number of the shown slice along `axis`."""
        point = self.mask.world_to_data(self.viewer.dims.point[-3:])
        last = self.correction.labels.shape[self.axis] - 1
        return int(np.clip(round(float(point[self.axis])), 0, last))

    # The brush ------------------------------------------------------------------------------

    def take(self, tool: str) -> None:
        """Take a tool: "move", "brush" or "eraser"; the mask becomes the active layer."""
        self.viewer.layers.selection.active = self.mask
        self.mask.mode = {"brush": "paint", "eraser": "erase"}.get(tool, "pan_zoom")

    def set_brush(self, diameter_mm: float, in_3d: bool) -> float:
        """Set the brush's size; the diameter in mm that whole voxels make of it."""
        self.mask.n_edit_dimensions = 3 if in_3d else 2
        finest = self._finest(in_3d)
        half = max(0, round((diameter_mm / finest - 1) / 2))
        self.mask.brush_size = 2 * half + 1
        return (2 * half + 1) * finest

    @property
    def brush_mm(self) -> float:
        """Diameter of the brush in mm."""
        return (2 * (self.mask.brush_size // 2) + 1) * self._finest(
            self.mask.n_edit_dimensions == 3
        )

    def _finest(self, in_3d: bool) -> float:
        """Smallest voxel size in mm of what is painted: napari's unit of the brush."""
        spacing = self.correction.volume.spacing
        return min(s for axis, s in enumerate(spacing) if in_3d or axis != self.axis)

    # Following ------------------------------------------------------------------------------

    def _on_paint(self, event: Any) -> None:
        """Take a stroke of napari's into the correction."""
        shape = self.correction.labels.shape
        strokes = [_changed(atom, shape) for atom in event.value]
        if not strokes:
            return
        where, before = (np.concatenate(parts) for parts in zip(*strokes, strict=True))
        erased = not self.correction.labels.reshape(-1)[where].any()
        self._painting = True
        self.correction.painted("erase" if erased else "paint", where, before)
        self._painting = False
        self.mask._undo_history.clear()  # the correction keeps it

    def _keep_data(self, event: Any = None) -> None:
        """Stay on the correction's own array, whatever the layer's menu converts it to."""
        if self.mask.data is not self.correction.labels:
            self.mask.data = self.correction.labels

    def _on_step(self, step: Step) -> None:
        if not self._painting and step.where.size:
            self.mask.refresh(extent=False, highlight=False, thumbnail=False)
        if self.provenance is not None and self.provenance.visible:
            self.provenance.refresh(extent=False, highlight=False, thumbnail=False)

    def _on_press(self, layer: Labels, event: Any) -> Iterator[None]:
        """Tell a click, but no drag, as an array position."""
        if self.clicked is None:
            return
        place = np.asarray(layer.world_to_data(event.position))[-3:]
        yield
        while event.type == "mouse_move":
            if np.abs(np.asarray(layer.world_to_data(event.position))[-3:] - place).max() > 1:
                return
            yield
        self.clicked(place)

    def show_provenance(self, on: bool) -> None:
        """Show or hide who said what of each voxel."""
        if self.provenance is not None and self.provenance not in self.viewer.layers:
            self.provenance = None
        if on and self.provenance is None:
            colours: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
            colours |= {int(kind): colour for kind, colour in PROVENANCE_COLOURS.items()}
            active = self.viewer.layers.selection.active
            self.provenance = self._add(
                self.correction.provenance,
                "provenance",
                opacity=0.6,
                colormap=DirectLabelColormap(color_dict=colours),
            )
            self.provenance.editable = False
            self.viewer.layers.selection.active = active
        if self.provenance is not None:
            self.provenance.visible = on

    def show_diameters(self, found: Diameters | None) -> None:
        """Draw a finding's diameters in their slice; None hides them."""
        if self.diameters is not None and self.diameters not in self.viewer.layers:
            self.diameters = None
        if found is None:
            if self.diameters is not None:
                self.diameters.visible = False
            return
        lines = np.array([found.ends, found.perpendicular_ends])
        lines[:, 1] -= lines[:, 0]
        if self.diameters is None:
            detection, active = self.correction.detection, self.viewer.layers.selection.active
            self.diameters = self.viewer.add_vectors(
                lines,
                name=f"{detection.study.name} · {detection.detector} · diameters",
                edge_color=DIAMETER_COLOUR,
                edge_width=0.5,
                vector_style="line",
                **placement(detection.volume),
                **layer_units(3),
            )
            self.viewer.layers.selection.active = active
        self.diameters.data = lines
        self.diameters.visible = True

    def close(self) -> None:
        """Follow the correction no more and remove the layers."""
        self.correction.changed.disconnect(self._on_step)
        self.mask.events.paint.disconnect(self._on_paint)
        self.mask.events.data.disconnect(self._keep_data)
        for layer in (self.mask, self.provenance, self.diameters):
            if layer is not None and layer in self.viewer.layers:
                self.viewer.layers.remove(layer)


def _changed(atom: Any, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Flat positions [n] and labels before [n] of one atom of napari's history.

    napari gives either (indices, before, after) or, from 0.9 on, a box with a mask.
    """
    if hasattr(atom, "slice_key"):
        mask = np.ones(atom.old_values.shape, bool) if atom.mask is None else atom.mask
        return flat_positions(shape, atom.slice_key, mask), np.asarray(atom.old_values).ravel()
    indices, before, _ = atom
    where = np.ravel_multi_index(tuple(np.asarray(i) for i in indices), shape)
    return where.ravel(), np.asarray(before).ravel()
