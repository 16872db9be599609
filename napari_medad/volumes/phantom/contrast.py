"""From tissue to what a scanner shows: contrast, coil shading, slice thickness, noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml
from scipy import ndimage

from napari_medad.volumes.phantom.anatomy import TISSUES, Anatomy

SCALE = 400.0
"""Stored intensity of white matter."""


@cache
def contrasts() -> dict[str, dict[str, Any]]:
    """Intensity ranges by contrast, from contrast.yaml."""
    text = files(__package__).joinpath("contrast.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


@dataclass(frozen=True)
class Acquisition:
    """How one volume is acquired.

    Attributes
    ----------
    shading : float
        Amplitude of the bias field, 0 (none) to about 0.3.
    thickness : float
        Slice thickness in mm; slices are averaged over it.
    blur : float
        In-plane point spread (standard deviation, mm).
    noise : float
        Standard deviation of Rician noise relative to white matter.
    """

    shading: float = 0.1
    thickness: float = 1.0
    blur: float = 0.4
    noise: float = 0.02

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Acquisition:
        """Plausible for a clinical scanner."""
        thick = rng.uniform(1, 6) if rng.random() < 0.4 else 1.0
        return cls(rng.uniform(0, 0.25), thick, rng.uniform(0.2, 0.8), rng.uniform(0.01, 0.05))


def clean_image(
    anatomy: Anatomy, contrast: str | Mapping[str, Any], rng: np.random.Generator
) -> np.ndarray:
    """Noise-free intensities [z, y, x] float32; white matter near 1, 0 outside the brain.

    Mean intensities are drawn from `contrast.yaml`, or from ranges given in its place, and
    vary slowly inside each tissue as they do in life.
    """
    ranges = contrasts()[contrast] if isinstance(contrast, str) else contrast
    image = np.zeros(anatomy.texture.shape, np.float32)
    for share, tissue in zip(anatomy.tissues, TISSUES, strict=True):
        mean = rng.uniform(*ranges[tissue])
        slow = slow_field(rng, image.shape, points=5) * (0.05 * mean)
        image += share * (slow + np.float32(mean))
    image += anatomy.texture * np.float32(rng.uniform(*ranges["texture"]))
    image += fine_texture(rng, image.shape, anatomy.spacing) * np.float32(rng.uniform(0.01, 0.04))
    return np.clip(image, 0.02, None) * anatomy.brain


def acquired(
    image: np.ndarray, brain: np.ndarray, spacing: float, how: Acquisition, rng: np.random.Generator
) -> np.ndarray:
    """The scanner's image [z, y, x] float32 of clean intensities, 0 outside the brain."""
    shade = np.exp(how.shading * slow_field(rng, image.shape, points=3))
    sigma = how.blur / spacing
    out = ndimage.gaussian_filter(image * shade, (0, sigma, sigma), mode="nearest")
    slab = round(how.thickness / spacing)
    if slab > 1:
        out = ndimage.uniform_filter1d(out, slab, axis=0, mode="nearest")
    real = out + how.noise * rng.standard_normal(out.shape, np.float32)
    imaginary = how.noise * rng.standard_normal(out.shape, np.float32)
    return np.hypot(real, imaginary) * brain


def slow_field(rng: np.random.Generator, shape: tuple[int, ...], points: int) -> np.ndarray:
    """Smooth random field [z, y, x] float32 with about unit standard deviation."""
    import torch

    coarse = torch.from_numpy(rng.standard_normal((1, 1, points, points, points), np.float32))
    fine = torch.nn.functional.interpolate(
        coarse, size=tuple(shape), mode="trilinear", align_corners=True
    )
    return fine[0, 0].numpy()


def fine_texture(rng: np.random.Generator, shape: tuple[int, ...], spacing: float) -> np.ndarray:
    """Random field with a grain of about 3 mm: tissue is never quite even."""
    points = [max(2, int(n * spacing / 3)) for n in shape]
    import torch

    coarse = torch.from_numpy(rng.standard_normal((1, 1, *points), np.float32))
    fine = torch.nn.functional.interpolate(coarse, size=tuple(shape), mode="trilinear")
    return fine[0, 0].numpy()
