"""A change of a mask before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_medad.corrections.provenance import Provenance

if TYPE_CHECKING:
    from napari_medad.corrections.correction import Correction

Box = tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class Edit:
    """A change that is worked out but not yet made; `Correction.apply` makes it.

    So what takes long may run in a thread, and the mask changes in one go.

    Attributes
    ----------
    what : str
        In a few words, for the reader.
    where : ndarray [n] int
        Flat positions in the mask.
    labels : ndarray [n] or int
        New labels there.
    provenance : ndarray [n] or int or None
        New provenance; None leaves it.
    names : mapping of int to str, optional
        Categories of findings that change.
    revision : int, optional
        State of the correction that it was worked out on.
    """

    what: str
    where: np.ndarray
    labels: np.ndarray | int
    provenance: np.ndarray | int | None = None
    names: Mapping[int, str] | None = None
    revision: int | None = None


def flat_positions(shape: tuple[int, ...], box: Box, inside: np.ndarray) -> np.ndarray:
    """Flat positions [n] int64 in an array of `shape` of where a box's mask is set."""
    places = np.nonzero(inside)
    return np.ravel_multi_index(
        tuple(along + part.start for along, part in zip(places, box)), shape
    )


def margin(box: Box, shape: tuple[int, ...], voxels: np.ndarray) -> Box:
    """A box pushed out by voxels [3] along each axis, inside an array of `shape`."""
    return tuple(
        slice(max(0, part.start - int(more)), min(size, part.stop + int(more)))
        for part, size, more in zip(box, shape, voxels)
    )


def becomes(correction: Correction, what: str, number: int, box: Box, inside: np.ndarray) -> Edit:
    """In a box, a finding becomes exactly a mask; voxels of other findings stay theirs.

    What is added counts as drawn, what is taken away as removed.

    Parameters
    ----------
    number : int
        Id of the finding; may be new.
    box : tuple of slice
    inside : ndarray bool, of the box's shape
    """
    held = correction.labels[box]
    added, removed = inside & (held == 0), ~inside & (held == number)
    parts = [flat_positions(correction.labels.shape, box, mask) for mask in (added, removed)]
    kinds = (Provenance.DRAWN, Provenance.REMOVED)
    return Edit(
        what,
        np.concatenate(parts),
        np.repeat(np.array([number, 0], np.uint16), [part.size for part in parts]),
        np.repeat(np.array(kinds, np.uint8), [part.size for part in parts]),
        revision=correction.revision,
    )
