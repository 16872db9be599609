"""Studies and detections as napari layers, and layers as volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import Colormap, DirectLabelColormap, ensure_colormap

from napari_medad.errors import MedadError
from napari_medad.results.detection import Detection
from napari_medad.results.outputs import OutputKind, kind_of
from napari_medad.volumes.orientation import Grid
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Source, Volume

if TYPE_CHECKING:
    import napari

VOLUME = "medad volume"
STUDY = "medad study"
"""Keys of a layer's metadata."""
FINDING_COLOUR, CHOSEN_COLOUR = "#2fd6ff", "#ffe14d"
AXIS_LABELS = ("axial", "coronal", "sagittal")
"""What each slider steps through."""
MAP_OPACITY = 0.7
UNTRAINED = "UNTRAINED · "
SHOWN_RANGE = {"anomaly": (0.85, 0.9999)}
"""Quantiles of a map that its colours span; below the first it is clear."""


def placement(volume: Volume) -> dict[str, Any]:
    """Scale and translation that put a volume's layers at their place in mm.

    napari's world axes are (superior, posterior, left) millimetres. A tilted volume keeps
    its own axes and its centre's true place; the status bar gives exact RAS mm.
    """
    scale = np.array(volume.spacing)
    middle = (np.array(volume.array.shape) - 1) / 2
    right, anterior, superior = volume.to_ras(middle)
    centre = np.array([superior, -anterior, -right])
    return {"scale": tuple(scale), "translate": tuple(centre - middle * scale)}


def layer_units(count: int) -> dict[str, Any]:
    """Units and names of a layer's axes; a leading fourth axis counts frames."""
    labels = AXIS_LABELS if count == 3 else ("frame", *AXIS_LABELS)
    units = ("mm",) * 3 if count == 3 else ("pixel", "mm", "mm", "mm")
    return {"axis_labels": labels, "units": units}


