"""The template brain and its deformations: a different healthy anatomy for every seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from torch import Tensor

TISSUES = ("gm", "wm", "csf")
VENTRICLES_RAS = (0.0, -15.0, 15.0)
"""Centre of the lateral ventricles in MNI space, mm."""
FIELD_OF_VIEW = (155.0, 204.0, 170.0)
"""Extent (z, y, x) in mm of the brain's own box, which every grid is centred on."""


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Tissue of one brain on one grid, display orientation.

    Attributes
    ----------
    tissues : ndarray [3, z, y, x] float32
        Share of grey matter, white matter and cerebrospinal fluid in each voxel, 0..1;
        their sum is 1 inside the head's inner skull and 0 outside.
    texture : ndarray [z, y, x] float32
        What the T1 template shows beyond its tissues (deep nuclei, cortex depth), about -1..1.
    affine : ndarray [4, 4]
        From index (x, y, z) to RAS mm.
    """

    tissues: np.ndarray
    texture: np.ndarray
    affine: np.ndarray

    @property
    def brain(self) -> np.ndarray:
        """Brain voxels [z, y, x] bool, as a skull-stripping tool leaves them."""
        return self.tissues.sum(axis=0) > 0.5

    @property
    def spacing(self) -> float:
        """Edge of the isotropic voxels, mm."""
        return float(abs(self.affine[0, 0]))


@cache
def template() -> tuple[np.ndarray, np.ndarray]:
    """Template channels [4, z, y, x] float32 (gm, wm, csf, texture) at 1 mm, and the affine.

    Display orientation. Read from the installed nilearn package; reaches no network.
    """
    from nilearn import datasets

    t1_image = datasets.load_mni152_template(resolution=1)
    t1, gm, wm, mask = (
        image.get_fdata(dtype=np.float32)[::-1, ::-1].T
        for image in (
            t1_image,
            datasets.load_mni152_gm_template(resolution=1),
            datasets.load_mni152_wm_template(resolution=1),
            datasets.load_mni152_brain_mask(resolution=1),
        )
    )
    inside = ndimage.binary_erosion(mask > 0.5, iterations=1)
    total = np.maximum(gm + wm, 1)
    gm, wm = gm / total * inside, wm / total * inside
    csf = np.clip(1 - gm - wm, 0, 1) * inside
    stacked = np.stack([gm, wm, csf])
    mixing = stacked[:, inside].T[::7]
    means, *_ = np.linalg.lstsq(mixing, t1[inside][::7], rcond=None)
    residual = (t1 - np.tensordot(means, stacked, 1)) * inside
    texture = np.clip(residual / (3 * residual[inside].std()), -1, 1)
    affine = t1_image.affine.copy()
    shape = np.array(t1_image.shape)
    affine[:3, :3] = np.diag([-1.0, -1.0, 1.0])
    affine[:2, 3] = t1_image.affine[:2, 3] + (shape[:2] - 1)
    return np.concatenate([stacked, texture[None]]).astype(np.float32), affine


def grid(spacing: float, shape: tuple[int, int, int] | None) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape (z, y, x) and affine of an isotropic grid centred on the template's brain."""
    size = shape or tuple(int(np.ceil(extent / spacing)) for extent in FIELD_OF_VIEW)
    centre = np.array([0.0, -18.0, 8.0])
    affine = np.diag([-spacing, -spacing, spacing, 1.0])
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.array(size[::-1]) - 1) / 2)
    return size, affine


