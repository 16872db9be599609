"""Exact flips and permutations between a file's voxel order and the display orientation."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nibabel.orientations import (
    apply_orientation,
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)
from scipy import ndimage

from napari_medad.volumes.intensity import background_value

DISPLAY = ("L", "P", "S")
"""Directions in which the display's x, y and z indices grow."""

SHEAR_TOLERANCE = 1e-3
"""Largest |cosine| between two voxel axes that still counts as orthogonal (0.06 degrees)."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A voxel grid.

    Attributes
    ----------
    shape : tuple of int (i, j, k)
    affine : ndarray [4, 4]
        From index (i, j, k) to RAS mm.
    """

    shape: tuple[int, ...]
    affine: np.ndarray

    @property
    def sheared(self) -> bool:
        """Whether two voxel axes are not perpendicular."""
        columns = self.affine[:3, :3] / nib.affines.voxel_sizes(self.affine)
        cosines = np.abs(columns.T @ columns)
        return bool((cosines - np.diag(np.diag(cosines))).max() > SHEAR_TOLERANCE)

    def same_as(self, other: Grid, tolerance: float = 1e-3) -> bool:
        """Whether both have the same shape and no corner lies more than `tolerance` mm off."""
        if tuple(self.shape) != tuple(other.shape):
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape])).reshape(3, -1).T
        ours, theirs = (nib.affines.apply_affine(g.affine, corners) for g in (self, other))
        return bool(np.abs(ours - theirs).max() <= tolerance)


def to_display(
    array_xyz: np.ndarray, affine: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Turn voxels (i, j, k[, rgb]) into display orientation.

    Returns
    -------
    array : ndarray [z, y, x(, rgb)]
    affine : ndarray [4, 4], from index (x, y, z) to RAS mm
    notes : tuple of str
        A sentence if the grid was sheared and had to be resampled.
    """
    notes: tuple[str, ...] = ()
    affine = np.asarray(affine, float)
    if Grid(array_xyz.shape[:3], affine).sheared:
        target = orthogonal_grid(Grid(array_xyz.shape[:3], affine))
        array_xyz = resample(array_xyz, affine, target, order=1)
        affine = target.affine
        sizes = " x ".join(f"{s:.3g}" for s in nib.affines.voxel_sizes(affine))
        notes = (f"The sheared voxel grid was resampled to an orthogonal one of {sizes} mm.",)
    turn = ornt_transform(io_orientation(affine), axcodes2ornt(DISPLAY))
    turned = apply_orientation(array_xyz, turn)
    affine = affine @ inv_ornt_aff(turn, array_xyz.shape[:3])
    return np.moveaxis(turned, (0, 1, 2), (2, 1, 0)), affine, notes


def orthogonal_grid(grid: Grid) -> Grid:
    """The smallest orthogonal grid that covers a sheared one.

    Keeps the direction of the first two axes' plane and the in-plane spacing; the third
    axis becomes the plane's normal with the slice-to-slice distance along it.
    """
    matrix, sizes = grid.affine[:3, :3], nib.affines.voxel_sizes(grid.affine)
    first = matrix[:, 0] / sizes[0]
    second = matrix[:, 1] - first * (first @ matrix[:, 1])
    second /= np.linalg.norm(second)
    normal = np.cross(first, second)
    normal *= np.sign(normal @ matrix[:, 2])
    steps = np.array([sizes[0], sizes[1], abs(normal @ matrix[:, 2])])
    axes = np.stack([first, second, normal], axis=1)
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in grid.shape])).reshape(3, -1).T
    along = nib.affines.apply_affine(grid.affine, corners) @ axes
    low, high = along.min(0), along.max(0)
    affine = np.eye(4)
    affine[:3, :3] = axes * steps
    affine[:3, 3] = axes @ low
    shape = tuple(int(n) for n in np.floor((high - low) / steps + 1e-6).astype(int) + 1)
    return Grid(shape, affine)


def resample(array: np.ndarray, affine: np.ndarray, target: Grid, *, order: int) -> np.ndarray:
    """Bring voxels (i, j, k[, rgb]) with their affine onto another grid.

    Where both grids differ only by flips and permutation the result is exact and keeps the
    dtype; else it is interpolated (order 0 nearest, 1 linear), outside it the value of the
    array's corners, and keeps the dtype by rounding.
    """
    turned = _turn(array, affine, target)
    if turned is not None:
        return turned
    if array.ndim == 4:
        channels = [resample(array[..., c], affine, target, order=order) for c in range(3)]
        return np.stack(channels, axis=-1)
    to_index = np.linalg.inv(affine) @ target.affine
    values = array if array.dtype.kind == "f" or order == 0 else array.astype(np.float32)
    out = ndimage.affine_transform(
        values,
        to_index[:3, :3],
        to_index[:3, 3],
        tuple(target.shape),
        order=order,
        cval=background_value(array),
    )
    if array.dtype.kind in "iu":
        limits = np.iinfo(array.dtype)
        out = np.clip(np.rint(out), limits.min, limits.max)
    return out.astype(array.dtype, copy=False)


def _turn(array: np.ndarray, affine: np.ndarray, target: Grid) -> np.ndarray | None:
    """The exact flip and permutation onto `target`, or None where there is none."""
    turn = ornt_transform(io_orientation(affine), io_orientation(target.affine))
    turned = apply_orientation(array, turn)
    turned_affine = affine @ inv_ornt_aff(turn, array.shape[:3])
    if Grid(turned.shape[:3], turned_affine).same_as(target):
        return turned
    return None
