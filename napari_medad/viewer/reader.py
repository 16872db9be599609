"""napari's reader: any study as layers in mm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from napari_medad.viewer.layers import contrast_limits, layer_units, placement, study_layers
from napari_medad.volumes.nifti import ENDINGS, frames_of
from napari_medad.volumes.reader import case_name, ending, read_study, read_volume

LayerData = tuple[np.ndarray, dict[str, Any], str]


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """A function that reads the path, or None for what is not ours."""
    paths = [path] if isinstance(path, str) else path
    return read_layers if all(Path(p).exists() for p in paths) else None


def read_layers(path: str | list[str]) -> list[LayerData]:
    """Layers of one path, or of several one after another.

    A 4D file becomes one layer with a slider over its frames.
    """
    paths = [path] if isinstance(path, str) else path
    layers: list[LayerData] = []
    for one in map(Path, paths):
        frames = frames_of(one) if one.is_file() and ending(one) in ENDINGS else 1
        layers += [_frames_layer(one, frames)] if frames > 1 else study_layers(read_study(one))
    return layers


def _frames_layer(path: Path, count: int) -> LayerData:
    volumes = [read_volume(path, frame=frame) for frame in range(count)]
    first = volumes[0]
    place = placement(first)
    options = {
        "name": case_name(path),
        "scale": (1.0, *place["scale"]),
        "translate": (0.0, *place["translate"]),
        "colormap": "gray",
        "contrast_limits": contrast_limits(first.array),
        "metadata": {"medad frames": volumes.__getitem__},
        **layer_units(4),
    }
    return np.stack([volume.array for volume in volumes]), options, "image"