def contrast_limits(array: np.ndarray) -> tuple[float, float]:
    """Display range: 0.5 to 99.8 % of what differs from the background."""
    sample = array.ravel()[:: max(1, array.size // 300_000)]
    sample = sample[np.isfinite(sample)].astype(np.float32)
    shown = sample[sample != sample[0]] if sample.size and (sample != sample[0]).any() else sample
    low, high = np.percentile(shown, (0.5, 99.8)) if shown.size else (0.0, 1.0)
    return float(min(low, sample.min(initial=low))), float(max(high, low + 1e-6))


def study_layers(study: Study) -> list[tuple[np.ndarray, dict[str, Any], str]]:
    """Layer data of every volume, the reference last and alone visible."""
    names = sorted(study.volumes, key=lambda name: name == study.reference)
    out = []
    for name in names:
        volume = study.volumes[name]
        options: dict[str, Any] = {
            "name": f"{study.name} · {name}",
            "visible": name == study.reference,
            "metadata": {VOLUME: volume, STUDY: study},
            **placement(volume),
            **layer_units(3),
        }
        if volume.rgb is not None:
            out.append((volume.rgb, {**options, "rgb": True}, "image"))
        else:
            limits = contrast_limits(volume.array)
            greys = {**options, "colormap": "gray", "contrast_limits": limits}
            out.append((volume.array, greys, "image"))
    return out


def add_study(viewer: napari.Viewer, study: Study) -> list[Layer]:
    """Add a study's layers and dress the viewer for them."""
    added = [viewer.add_image(data, **options) for data, options, _ in study_layers(study)]
    viewer.layers.selection.active = added[-1]
    return added


def volume_layers(viewer: napari.Viewer) -> list[Image]:
    """Layers that a detector can look at: images that are not maps of a detection."""
    return [
        layer
        for layer in viewer.layers
        if isinstance(layer, Image) and "medad map" not in layer.metadata
    ]


def study_of(viewer: napari.Viewer, layer: Image) -> tuple[Study, str]:
    """The study that a layer belongs to, and the volume's name in it.

    A layer of another plugin becomes a study of one volume, its scale read as mm. Of a 4D
    layer the frame on the slider is taken.

    Raises
    ------
    MedadError
        If the layer is not an image of 2 to 4 dimensions.
    """
    study, volume = layer.metadata.get(STUDY), layer.metadata.get(VOLUME)
    if study is not None and volume is not None:
        return study, next(name for name, held in study.volumes.items() if held is volume)
    volume = _volume_of(viewer, layer)
    name = layer.name.split(" · ")[0]
    key = volume.modality or layer.name.split(" · ")[-1]
    return Study.from_volumes(name, {key: volume}), key


def _volume_of(viewer: napari.Viewer, layer: Image) -> Volume:
    data, rgb = layer.data, None
    if layer.multiscale:
        data = data[0]
    if layer.rgb:
        data, rgb = np.asarray(data) @ np.array([0.299, 0.587, 0.114]), np.asarray(data)[..., :3]
    frames = layer.metadata.get("medad frames")
    if data.ndim == 4:
        frame = int(viewer.dims.current_step[viewer.dims.ndim - 4])
        frame = min(max(frame, 0), len(data) - 1)
        if frames is not None:
            return frames(frame)
        data = data[frame]
    if data.ndim == 2:
        data, rgb = data[None], None if rgb is None else rgb[None]
    if data.ndim != 3:
        raise MedadError(
            f"The layer '{layer.name}' has {data.ndim} dimensions; choose an image of 2 to 4."
        )
    spacing = np.abs(np.array(layer.scale[-3:] if layer.ndim >= 3 else (1.0, *layer.scale)))
    affine = np.diag([-spacing[2], -spacing[1], spacing[0], 1.0])
    array = np.asarray(data)
    if rgb is not None:
        rgb, array = rgb.astype(np.uint8), array.astype(np.uint8)
    return Volume(array, affine, None, Source(None, Grid(array.shape[::-1], affine)), rgb)


def shown_slice_of(viewer: napari.Viewer, layer: Image) -> tuple[str, int]:
    """The plane that the viewer shows and the number of its slice in a layer's volume."""
    if layer.ndim < 3:
        return "axial", 0
    axis = max(0, viewer.dims.order[0] - (viewer.dims.ndim - 3))
    last = layer.ndim - 3 + axis
    position = layer.world_to_data(viewer.dims.point[-layer.ndim :])[last]
    return AXIS_LABELS[axis], int(np.clip(round(position), 0, layer.data.shape[last] - 1))


class DetectionLayers:
    """The layers of one detection, from its first slices on.

    Parameters
    ----------
    viewer : napari.Viewer
    study : Study
    volume : Volume
        Gives their place.
    detector : str
    untrained : bool
        Says so in every layer's name.
    """

    def __init__(
        self,
        viewer: napari.Viewer,
        study: Study,
        volume: Volume,
        detector: str,
        untrained: bool = False,
    ) -> None:
        self.viewer = viewer
        self.volume = volume
        self._names = (study.name, detector)
        self.untrained = untrained
        self.mask: Labels | None = None
        self.maps: dict[str, Image] = {}
        self._box: tuple[slice, ...] | None = None
        self._ranges: dict[str, tuple[float, float]] = {}

    @property
    def prefix(self) -> str:
        """What the layers' names begin with."""
        study, detector = self._names
        return f"{study} · {UNTRAINED if self.untrained else ''}{detector} · "

    def existing(self) -> list[Layer]:
        """Layers that an earlier run of the same detector left."""
        study, detector = self._names
        known = tuple(f"{study} · {mark}{detector} · " for mark in ("", UNTRAINED))
        return [layer for layer in self.viewer.layers if layer.name.startswith(known)]

    def remove_existing(self) -> None:
        """Remove what an earlier run left; one layer's going may take others with it."""
        while existing := self.existing():
            self.viewer.layers.remove(existing[0])

    def begin(self, names: Sequence[str]) -> None:
        """Empty layers for the maps and the mask, made before the run so that it stays smooth."""
        blank = np.broadcast_to(np.float32(0), self.volume.array.shape)
        for name in names:
            self._add(name, blank)
        self.mask = self.viewer.add_labels(
            np.zeros(self.volume.array.shape, np.uint8),
            name=f"{self.prefix}mask",
            colormap=mask_colours(None),
            opacity=1.0,
            metadata={"medad map": "mask", VOLUME: self.volume},
            **placement(self.volume),
            **layer_units(3),
        )
        self.mask.contour = 1
        self.mask.editable = False

    def _add(self, name: str, array: np.ndarray) -> None:
        kind = kind_of(name)
        self.maps[name] = self.viewer.add_image(
            array,
            name=self.prefix + name,
            colormap=colours_of(kind),
            blending="translucent",
            visible=kind.visible,
            opacity=MAP_OPACITY,
            contrast_limits=self._ranges.get(name, (0.0, 1.0)),
            metadata={"medad map": name, VOLUME: self.volume},
            **placement(self.volume),
            **layer_units(3),
        )

    def add_late(self, name: str, detection: Detection) -> None:
        """A finished map that was not known before the run; below the others."""
        active = self.viewer.layers.selection.active
        self._add(name, detection.maps[name])
        self.maps[name].metadata[STUDY] = detection.study
        first = min(self.viewer.layers.index(layer) for layer in self.maps.values())
        self.viewer.layers.move(self.viewer.layers.index(self.maps[name]), first)
        self.viewer.layers.selection.active = active

    def missing(self, detection: Detection) -> list[str]:
        """Maps of a detection that have no layer yet."""
        return [name for name in detection.maps if name not in self.maps]

    def update(self, maps: Mapping[str, np.ndarray]) -> None:
        """Show maps that are still being filled; only the shown slice is drawn again."""
        for name, array in maps.items():
            layer = self.maps.get(name)
            if layer is None or not layer.visible:
                continue
            self._stretch(layer, array)
            if layer.data is not array:
                layer.data = array
            else:
                layer.refresh(extent=False, highlight=False, thumbnail=False)

    def prepare(self, detection: Detection) -> None:
        """What takes time and touches no widget: may run in the detection's thread."""
        inside = np.flatnonzero(detection.foreground)
        inside = inside[:: max(1, inside.size // 50_000)]
        for name, array in detection.maps.items():
            if inside.size:
                shown = np.take(array, inside)
                low, high = np.quantile(shown, SHOWN_RANGE.get(name, (0.0, 0.999)))
                self._ranges[name] = (float(low), float(max(high, low + 1e-6)))
        self._box = _bounding_box(detection.foreground)
        self._fill_mask(detection)

    def finish(self, detection: Detection) -> None:
        """Final maps and the mask of a finished, prepared detection."""
        if detection.record.untrained and not self.untrained:  # seen only when it was loaded
            self.untrained = True
            for layer in (*self.maps.values(), self.mask):
                if layer is not None:
                    layer.name = f"{self.prefix}{layer.metadata['medad map']}"
        for name, layer in self.maps.items():
            array = detection.maps[name]
            layer.metadata[STUDY] = detection.study
            layer.contrast_limits = self._ranges.get(name, layer.contrast_limits)
            if layer.data is not array:
                layer.data = array
            else:
                layer.refresh(extent=False, highlight=False)
        if detection.record.evidence.get("whole_slices"):
            self.maps["anomaly"].visible = False  # it would cover the slices, and says nowhere
        self._refresh_mask(detection)

    def show_mask(self, detection: Detection) -> None:
        """The numbered findings."""
        self._fill_mask(detection)
        self._refresh_mask(detection)

    def _fill_mask(self, detection: Detection) -> None:
        assert self.mask is not None
        if len(detection.findings) <= np.iinfo(self.mask.data.dtype).max:
            np.copyto(self.mask.data, detection.mask, casting="unsafe")

    def _refresh_mask(self, detection: Detection) -> None:
        assert self.mask is not None
        self.mask.metadata[STUDY] = detection.study
        if len(detection.findings) > np.iinfo(self.mask.data.dtype).max:
            self.mask.data = detection.mask.copy()
        else:
            self.mask.refresh(extent=False, highlight=False, thumbnail=False)

    def preview_cut(self, detection: Detection, threshold: float) -> None:
        """Everything above a threshold at once, before findings are counted anew."""
        if self.mask is None:
            return
        if self._box is None:
            self._box = _bounding_box(detection.foreground)
        np.greater(
            detection.maps["anomaly"][self._box],
            threshold,
            out=self.mask.data[self._box],
            casting="unsafe",
        )
        self.mask.refresh(extent=False, highlight=False, thumbnail=False)

    def choose(self, number: int | None) -> None:
        """Colour one finding differently."""
        if self.mask is not None:
            self.mask.colormap = mask_colours(number)

    def hallucination_labels(self, detection: Detection) -> Labels:
        """The hallucination map's upper part as labels: where not to trust the anomaly map."""
        values = detection.maps["hallucination"]
        inside = values[detection.foreground]
        cut = float(np.quantile(inside, 0.95)) if inside.size else 0.0
        name = f"{self.prefix}hallucination (labels)"
        data = (values > cut).astype(np.uint8)
        if name in self.viewer.layers:
            layer = self.viewer.layers[name]
            layer.data = data
            return layer
        return self.viewer.add_labels(
            data,
            name=name,
            colormap=DirectLabelColormap(color_dict={None: "#5b8cff", 0: "transparent"}),
            opacity=0.5,
            metadata={"medad map": "hallucination", VOLUME: self.volume, STUDY: detection.study},
            **placement(self.volume),
            **layer_units(3),
        )

    def _stretch(self, layer: Image, array: np.ndarray) -> None:
        """Widen the display range to what the shown slice holds."""
        axis = self.viewer.dims.order[0] if self.viewer.dims.ndim >= 3 else 0
        step = self.viewer.dims.current_step[self.viewer.dims.ndim - 3 :]
        if axis >= array.ndim or len(step) != array.ndim:
            return
        shown = array.take(min(step[axis], array.shape[axis] - 1), axis=axis)
        top = float(np.quantile(shown, 0.999)) if shown.size else 0.0
        if top > layer.contrast_limits[1] or layer.contrast_limits[1] == 1.0 > top > 0:
            layer.contrast_limits = (0.0, top)


def colours_of(kind: OutputKind) -> Colormap | str:
    """A map's colours; those of an overlay are clear at the lower end."""
    if not kind.overlay:
        return kind.colormap
    plain = ensure_colormap(kind.colormap)
    colours = plain.map(np.linspace(0, 1, 256)).copy()
    colours[:, 3] = np.linspace(0, 2, 256).clip(0, 1)
    return Colormap(colours, name=f"{kind.colormap}, clear below")


def mask_colours(chosen: int | None) -> DirectLabelColormap:
    """One colour for all findings, another for the chosen one."""
    colours: dict[int | None, str] = {None: FINDING_COLOUR, 0: "transparent"}
    if chosen is not None:
        colours[chosen] = CHOSEN_COLOUR
    return DirectLabelColormap(color_dict=colours)


def _bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    box = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        box.append(slice(int(hit[0]), int(hit[-1]) + 1) if hit.size else slice(0, 0))
    return tuple(box)
