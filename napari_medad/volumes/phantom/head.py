"""Skull, scalp and face around a synthetic brain, for scans that were not stripped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage
from skimage.morphology import convex_hull_image

from napari_medad.volumes.phantom.contrast import contrasts
from napari_medad.volumes.phantom.detail import smooth_noise
from napari_medad.volumes.volume import Volume

MARGIN_MM = 30.0
"""How far the head may reach beyond the brain's box, within planes."""
EYE_RAS = (32.0, 58.0, -34.0)
"""Middle of the right globe in MNI space, mm; the left one is its mirror image."""
BELOW, ABOVE = 3, 2
"""Planes added under the brain, and over it, where only the scalp is."""


def with_head(
    volume: Volume, truth: np.ndarray, rng: np.random.Generator
) -> tuple[Volume, np.ndarray]:
    """Put a dark skull, a bright scalp and a face around a stripped brain.

    Parameters
    ----------
    volume : Volume
        0 outside the brain.
    truth : ndarray [z, y, x]
    rng : Generator
        The same state gives the same outline.

    Returns
    -------
    volume, truth
        On a grid with `MARGIN_MM` more in plane, and `BELOW` and `ABOVE` more planes.
    """
    spacing = volume.spacing[1]
    pad = int(np.ceil(MARGIN_MM / spacing))
    pads = ((BELOW, ABOVE), (pad, pad), (pad, pad))
    image = np.pad(volume.array.astype(np.float32), pads)
    brain = image > 0
    typical = float(np.median(image[brain]))
    skull, scalp = rng.uniform(2, 9), rng.uniform(3, 13)
    outside = _distance(~_vault(brain, spacing, rng), spacing)
    head = (outside < skull + scalp) | _face(brain, rng)
    cut = np.where(brain.any(axis=(1, 2)), 1.0, rng.uniform(1.5, 5))  # obliquely, over the brain
    skin = _distance(head, spacing) < (scalp * rng.uniform(0.5, 1) * cut)[:, None, None]
    soft = _patchwork(rng, brain.shape, spacing)
    values = np.where(outside < skull, rng.uniform(0.02, 0.3), soft)
    grain = 1 + 0.25 * smooth_noise(rng, brain.shape, 2 / spacing)
    values = np.where(skin, rng.uniform(0.6, 4) * grain, values)
    noise = 1 + 0.04 * rng.standard_normal(brain.shape, np.float32)
    affine = volume.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ np.array([pad, pad, BELOW])
    eyes = _eyes(brain.shape, affine, rng)
    head |= eyes
    values = np.where(eyes, _fluid(volume.modality, rng), values)
    around = np.clip(typical * values * noise, 1, 32767) * head
    array = np.rint(np.where(brain, image, around)).astype(np.int16)
    return replace(volume, array=array, affine=affine, source=None), np.pad(truth, pads)


def _vault(brain: np.ndarray, spacing: float, rng: np.random.Generator) -> np.ndarray:
    """What the skull holds [z, y, x] bool: convex in each plane, closing over the brain."""
    held, narrower = np.zeros_like(brain), rng.uniform(4, 12)
    for z, plane in enumerate(brain):
        if plane.any():
            held[z] = convex_hull_image(plane)
        if z > BELOW:
            held[z] |= _distance(held[z - 1 : z], spacing)[0] > narrower
    return held


def _distance(inside: np.ndarray, spacing: float) -> np.ndarray:
    """Distance in mm [z, y, x] to the nearest voxel of the plane that is not inside.

    Infinite where all of the plane is.
    """
    planes = [
        np.full(p.shape, np.inf) if p.all() else ndimage.distance_transform_edt(p) * spacing
        for p in inside
    ]
    return np.stack(planes).astype(np.float32)


def _face(brain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ellipses in the lower planes, before and beside the brain."""
    depth, height, width = brain.shape
    y, x = np.ogrid[:height, :width]
    face = np.zeros(brain.shape, bool)
    low = int(depth * rng.uniform(0.2, 0.5))
    for z in range(low):
        size = 1 - 0.3 * rng.random() * z / low
        centre = height * (0.42 + 0.04 * z / low), width / 2
        radii = height * 0.42 * size, width * 0.34 * size
        face[z] = ((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 < 1
    return face


def _eyes(shape: tuple[int, ...], affine: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The two globes, where MNI space has them, [z, y, x] bool."""
    z, y, x = (
        np.arange(n) * affine[axis, axis] + affine[axis, 3] for n, axis in zip(shape, (2, 1, 0))
    )
    height, before, apart = rng.normal(EYE_RAS[2], 3), rng.normal(EYE_RAS[1], 4), rng.normal(0, 2)
    radius = rng.uniform(10.5, 13.5)
    away = (z - height)[:, None, None] ** 2 + (y - before)[None, :, None] ** 2
    across = np.minimum(*((x - side * (EYE_RAS[0] + apart)) ** 2 for side in (-1, 1)))
    return away + across < radius**2


def _fluid(contrast: str | None, rng: np.random.Generator) -> float:
    """Intensity of the vitreous, which is that of cerebrospinal fluid."""
    known = contrasts().get(contrast or "")
    return float(rng.uniform(*(known["csf"] if known else (0.1, 3.0))))


def _patchwork(rng: np.random.Generator, shape: tuple[int, ...], spacing: float) -> np.ndarray:
    """Muscle, fat, air and bone: patches of a few random intensities."""
    field = smooth_noise(rng, shape, rng.uniform(3, 8) / spacing)
    levels = np.digitize(field, (-0.8, -0.2, 0.4, 1.0))
    return rng.uniform([0.0, 0.2, 0.3, 0.4, 0.4], [0.3, 1.0, 1.2, 2.0, 3.0])[levels]