def make_anatomy(
    rng: np.random.Generator,
    spacing: float = 1.0,
    shape: tuple[int, int, int] | None = None,
    masses: tuple[tuple[np.ndarray, float], ...] = (),
    *,
    ventricles: tuple[float, float] = (-0.35, 0.25),
    uneven: float = 0.0,
) -> Anatomy:
    """A healthy brain of a new shape.

    Random scale (+-8 %), rotation (+-6 degrees), smooth displacement (up to about 6 mm),
    ventricle size and cortical atrophy.

    Parameters
    ----------
    masses : tuple of (centre RAS mm, radius mm)
        Places where tissue is pushed aside, as a growing lesion would.
    ventricles : tuple of float
        Range of their size: wider below 0, narrower above.
    uneven : float
        Largest difference of the two sides' ventricles, as a share of that size.
    """
    import torch

    wanted, affine = grid(spacing, shape)
    channels, template_affine = template()
    where = _positions(wanted, affine)
    where = _pushed_aside(where, masses)
    where = _deformed(rng, where, ventricles, uneven)
    to_index = np.linalg.inv(template_affine)
    size = np.array(channels.shape[1:][::-1])
    scale = np.diag(to_index)[:3] * 2 / (size - 1)
    shift = to_index[:3, 3] * 2 / (size - 1) - 1
    unit = torch.from_numpy(where * scale.astype(np.float32) + shift.astype(np.float32))
    sampled = torch.nn.functional.grid_sample(
        _template_tensor()[None], unit[None], align_corners=True
    )[0].numpy()
    tissues, texture = sampled[:3], sampled[3]
    return Anatomy(_atrophied(rng, tissues), texture, affine)


@cache
def _template_tensor() -> Tensor:
    import torch

    return torch.from_numpy(template()[0])


def _positions(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """RAS mm of every voxel [z, y, x, 3] float32."""
    z, y, x = (
        np.arange(n, dtype=np.float32) * affine[axis, axis] + affine[axis, 3]
        for n, axis in zip(shape, (2, 1, 0), strict=True)
    )
    out = np.empty((*shape, 3), np.float32)
    out[..., 0], out[..., 1], out[..., 2] = x[None, None], y[None, :, None], z[:, None, None]
    return out


def _pushed_aside(where: np.ndarray, masses: tuple[tuple[np.ndarray, float], ...]) -> np.ndarray:
    """Positions to read from so that tissue is displaced outward around each mass."""
    for centre, radius in masses:
        offset = where - centre.astype(np.float32)
        near = np.exp(-(offset**2).sum(-1, keepdims=True) / (2 * (1.6 * radius) ** 2))
        where = where - offset * (0.3 * near)
    return where


def _deformed(
    rng: np.random.Generator, where: np.ndarray, ventricles: tuple[float, float], uneven: float
) -> np.ndarray:
    turn = _rotation(rng.uniform(-6, 6, 3) * np.pi / 180) * rng.uniform(0.92, 1.08, 3)
    centre = np.array([0.0, -18.0, 8.0])
    middle = centre + rng.normal(0, 2, 3) - turn @ centre
    moved = where @ turn.T.astype(np.float32) + middle.astype(np.float32)
    for points, amplitude in ((4, 3.0), (8, 1.8)):
        coarse = rng.normal(0, amplitude, (3, points, points, points)).astype(np.float32)
        moved += _smooth_field(coarse, where.shape[:3])
    swelling = np.float32(rng.uniform(*ventricles))
    offset = moved - np.array(VENTRICLES_RAS, np.float32)
    near = np.exp(-((offset / np.array([28.0, 42.0, 24.0], np.float32)) ** 2).sum(-1) / 2)
    if uneven:
        swelling = swelling * (1 + rng.uniform(-uneven, uneven) * np.tanh(offset[..., 0] / 8))
    return moved + offset * (swelling * near).astype(np.float32)[..., None]


def _smooth_field(coarse: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Coarse random vectors [3, p, p, p] interpolated to [z, y, x, 3]."""
    import torch

    fine = torch.nn.functional.interpolate(
        torch.from_numpy(coarse)[None], size=tuple(shape), mode="trilinear", align_corners=True
    )[0]
    return fine.permute(1, 2, 3, 0).numpy()


def _rotation(angles: np.ndarray) -> np.ndarray:
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        i, j = [a for a in range(3) if a != axis]
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    return matrix


def _atrophied(rng: np.random.Generator, tissues: np.ndarray) -> np.ndarray:
    """Sharpen tissue borders, and shift some of the grey matter's rim to fluid or back."""
    gain = np.array([rng.uniform(0.85, 1.1), 1.0, rng.uniform(0.85, 1.15)], np.float32)
    total = tissues.sum(axis=0)
    sharp = np.clip(tissues, 0, 1) ** rng.uniform(1.3, 2.2) * gain[:, None, None, None]
    return sharp * (total / np.maximum(sharp.sum(axis=0), 1e-6))
