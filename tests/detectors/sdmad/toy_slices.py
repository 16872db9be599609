"""A toy problem whose signs are separable: a half of a square is bright, or neither is."""

from __future__ import annotations

import numpy as np

from napari_medad.detectors.recipe import Example
from napari_medad.detectors.sdmad.signs import Category, Sign, SignList
from napari_medad.volumes.volume import Volume

HALVES = {"Left": (slice(6, 50), slice(4, 24)), "Right": (slice(6, 50), slice(32, 52))}
KINDS = ((), ("Left",), ("Right",))
OPTIONS = {"backbone": "tiny", "image_size": 56, "bottleneck": 64}
SIGNS = SignList(
    "brain",
    "a normal brain",
    (
        Category("Left", (Sign("bright on the left"), Sign("left hyperintensity"))),
        Category("Right", (Sign("signal on the right side"), Sign("right sided lesion"))),
    ),
)


def volume(shown: tuple[tuple[str, ...], ...], seed: int) -> tuple[Volume, np.ndarray]:
    """Noise in a square, and where slices show something bright."""
    array = np.zeros((len(shown), 56, 56), np.float32)
    noise = np.random.default_rng(seed).random((len(shown), 48, 48))
    array[:, 4:52, 4:52] = 1 + 0.2 * noise
    mask = np.zeros(array.shape, bool)
    for z, names in enumerate(shown):
        for name in names:
            mask[z][HALVES[name]] = True
    array[mask] += 2
    return Volume(array, np.diag([-1.0, -1.0, 3.0, 1.0]), "t2f"), mask


def shots(
    *seeds: int, shown: tuple[tuple[str, ...], ...] = KINDS, outlined: bool = False
) -> list[Example]:
    """An example for each seed, its slices showing one thing each."""
    found = []
    for seed in seeds:
        image, mask = volume(shown, seed)
        named = dict(enumerate(shown))
        found.append(
            Example(image, mask=mask if outlined else None, categories=named, patient=str(seed))
        )
    return found
