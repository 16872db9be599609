"""Lesions of several kinds: where they lie, how they look in each contrast, what is true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml
from scipy import ndimage

from napari_medad.errors import MedadError
from napari_medad.volumes.phantom.anatomy import VENTRICLES_RAS, Anatomy, template
from napari_medad.volumes.phantom.lining import lining_distance

EDGE = 0.08
"""Width of a lesion's soft border, in radii."""
REACH = {"periventricular": 18, "ventricle": 6}
"""How far from the ventricles lesions of these places have their centres, mm."""

ABOVE_GREY = (1.06, 1.7)
"""Brightness of white matter's patches in FLAIR and T2, of which they are never below grey
matter's, relative to that."""


@cache
def lesion_kinds() -> dict[str, dict[str, Any]]:
    """Kinds of lesion by name, from lesions.yaml."""
    text = files(__package__).joinpath("lesions.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


@dataclass(frozen=True, eq=False)
class Lesion:
    """One lesion before it is drawn.

    Attributes
    ----------
    kind : str
    centre : ndarray [3]
        RAS mm.
    radii : ndarray [3]
        Half-axes of its ellipsoid in mm.
    roughness : float
        Amplitude of its outline's noise, in radii.
    seed : int
    """

    kind: str
    centre: np.ndarray
    radii: np.ndarray
    roughness: float
    seed: int

    @property
    def reach(self) -> float:
        """How far its outermost part goes, mm."""
        outer = max(part["reach"] for part in lesion_kinds()[self.kind]["parts"])
        return float(outer * self.radii.max() * (1 + 2 * self.roughness))


@dataclass(frozen=True)
class Variety:
    """How much further than their kinds' typical ranges lesions go, for a network to learn.

    Borders are then soft or sharp, insides uneven, and most lesions stay on their side.

    Attributes
    ----------
    faintest : float
        0..1; each lesion keeps between this share and all of its contrast.
    brightest : float
        From 1; brightness beyond white matter is up to so many times as much: enhancement and
        oedema vary more between scanners than between patients.
    ragged : float
        From 0; how far noise moves the borders between a lesion's parts, in radii.
    grain : float
        Largest standard deviation of a part's own grain, relative to its mean.
    alike : float
        0..1; in how many patients all lesions of one family are about equally bright.
    """

    faintest: float = 1.0
    brightest: float = 1.0
    ragged: float = 0.0
    grain: float = 0.1
    alike: float = 0.0


def plan_lesions(rng: np.random.Generator, kinds: Sequence[str]) -> list[Lesion]:
    """Draw number, places and sizes of lesions of the given kinds.

    Raises
    ------
    MedadError
        If a kind is unknown.
    """
    planned = []
    for kind in kinds:
        if kind not in lesion_kinds():
            raise MedadError(
                f"There is no kind of lesion '{kind}'; there are: {', '.join(lesion_kinds())}."
            )
        about = lesion_kinds()[kind]
        for _ in range(int(rng.integers(about["count"][0], about["count"][1] + 1))):
            low, high = about["radius"]
            radius = low * (high / low) ** rng.random()
            planned.append(
                Lesion(
                    kind,
                    _place(rng, about["place"]),
                    radius * rng.uniform(0.6, 1.0, 3),
                    float(rng.uniform(0.08, 0.3)),
                    int(rng.integers(2**31)),
                )
            )
    return planned


def draw_lesions(
    lesions: Sequence[Lesion],
    anatomy: Anatomy,
    images: dict[str, np.ndarray],
    variety: Variety | None = None,
) -> np.ndarray:
    """Draw lesions into clean images, in place.

    Parameters
    ----------
    images : dict of str to ndarray [z, y, x]
        Clean images by contrast; white matter near 1. In a contrast that `lesions.yaml` does
        not know, lesions are brighter or darker than what is under them.
    variety : Variety, optional
        Default: typical lesions.

    Returns
    -------
    truth : ndarray [z, y, x] uint8
        0 healthy; 1 + index of the part (1 innermost) elsewhere.
    """
    truth = np.zeros(anatomy.texture.shape, np.uint8)
    families: dict[str, _Look] = {}
    grey = _grey_matter(anatomy, images) if variety else {}
    for lesion in lesions:
        rng = np.random.default_rng(lesion.seed)
        about = lesion_kinds()[lesion.kind]
        lines = about.get("shape") == "lining"
        box = (slice(None),) * 3 if lines else _box(lesion, anatomy)
        if box is None:
            continue
        if lines:
            distance = lining_distance(anatomy, float(lesion.radii.max()), rng)
        else:
            distance = _distance(lesion, anatomy, box, rng)
        inside = anatomy.brain[box] & _not_ventricle(anatomy, box)
        parts = about["parts"]
        look = _Look.draw(variety, lesion, anatomy, rng)
        if variety and "family" in about:
            look = look.smooth(grey, rng)
            look = look.like(families.setdefault(about["family"], look.named(variety, rng)), rng)
        if variety and not lines:
            inside = inside * _own_side(lesion, anatomy, box)
        for level, part in reversed(list(enumerate(parts, start=1))):
            moved = look.moved(distance, rng) if level < len(parts) else distance
            weight = np.clip((part["reach"] - moved) / EDGE + 0.5, 0, 1) * inside
            if "only" in part:
                share = anatomy.tissues[("gm", "wm", "csf").index(part["only"])][box]
                weight *= np.clip((share - 0.3) / 0.3, 0, 1)
            shown = look.uneven(weight, rng) if variety else weight
            _paint(images, box, shown, part, look, rng)
            truth[box][weight * part["blend"] > 0.4] = level
    return truth


@dataclass(frozen=True)
class _Look:
    """How one lesion departs from its kind."""

    strength: float = 1.0
    gain: float = 1.0
    soft: float = 0.0
    ragged: float = 0.0
    scale: float = 1.0
    grain: tuple[float, float] = (0.02, 0.1)
    grain_scale: float = 1.5
    patchy: float = 0.25
    level: float | None = None
    """Where in a part's range its intensity lies, 0..1; None: drawn for each part."""
    grey: Mapping[str, float] = field(default_factory=dict)
    """Intensity of grey matter by contrast, for lesions that are brighter than it."""

    @classmethod
    def draw(
        cls, variety: Variety | None, lesion: Lesion, anatomy: Anatomy, rng: np.random.Generator
    ) -> _Look:
        if variety is None:
            return cls()
        widest = min(3.0, 0.2 * float(lesion.radii.min()) / anatomy.spacing)
        coarse = float(rng.uniform(0.02, variety.grain))
        return cls(
            strength=rng.uniform(variety.faintest, 1.0),
            gain=variety.brightest ** rng.uniform(-0.4, 1.0),
            soft=rng.uniform(0, widest) * (rng.random() < 0.5),
            ragged=rng.uniform(0, variety.ragged),
            scale=rng.uniform(1.0, 3.0),
            grain=(0.5 * coarse, coarse),
            grain_scale=rng.uniform(0.6, 2.5),
        )

    def smooth(self, grey: Mapping[str, float], rng: np.random.Generator) -> _Look:
        """As it is, but even inside, and of its own brightness relative to grey matter."""
        grain = float(rng.uniform(0.02, 0.1))
        return replace(
            self,
            strength=rng.uniform(0.85, 1.0),
            grain=(0.5 * grain, grain),
            patchy=0.08,
            grey=grey,
        )

    def named(self, variety: Variety, rng: np.random.Generator) -> _Look:
        """The look of a family that begins with this one: alike as often as `variety` says."""
        return replace(self, level=rng.random()) if rng.random() < variety.alike else self

    def like(self, family: _Look, rng: np.random.Generator) -> _Look:
        """Its own look, about as bright as the family where that has one brightness."""
        if family.level is None:
            return self
        return replace(self, gain=family.gain, level=family.level)

    def drawn(self, rng: np.random.Generator) -> float:
        """Where in a range this part's intensity lies, 0..1."""
        return rng.random() if self.level is None else self.level

    def moved(self, distance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Distances to a border that noise has moved."""
        if not self.ragged:
            return distance
        return distance + self.ragged * _noise(distance.shape, self.scale, rng)

    def uneven(self, weight: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A weight with this look's border and strength, and patches where it is weaker."""
        patches = rng.uniform(0, self.patchy) * _noise(weight.shape, (0, 4, 4), rng)
        border = ndimage.gaussian_filter(weight, (0, self.soft, self.soft))
        return border * np.clip(1 - np.abs(patches), 0.2, 1) * np.float32(self.strength)


def _noise(
    shape: tuple[int, ...], scale: float | tuple[float, ...], rng: np.random.Generator
) -> np.ndarray:
    """Noise of standard deviation 1, smooth over `scale` voxels."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), scale)
    return noise / max(float(noise.std()), 1e-6)


def _paint(
    images: dict[str, np.ndarray],
    box: tuple[slice, ...],
    weight: np.ndarray,
    part: dict[str, Any],
    look: _Look,
    rng: np.random.Generator,
) -> None:
    """Blend one part into every contrast, with a grain of its own.

    What is brighter than white matter is so `look.gain` times as much.
    """
    grain = _noise(weight.shape, look.grain_scale, rng)
    for contrast, image in images.items():
        low, high = part.get(contrast) or _standing_out(image[box], weight, look.drawn(rng))
        mean = low + (high - low) * look.drawn(rng)
        if contrast in part and mean > 1:
            mean = 1 + look.gain * (mean - 1)
            if contrast in look.grey:
                least, most = ABOVE_GREY
                mean = look.grey[contrast] * least * (most / least) ** look.drawn(rng)
        value = mean * np.clip(1 + rng.uniform(*look.grain) * grain, 0.2, None)
        blend = weight * (part["blend"] * rng.uniform(0.9, 1.0))
        image[box] = image[box] * (1 - blend) + value * blend


def _grey_matter(anatomy: Anatomy, images: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Median intensity of grey matter by contrast."""
    inside = anatomy.tissues[0] > 0.7
    if not inside.any():
        return {}
    return {contrast: float(np.median(image[inside])) for contrast, image in images.items()}


def _standing_out(image: np.ndarray, weight: np.ndarray, drawn: float) -> tuple[float, float]:
    """Intensities from 1.25 to 2.2 times, or from 0.2 to 0.75 of, what is under a lesion."""
    under = float((image * weight).sum() / max(float(weight.sum()), 1e-6))
    low, high = (1.25, 2.2) if drawn < 0.6 else (0.2, 0.75)
    return low * under, high * under


def _place(rng: np.random.Generator, where: str) -> np.ndarray:
    """A point of the template, RAS mm, in the wanted tissue and away from the brain's base."""
    points = _candidates(where)
    return points[rng.integers(len(points))] + rng.uniform(-0.5, 0.5, 3)


@cache
def _candidates(where: str) -> np.ndarray:
    channels, affine = template()
    gm, wm, csf = channels[:3]
    allowed = {
        "gm": gm > 0.6,
        "wm": wm > 0.7,
        "brain": (gm + wm) > 0.8,
        "periventricular": wm > 0.7,
        "ventricle": wm > 0.5,
    }[where]
    zyx = np.argwhere(allowed[::2, ::2, ::2]) * 2
    ras = zyx[:, ::-1] @ affine[:3, :3].T + affine[:3, 3]
    keep = ras[:, 2] > -40
    if where in REACH:
        ventricle = ndimage.binary_opening(csf > 0.7, iterations=2)
        near = ndimage.distance_transform_edt(~ventricle)[tuple(zyx.T)] < REACH[where]
        keep &= near & (np.abs(ras[:, 2] - VENTRICLES_RAS[2]) < 32)
    return ras[keep].astype(np.float32)


def _box(lesion: Lesion, anatomy: Anatomy) -> tuple[slice, ...] | None:
    centre = np.linalg.inv(anatomy.affine) @ np.append(lesion.centre, 1)
    half = int(np.ceil(lesion.reach / anatomy.spacing)) + 2
    box = []
    for middle, size in zip(centre[2::-1], anatomy.texture.shape, strict=True):
        low, high = max(0, round(middle) - half), min(size, round(middle) + half + 1)
        if high <= low:
            return None
        box.append(slice(low, high))
    return tuple(box)


def _distance(
    lesion: Lesion, anatomy: Anatomy, box: tuple[slice, ...], rng: np.random.Generator
) -> np.ndarray:
    """Distance from the lesion's centre in its own rough radii; 1 at its outline."""
    axes = [
        np.arange(span.start, span.stop) * anatomy.affine[axis, axis] + anatomy.affine[axis, 3]
        for span, axis in zip(box, (2, 1, 0), strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    offset = np.stack([x, y, z], -1) - lesion.centre
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    radius = np.sqrt(((offset @ turn / lesion.radii) ** 2).sum(-1))
    grain = max(1.0, 0.35 * lesion.radii.min() / anatomy.spacing)
    noise = ndimage.gaussian_filter(rng.standard_normal(radius.shape), grain)
    noise /= max(float(noise.std()), 1e-6)
    return radius * (1 + lesion.roughness * noise)


def _own_side(lesion: Lesion, anatomy: Anatomy, box: tuple[slice, ...]) -> np.ndarray:
    """1 on the lesion's side of the falx, falling to 0 some mm past it; most never cross it."""
    x = np.arange(box[2].start, box[2].stop) * anatomy.affine[0, 0] + anatomy.affine[0, 3]
    beyond = -x * np.sign(lesion.centre[0])
    past = max(4.0, 8.0 - abs(float(lesion.centre[0])))
    return np.clip((past - beyond) / 3 + 1, 0, 1)


def _not_ventricle(anatomy: Anatomy, box: tuple[slice, ...]) -> np.ndarray:
    """Lesions grow in tissue: fluid stays fluid."""
    return anatomy.tissues[2][box] < 0.6
