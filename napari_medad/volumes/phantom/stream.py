"""Synthetic slices to train from, without end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_medad.volumes.phantom.brain import CONTRASTS, make_brain
from napari_medad.volumes.phantom.contrast import contrasts as contrast_table

BRAIN_SHARE = 0.08
"""Slices with less brain than this share of the largest one are left out."""


@dataclass(frozen=True, eq=False)
class TrainingSlice:
    """One axial slice.

    Attributes
    ----------
    image : ndarray [y, x] int16
    foreground : ndarray [y, x] bool
    truth : ndarray [y, x] bool
        Lesion voxels; none in a healthy brain.
    contrast : str
    task : str
        Prompt that describes the slice ("Brain MRI slice, FLAIR").
    """

    image: np.ndarray
    foreground: np.ndarray
    truth: np.ndarray
    contrast: str
    task: str


def training_slices(
    seed: int,
    *,
    lesions: Sequence[str] = (),
    contrasts: Sequence[str] = CONTRASTS,
    spacing: float = 1.5,
    per_volume: int = 32,
) -> Iterator[TrainingSlice]:
    """Axial slices of ever new brains.

    Parameters
    ----------
    seed : int
        Start of the stream; the same seed gives the same slices.
    lesions : sequence of str
        Every brain draws one to three of these kinds; empty for healthy brains.
    spacing : float
        Voxel size in mm.
    per_volume : int
        Slices taken of each contrast of each brain.
    """
    table = contrast_table()
    rng = np.random.default_rng(seed)
    while True:
        count = int(rng.integers(1, min(3, len(lesions)) + 1)) if lesions else 0
        kinds = tuple(rng.choice(list(lesions), count, replace=False)) if count else ()
        brain = make_brain(
            int(rng.integers(2**31)), lesions=kinds, contrasts=contrasts, spacing=spacing
        )
        foreground = brain.study.volume().array > 0
        sizes = foreground.sum(axis=(1, 2))
        usable = np.flatnonzero(sizes > BRAIN_SHARE * sizes.max())
        for contrast in contrasts:
            array = brain.study.volume(contrast).array
            chosen = rng.choice(usable, min(per_volume, usable.size), replace=False)
            for z in chosen:
                yield TrainingSlice(
                    array[z], foreground[z], brain.truth[z] > 0, contrast, table[contrast]["task"]
                )
