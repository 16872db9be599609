"""How far the outline of a mask lies from the true outline, in mm."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice

TOLERANCE_MM = 2.0
"""A surface this near counts as met."""


def surface_figures(
    found: np.ndarray,
    truth: np.ndarray,
    spacing: tuple[float, float, float],
    *,
    tolerance_mm: float = TOLERANCE_MM,
) -> tuple[float | None, float | None]:
    """Hausdorff distance (95 %) and surface Dice, by MONAI.

    Parameters
    ----------
    found, truth : ndarray [z, y, x] bool
    spacing : (z, y, x) in mm
    tolerance_mm : float

    Returns
    -------
    hausdorff95_mm : float or None
        None where one of the masks is empty.
    surface_dice : float or None
        In 0..1; 0 where one is empty; None where both are.
    """
    if not found.any() or not truth.any():
        return None, (0.0 if found.any() or truth.any() else None)
    box = _box(found | truth)
    ours, theirs = (torch.from_numpy(m[box].copy())[None, None].float() for m in (found, truth))
    with warnings.catch_warnings():  # MONAI 1.5 and 1.6 warn of an argument of their own
        warnings.filterwarnings("ignore", "monai.metrics.utils", FutureWarning)
        far = compute_hausdorff_distance(
            ours, theirs, include_background=True, percentile=95, spacing=spacing
        )
        near = compute_surface_dice(
            ours, theirs, class_thresholds=[tolerance_mm], include_background=True, spacing=spacing
        )
    return float(far), float(near)


def _box(mask: np.ndarray) -> tuple[slice, ...]:
    """The mask's bounding box and a voxel more, which keeps outlines closed."""
    box = []
    for axis, size in enumerate(mask.shape):
        hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        box.append(slice(max(0, int(hit[0]) - 1), min(size, int(hit[-1]) + 2)))
    return tuple(box)
