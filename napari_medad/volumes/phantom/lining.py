"""Bands that line the ventricles: where they are, and how thick."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_medad.volumes.phantom.anatomy import VENTRICLES_RAS, Anatomy
from napari_medad.volumes.phantom.detail import depth_of, smooth_noise

DEEP_MM = 14.0
"""Fluid nearer than this to the brain's outline is a sulcus or a cistern."""
ABOVE_MM, BELOW_MM = 32.0, 40.0
"""How far the ventricles reach above and below their centre."""
FRONT, BACK = (-25.0, 24.0), 44.0
"""Before this y (RAS mm) fluid is ventricle within the second number of the midline, behind
it, where the horns spread, within `BACK`."""
UNEVENNESS, GRAIN_MM = 0.45, 8.0
"""Spread of the thickness (of its logarithm), and over which distance it changes."""


def ventricles(anatomy: Anatomy) -> np.ndarray:
    """The lateral and third ventricles, [z, y, x] bool; about, since tissues carry no names."""
    x, y, z = _coordinates(anatomy)
    above = z - VENTRICLES_RAS[2]
    wide = np.where(y > FRONT[0], np.where(above < -12, BACK, FRONT[1]), BACK)
    near = (np.abs(x) < wide) & (above < ABOVE_MM) & (above > -BELOW_MM)
    return (anatomy.tissues[2] > 0.5) & near & (depth_of(anatomy) > DEEP_MM)


def lining_distance(anatomy: Anatomy, thickness: float, rng: np.random.Generator) -> np.ndarray:
    """Distance from the ventricles within planes, as a share of the band's own thickness there.

    Parameters
    ----------
    thickness : float
        Of the band, mm; it varies along the wall and between the sides.

    Returns
    -------
    ndarray [z, y, x] float32
        1 at the band's outline; large in planes without a ventricle.
    """
    spacing = anatomy.spacing
    fluid = ventricles(anatomy)
    away = np.stack(
        [
            ndimage.distance_transform_edt(~plane) if plane.any() else np.full(plane.shape, 1e3)
            for plane in fluid
        ]
    )
    varied = np.exp(UNEVENNESS * smooth_noise(rng, fluid.shape, GRAIN_MM / spacing))
    x, _, _ = _coordinates(anatomy)
    side = np.exp(rng.uniform(-0.4, 0.4) * np.tanh(x / 8))
    return (away * spacing / (thickness * varied * side)).astype(np.float32)


def _coordinates(anatomy: Anatomy) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """RAS mm of the grid's columns x, rows y and planes z, to be broadcast to [z, y, x]."""
    shape, affine = anatomy.texture.shape, anatomy.affine
    x, y, z = (
        np.arange(n) * affine[axis, axis] + affine[axis, 3]
        for axis, n in enumerate(reversed(shape))
    )
    return x[None, None, :], y[None, :, None], z[:, None, None]
