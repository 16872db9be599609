"""What the template has averaged away: sulci, vessels and membranes, drawn at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from napari_medad.volumes.phantom.anatomy import Anatomy

CORTEX_MM = 2.6
"""Thickness of the grey matter that lines a sulcus."""


def folded(anatomy: Anatomy, rng: np.random.Generator) -> Anatomy:
    """Sharp sulci: sheets of fluid lined with grey matter, near the brain's surface.

    The template's cortex is the mean of 152 people's, and so has hardly any. A sulcus is
    where a smooth random field crosses zero.
    """
    depth, half, scale = rng.uniform(8, 24), rng.uniform(0.3, 1.8), rng.uniform(4, 8)
    below = depth_of(anatomy)
    away = np.abs(smooth_noise(rng, below.shape, scale / anatomy.spacing)) * scale
    near = np.clip((depth - below) / 4, 0, 1)
    fluid = np.clip((half - away) / anatomy.spacing + 0.5, 0, 1) * near
    lining = np.clip((half + CORTEX_MM - away) / anatomy.spacing + 0.5, 0, 1) * near
    gm, wm, csf = anatomy.tissues
    turned = wm * lining
    solid = 1 - fluid
    total = gm + wm + csf
    tissues = np.stack([(gm + turned) * solid, (wm - turned) * solid, csf * solid])
    tissues[2] += fluid * total
    return replace(anatomy, tissues=tissues)


def vessels(anatomy: Anatomy, rng: np.random.Generator) -> np.ndarray:
    """Share of vessels and membranes [z, y, x] in each voxel: thin tubes and a patchy rim."""
    spacing, brain = anatomy.spacing, anatomy.brain
    scale, radius = rng.uniform(4, 9), rng.uniform(0.5, 1.5)
    across = np.hypot(*(smooth_noise(rng, brain.shape, scale / spacing) * scale for _ in "yx"))
    tubes = np.clip((radius - across) / spacing + 0.5, 0, 1)
    patchy = smooth_noise(rng, brain.shape, 10 / spacing) > rng.uniform(0, 2)
    rim = (depth_of(anatomy) < rng.uniform(0.5, 3)) * patchy
    return np.maximum(tubes, rim) * brain


def depth_of(anatomy: Anatomy) -> np.ndarray:
    """Distance [z, y, x] in mm to the brain's outline in the same plane; 0 outside."""
    planes = [ndimage.distance_transform_edt(plane) for plane in anatomy.brain]
    return np.stack(planes).astype(np.float32) * np.float32(anatomy.spacing)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """Noise [z, y, x] of standard deviation 1, smooth over `sigma` voxels within planes."""
    import torch

    step = max(1, int(sigma / 2))
    coarse = (shape[0], shape[1] // step + 2, shape[2] // step + 2)
    noise = rng.standard_normal(coarse, np.float32)
    noise = ndimage.gaussian_filter(noise, (0, sigma / step, sigma / step), truncate=3)
    noise /= max(float(noise.std()), 1e-6)
    fine = torch.nn.functional.interpolate(
        torch.from_numpy(noise)[None], size=shape[1:], mode="bilinear", align_corners=True
    )
    return fine[0].numpy()
