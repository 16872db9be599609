"""Slices of a volume along any axis, cropped to what matters, and their way back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from napari_medad.volumes.volume import AXES


@dataclass(frozen=True)
class SlicePlan:
    """Which slices of a volume a detector looks at, and where in each.

    Attributes
    ----------
    axis : int
        Array axis that slices are stacked along (0 axial, 1 coronal, 2 sagittal).
    indices : ndarray of int
        Slices with foreground, in ascending order.
    box : tuple of two slice objects
        In-plane crop (rows, columns), one for all slices: the foreground's bounding box.
    """

    axis: int
    indices: np.ndarray
    box: tuple[slice, slice]

    @classmethod
    def of(cls, foreground: np.ndarray, axis: str, margin: int = 8) -> SlicePlan:
        """Plan for a foreground mask [z, y, x]; all of it when the mask is empty."""
        number = AXES[axis]
        stacked = np.moveaxis(foreground, number, 0)
        indices = np.flatnonzero(stacked.any(axis=(1, 2)))
        if indices.size == 0:
            return cls(number, np.arange(stacked.shape[0]), (slice(None), slice(None)))
        box = tuple(
            slice(max(0, int(hit[0]) - margin), int(hit[-1]) + 1 + margin)
            for hit in (np.flatnonzero(stacked.any(axis=(0, other))) for other in (2, 1))
        )
        return cls(number, indices, (box[0], box[1]))

    def view(self, array: np.ndarray) -> np.ndarray:
        """The planned crop of an array [z, y, x] as a view [slices, rows, columns], all slices."""
        return np.moveaxis(array, self.axis, 0)[:, self.box[0], self.box[1]]

    def batches(self, size: int, start: int | None = None) -> Iterator[np.ndarray]:
        """Indices in batches of `size`, nearest to slice `start` first, then outward."""
        order = self.indices
        if start is not None:
            order = order[np.argsort(np.abs(order - start), kind="stable")]
        for first in range(0, order.size, size):
            yield order[first : first + size]
