"""A layer as a reader's mask on a detection's voxels."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_medad.errors import MedadError
from napari_medad.viewer.layers import VOLUME, layer_units, placement
from napari_medad.volumes.modality import is_scan
from napari_medad.volumes.orientation import Grid, resample
from napari_medad.volumes.reader import case_name, read_volume
from napari_medad.volumes.volume import Volume

if TYPE_CHECKING:
    import napari

MOST_LABELS = 50
"""A mask with more labels numbers its lesions; they are offered together only."""
NOT_REFERENCES = ("outcome", "provenance", "hallucination")


def reference_layers(viewer: napari.Viewer, own_mask: Layer | None) -> list[Layer]:
    """Layers that may be a reference: labels, and images that are called like a mask.

    Parameters
    ----------
    viewer : napari.Viewer
    own_mask : Layer or None
        The mask that is to be measured.
    """
    found: list[Layer] = []
    for layer in viewer.layers:
        kind = layer.metadata.get("medad map")
        if layer is own_mask or kind in NOT_REFERENCES:
            continue
        mask_like = isinstance(layer, Image) and kind is None and not is_scan(layer.name)
        if isinstance(layer, Labels) or mask_like:
            found.append(layer)
    return found


def open_reference(viewer: napari.Viewer, path: Path) -> Labels:
    """Add a file as a labels layer at its place.

    Raises
    ------
    MedadError
        If it cannot be read or holds no labels.
    """
    volume = read_volume(path)
    return viewer.add_labels(
        _whole(volume.array, path.name),
        name=f"{case_name(path)} · reference",
        metadata={VOLUME: volume},
        **placement(volume),
        **layer_units(3),
    )


def labels_in(layer: Layer) -> list[int]:
    """The labels of a mask, ascending; empty where nothing is labelled.

    Raises
    ------
    MedadError
        If the layer is no mask.
    """
    values = _whole(_array(layer), layer.name)
    return [int(value) for value in np.unique(values) if value]


def lies_on(layer: Layer, volume: Volume) -> bool:
    """Whether a layer has a volume's voxels: the same shape, at the same place."""
    shape = _shape(layer)
    if shape != volume.array.shape:
        return False
    if _has_no_place(layer):
        return True
    affine, target = _grids(layer, volume)
    return Grid(shape[::-1], affine).same_as(target)


def truth_on(
    layer: Layer, volume: Volume, labels: Collection[int] = (), *, resampled: bool = False
) -> np.ndarray:
    """What of a layer is lesion, on a volume's voxels.

    Parameters
    ----------
    layer : Layer
    volume : Volume
    labels : collection of int
        Those that are lesion; empty: all but 0.
    resampled : bool
        Bring a layer on other voxels onto the volume's, by nearest neighbour.

    Returns
    -------
    ndarray [z, y, x] bool

    Raises
    ------
    MedadError
        If the layer is no mask, is not 3D, or lies on other voxels.
    """
    array = _array(layer)
    if array.ndim != 3:
        raise MedadError(
            f"'{layer.name}' has {array.ndim} dimensions; choose a mask of 3 as the reference."
        )
    values = _whole(array, layer.name)
    truth = np.isin(values, list(labels)) if labels else values != 0
    if lies_on(layer, volume):
        return truth
    if not resampled:
        raise MedadError(
            f"'{layer.name}' lies on other voxels than the map ({_times(array.shape)}, the map has "
            f"{_times(volume.array.shape)}); tick “Resample” to bring it there."
        )
    affine, target = _grids(layer, volume)
    placed = resample(truth.T.astype(np.uint8), affine, target, order=0).T > 0
    if truth.any() and not placed.any():
        raise MedadError(
            f"'{layer.name}' does not overlap the scan in space; choose a mask of this patient, or "
            "register them first."
        )
    return np.ascontiguousarray(placed)


def _shape(layer: Layer) -> tuple[int, ...]:
    shape = tuple((layer.data[0] if layer.multiscale else layer.data).shape)
    return (1, *shape) if len(shape) == 2 else shape


def _array(layer: Layer) -> np.ndarray:
    array = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    return array[None] if array.ndim == 2 else array


def _whole(array: np.ndarray, name: str) -> np.ndarray:
    """The array as whole numbers."""
    if array.dtype.kind in "iub":
        return array.astype(np.uint8) if array.dtype == bool else array
    whole = np.rint(array)
    if not np.array_equal(whole, array):
        odd = array[whole != array][0]
        raise MedadError(
            f"'{name}' holds values such as {odd:.3g} and is no mask; choose labels, or cut it at "
            "a threshold first."
        )
    return whole.astype(np.int32)


def _has_no_place(layer: Layer) -> bool:
    """Whether nobody has said where a layer lies, so that it can only be meant voxel by voxel."""
    return (
        VOLUME not in layer.metadata
        and np.allclose(layer.scale, 1)
        and np.allclose(layer.translate, 0)
    )


def _grids(layer: Layer, volume: Volume) -> tuple[np.ndarray, Grid]:
    """Affine of a layer and grid of a volume, both from index (x, y, z) into one world.

    The world is the patient's where both are known there, else napari's, as it is seen.
    """
    held = layer.metadata.get(VOLUME)
    if held is not None:
        return held.affine, volume.grid
    corners = np.vstack([np.zeros(3), np.eye(3)])[:, -layer.ndim :]
    world = np.array([layer.data_to_world(corner) for corner in corners])
    world = np.pad(world, ((0, 0), (3 - layer.ndim, 0)))
    steps = world[1:] - world[0]
    if layer.ndim == 2:
        steps[0] = (1.0, 0.0, 0.0)
    shown = placement(volume)
    theirs = _affine(np.diag(shown["scale"]), np.array(shown["translate"]))
    return _affine(steps, world[0]), Grid(volume.grid.shape, theirs)


def _affine(steps: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """From index (x, y, z), of the way of one step along each of z, y, x [3, 3] in zyx."""
    affine = np.eye(4)
    affine[:3, :3] = steps[::-1, ::-1].T
    affine[:3, 3] = origin[::-1]
    return affine


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
