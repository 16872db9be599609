"""What the reader says of whole findings: accept, reject, merge, split, name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import cc3d
import numpy as np
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

from napari_medad.corrections.edit import Box, Edit, flat_positions
from napari_medad.corrections.provenance import Provenance
from napari_medad.errors import MedadError

if TYPE_CHECKING:
    from napari_medad.corrections.correction import Correction

APART_MM = 5.0
"""Distance that the middles of two lesions grown together have at least."""


def accept(correction: Correction, numbers: Sequence[int]) -> Edit:
    """The detector is right: its voxels of these findings are confirmed; drawn ones stay drawn.

    Raises
    ------
    MedadError
        If there is no such finding (all functions here).
    """
    where = _voxels(correction, numbers)
    detected = correction.provenance.reshape(-1)[where] == Provenance.DETECTED
    where = where[detected]
    labels = correction.labels.reshape(-1)[where]
    return Edit(f"accept {_named(numbers)}", where, labels, int(Provenance.CONFIRMED))


def reject(correction: Correction, numbers: Sequence[int]) -> Edit:
    """No lesion here: these findings go, and their voxels count as looked at and normal."""
    where = _voxels(correction, numbers)
    names = dict.fromkeys(numbers, "")
    return Edit(f"reject {_named(numbers)}", where, 0, int(Provenance.REMOVED), names)


def merge(correction: Correction, numbers: Sequence[int]) -> Edit:
    """Several findings become one, with the number and name of the largest."""
    numbers = list(dict.fromkeys(numbers))
    if len(numbers) < 2:
        raise MedadError("Merging needs two findings or more; choose them in the table.")
    sizes = {n: correction.finding(n).volume_ml for n in numbers}
    largest = max(numbers, key=lambda n: (sizes[n], -n))
    others = [n for n in numbers if n != largest]
    where = _voxels(correction, others)
    names = dict.fromkeys(others, "")
    if largest not in correction.categories:
        names[largest] = next((c for n in others if (c := correction.categories.get(n))), "")
    return Edit(f"merge {_named(numbers)}", where, largest, None, names)


def split(
    correction: Correction,
    number: int,
    how: Literal["parts", "waist"] = "parts",
    apart_mm: float = APART_MM,
) -> Edit:
    """One finding becomes several; the largest keeps its number, all keep its name.

    Parameters
    ----------
    how : {"parts", "waist"}
        Into its unconnected parts (26 neighbours), or cut at its waists: a watershed of the
        distance to its edge, from maxima `apart_mm` apart or more.

    Raises
    ------
    MedadError
        If it is in one piece, or has no waist.
    """
    box = correction.box(number)
    inside = correction.labels[box] == number
    if how == "parts":
        pieces = cc3d.connected_components(inside, connectivity=26)
        why = "is in one piece; split it at its waist instead"
    else:
        pieces = _basins(inside, np.array(correction.volume.spacing), apart_mm)
        why = f"has no waist between parts {apart_mm:g} mm apart; lower that distance"
    sizes = np.bincount(pieces[inside])[1:]
    if sizes.size < 2:
        raise MedadError(f"Finding {number} {why}.")
    order = np.argsort(-sizes, kind="stable") + 1
    first = correction.free_id(sizes.size - 1)
    renumber = np.zeros(sizes.size + 1, np.uint16)
    renumber[order] = [number, *range(first, first + sizes.size - 1)]
    where = flat_positions(correction.labels.shape, box, inside)
    category = correction.categories.get(number, "")
    names = {int(n): category for n in renumber[1:] if category}
    labels = renumber[pieces[inside]]
    return Edit(f"split {number}", where, labels, None, names, correction.revision)


def name(correction: Correction, numbers: Sequence[int], category: str) -> Edit:
    """These findings are of this kind; an empty name takes it back."""
    for number in numbers:
        correction.box(number)
    names = dict.fromkeys(numbers, category.strip())
    what = f"name {_named(numbers)} {category.strip()}".strip()
    return Edit(what, np.zeros(0, np.int64), 0, None, names)


def renumber(correction: Correction, number: int, new: int) -> Edit:
    """A finding gets another number; the finding that has it, if any, takes this one's."""
    if new < 1:
        raise MedadError(f"A finding's number cannot be {new}; 0 is the background.")
    if new == number:
        return Edit("renumber", np.zeros(0, np.int64), 0)
    parts, labels = [_voxels(correction, [number])], [new]
    if new in correction.ids:
        parts, labels = [*parts, _voxels(correction, [new])], [new, number]
    names = {n: correction.categories.get(m, "") for n, m in ((number, new), (new, number))}
    repeated = np.repeat(np.array(labels, np.uint16), [part.size for part in parts])
    return Edit(f"renumber {number} to {new}", np.concatenate(parts), repeated, None, names)


def _basins(inside: np.ndarray, spacing: np.ndarray, apart_mm: float) -> np.ndarray:
    """Watershed basins [z, y, x] of a mask's depth in mm; 0 outside."""
    padded = np.pad(inside, 1)
    depth = ndimage.distance_transform_edt(padded, sampling=spacing)
    # A flat top has one middle only after smoothing within a voxel.
    smooth = ndimage.gaussian_filter(depth, spacing.min() / spacing) * padded
    peaks = peak_local_max(smooth, min_distance=1, labels=cc3d.connected_components(padded))
    kept: list[np.ndarray] = []
    for peak in peaks[np.argsort(-smooth[tuple(peaks.T)], kind="stable")]:
        if all(np.linalg.norm((peak - other) * spacing) >= apart_mm for other in kept):
            kept.append(peak)
    markers = np.zeros(padded.shape, np.int32)
    for index, peak in enumerate(kept, start=1):
        markers[tuple(peak)] = index
    basins = watershed(-smooth, markers, mask=padded)
    # A part without a peak of its own, nearer than apart_mm to another, joins the first.
    basins[padded & (basins == 0)] = 1
    return basins[1:-1, 1:-1, 1:-1]


def _voxels(correction: Correction, numbers: Sequence[int]) -> np.ndarray:
    """Flat positions of findings' voxels."""
    if not numbers:
        raise MedadError("No finding is chosen; choose one in the table.")
    parts = []
    for number in dict.fromkeys(numbers):
        box: Box = correction.box(number)
        inside = correction.labels[box] == number
        parts.append(flat_positions(correction.labels.shape, box, inside))
    return np.concatenate(parts)


def _named(numbers: Sequence[int]) -> str:
    return ", ".join(str(n) for n in numbers)
