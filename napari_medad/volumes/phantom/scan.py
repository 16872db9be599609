"""Single scans of one anatomy, as varied as scanners and patients are, for a network to learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from napari_medad.volumes.phantom.anatomy import Anatomy
from napari_medad.volumes.phantom.contrast import (
    SCALE,
    Acquisition,
    acquired,
    clean_image,
    contrasts,
)
from napari_medad.volumes.phantom.detail import vessels
from napari_medad.volumes.phantom.lesions import Lesion, Variety, draw_lesions
from napari_medad.volumes.volume import Volume

RANDOM = "random"
"""A contrast that no scanner makes: every tissue and lesion at random, so that a network learns
what stands out and not what is bright."""
VARIETY = Variety(faintest=0.45, brightest=2.5, ragged=0.35, grain=0.35, alike=0.7)
"""Of the lesions; see `Variety`."""


def planes_of(anatomy: Anatomy, first: int, step: int, thickness: int) -> Anatomy:
    """Every `step`-th axial plane, each the mean of `thickness` neighbours."""
    count = anatomy.texture.shape[0]
    spans = [slice(z, min(z + thickness, count)) for z in range(first, count, step)]
    affine = anatomy.affine @ np.diag([1.0, 1.0, step, 1.0])
    affine[:3, 3] += anatomy.affine[:3, 2] * first
    return Anatomy(
        np.stack([anatomy.tissues[:, s].mean(axis=1, dtype=np.float32) for s in spans], 1),
        np.stack([anatomy.texture[s].mean(axis=0, dtype=np.float32) for s in spans]),
        affine,
    )


def scan(
    anatomy: Anatomy,
    shown: Anatomy,
    contrast: str,
    lesions: Sequence[Lesion],
    rng: np.random.Generator,
) -> tuple[Volume, np.ndarray]:
    """One volume of an anatomy, and which voxels are lesion.

    Parameters
    ----------
    anatomy : Anatomy
        Where lesions spread. Of few planes or many; planes share nothing but the lesions.
    shown : Anatomy
        What is seen of it: itself, or with more detail (`folded`).
    contrast : str
        "t1n", "t1c", "t2w", "t2f" or "random".
    lesions : sequence of Lesion
    rng : Generator

    Returns
    -------
    volume : Volume
        int16, 0 outside the brain.
    truth : ndarray [z, y, x] bool
    """
    ranges = wider(contrasts()[contrast]) if contrast != RANDOM else random_ranges(rng)
    image = clean_image(shown, ranges, rng)
    truth = draw_lesions(lesions, anatomy, {contrast: image}, VARIETY) > 0
    share = vessels(anatomy, rng) * rng.uniform(0, 1) * ~truth
    image += share * (np.float32(rng.uniform(*ranges["vessel"])) - image)
    how = replace(Acquisition.draw(rng), thickness=1.0, blur=rng.uniform(0.2, 1.2))
    scanned = acquired(image, anatomy.brain, anatomy.spacing, how, rng)
    stored = np.clip(np.rint(scanned * SCALE), 0, 32767).astype(np.int16)
    return Volume(stored, anatomy.affine, contrast), truth


def wider(ranges: dict[str, Any]) -> dict[str, Any]:
    """Ranges of intensity a quarter wider on either side than the typical ones."""
    grown = {}
    for key in ("gm", "wm", "csf", "texture", "vessel"):
        low, high = ranges[key]
        more = 0.25 * (high - low)
        least = -np.inf if key == "texture" else 0.05
        grown[key] = (max(least, low - more), high + more)
    return grown


def random_ranges(rng: np.random.Generator) -> dict[str, Any]:
    """Tissues at any intensity relative to white matter."""
    drawn = {"gm": (0.5, 1.6), "wm": (1, 1), "csf": (0.1, 3), "vessel": (0.2, 2.5)}
    fixed = {tissue: (value := rng.uniform(*span), value) for tissue, span in drawn.items()}
    return {**fixed, "texture": (-0.12, 0.12)}
