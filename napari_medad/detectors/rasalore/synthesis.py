"""Synthetic brains as training cases: every visit another scan of one of many anatomies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from napari_medad.detectors.rasalore.framing import Framing
from napari_medad.detectors.rasalore.samples import CaseSlices, slices_of
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.phantom.anatomy import Anatomy, make_anatomy
from napari_medad.volumes.phantom.detail import folded
from napari_medad.volumes.phantom.head import with_head
from napari_medad.volumes.phantom.lesions import Lesion, lesion_kinds, plan_lesions
from napari_medad.volumes.phantom.scan import RANDOM, planes_of, scan
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

SPACING = 1.3
"""Of the anatomies, mm; about what a pixel of the network's input is wide."""
APART_MM = 7.0
"""Distance of a scan's slices: neighbours would teach the same."""
WHOLE_MM = 2.6
"""The same of scans that are looked at as a whole."""
HEALTHY_SCANS = 0.25
"""Share of scans without any lesion."""
WHOLE_HEADS = 0.35
"""Share of scans that keep skull, scalp and face."""
FOLDED = 0.8
"""Share of scans with sharp sulci."""
SLICES = 12
"""Slices taken of each scan."""
CONTRASTS = {"t2f": 0.42, "t2w": 0.22, "t1c": 0.2, "t1n": 0.05, RANDOM: 0.11}
"""How often each contrast is drawn where the network does not tell them apart."""
KINDS = {
    "tumour": 0.2,
    "glioma": 0.1,
    "metastases": 0.08,
    "patches": 0.12,
    "confluent": 0.08,
    "bands": 0.22,
    "spots": 0.09,
    "stroke": 0.05,
    "cavity": 0.03,
    "haemorrhage": 0.03,
}
"""How often each kind of lesion is drawn."""
SCATTERED = {"bands": 0.7, "confluent": 0.4, "patches": 0.3}
"""How often small ones of the same disease lie around these."""
BLURRED, BLUR_MM = {True: 0.25, False: 0.05}, (1.5, 4.0)
"""Share of healthy and other scans that are smooth as averages of many scans are, and how much."""
VENTRICLES, UNEVEN = (-0.6, 0.3), 0.5
"""Their size and the difference of the sides, see `make_anatomy`: the old have wide ones."""
LARGEST = 45.0
"""Longest half-axis of a lesion with its oedema, mm."""
HELD_OUT_SEED = 1_000_003


@dataclass(frozen=True, eq=False)
class Patient:
    """An anatomy, kept in half precision, and the lesion that has deformed it, if any."""

    anatomy: Anatomy
    mass: tuple[Lesion, ...]


def make_patient(seed: int) -> Patient:
    """Every other anatomy makes room for a mass."""
    rng = np.random.default_rng(seed)
    kinds = draw_kinds(rng, 1)
    mass: list[Lesion] = []
    if lesion_kinds()[kinds[0]]["mass_effect"]:
        mass = grown_lesions(rng, kinds)
    pushed = tuple((lesion.centre, float(lesion.radii.max())) for lesion in mass)
    anatomy = make_anatomy(rng, SPACING, masses=pushed, ventricles=VENTRICLES, uneven=UNEVEN)
    half = replace(
        anatomy,
        tissues=anatomy.tissues.astype(np.float16),
        texture=anatomy.texture.astype(np.float16),
    )
    return Patient(half, tuple(mass))


def grown_lesions(rng: np.random.Generator, kinds: Sequence[str]) -> list[Lesion]:
    """Lesions of about half to twice the phantom's size: what patients have varies more."""
    factor = 0.6 * (2 / 0.6) ** rng.random()
    scattered = ["spots" for kind in kinds if rng.random() < SCATTERED.get(kind, 0)][:1]
    grown = []
    for lesion in plan_lesions(rng, [*kinds, *scattered]):
        outermost = max(part["reach"] for part in lesion_kinds()[lesion.kind]["parts"])
        most = LARGEST / (outermost * lesion.radii.max())
        grown.append(replace(lesion, radii=lesion.radii * min(factor, most)))
    return grown


def draw_kinds(rng: np.random.Generator, count: int) -> list[str]:
    """Different kinds of lesion, each as often as `KINDS` says."""
    return rng.choice(list(KINDS), count, replace=False, p=list(KINDS.values())).tolist()


class SyntheticCases:
    """Scans made when they are asked for, of patients made beforehand.

    Parameters
    ----------
    scans : int
        In one epoch; held out are an eighth as many, always the same, a third of them healthy.
    patients : sequence of Patient
    modalities : tuple of str
        The network's; with ("any",), each scan comes in one contrast.
    framing : Framing
    seed : int
    held_out : bool
    """

    def __init__(
        self,
        scans: int,
        patients: Sequence[Patient],
        modalities: tuple[str, ...],
        framing: Framing,
        seed: int,
        *,
        held_out: bool,
    ) -> None:
        self.scans = max(4, scans // 8) if held_out else scans
        self.patients = patients
        self.modalities = modalities
        self.framing = framing
        self.seed = seed
        self.held_out = held_out
        self.renewed = not held_out

    def __len__(self) -> int:
        return self.scans

    def open(self, number: int, visit: int = 0) -> CaseSlices:
        """Slices of a new scan, those with a lesion five times as likely as the others."""
        rng = np.random.default_rng([self.seed + HELD_OUT_SEED * self.held_out, number, visit])
        healthy = number % 3 == 0 if self.held_out else rng.random() < HEALTHY_SCANS
        study, truth = self._study(rng, healthy)
        share = foreground_of(study.volume()).mean(axis=(1, 2))
        usable = np.flatnonzero(share > 0.08 * share.max())
        likely = np.where(truth[usable].any(axis=(1, 2)), 5.0, 1.0)
        count = min(SLICES, len(usable))
        wanted = rng.choice(usable, count, replace=False, p=likely / likely.sum())
        return slices_of(
            study, truth, None, framing=self.framing, modalities=self.modalities, wanted=wanted
        )

    def healthy(self, number: int) -> tuple[Study, np.ndarray]:
        """A whole scan without any lesion, and its empty truth [z, y, x]."""
        rng = np.random.default_rng([self.seed + HELD_OUT_SEED * self.held_out, number])
        return self._study(rng, True, WHOLE_MM)

    def _study(
        self, rng: np.random.Generator, healthy: bool, apart_mm: float = APART_MM
    ) -> tuple[Study, np.ndarray]:
        """Every contrast that the network tells apart, or one, and the truth."""
        whole = [p for p in self.patients if not p.mass]
        fitting = whole if healthy and whole else self.patients
        patient = fitting[int(rng.integers(len(fitting)))]
        step = round(apart_mm / SPACING)
        thickness = min(step, int(rng.integers(1, 5))) if rng.random() < 0.5 else 1
        planes = planes_of(patient.anatomy, int(rng.integers(step)), step, thickness)
        lesions = [] if healthy else _lesions(patient, rng)
        names = self.modalities
        if names == ("any",):
            names = tuple(rng.choice(list(CONTRASTS), 1, p=list(CONTRASTS.values())).tolist())
        head, flipped = rng.random() < WHOLE_HEADS, rng.random() < 0.5
        outline = int(rng.integers(2**31))
        blur = rng.uniform(*BLUR_MM) if rng.random() < BLURRED[healthy] else 0.0
        if self.held_out:
            blur = 0.0  # no scanner's: thresholds are not calibrated on them
        shown = folded(planes, rng) if rng.random() < FOLDED else planes
        volumes, truth = {}, np.zeros(0)
        for name in names:
            volume, truth = scan(planes, shown, name, lesions, rng)
            if head:
                volume, truth = with_head(volume, truth, np.random.default_rng(outline))
            volumes[name] = smoothed(curved(volume, rng), blur)
            if flipped:
                volumes[name] = replace(volumes[name], array=volumes[name].array[..., ::-1])
        return Study.from_volumes("synthetic", volumes), truth[..., ::-1] if flipped else truth


def _lesions(patient: Patient, rng: np.random.Generator) -> list[Lesion]:
    """The patient's mass anew, with another outline, or other lesions, or both."""
    lesions = [
        replace(lesion, seed=int(rng.integers(2**31)), roughness=float(rng.uniform(0.08, 0.35)))
        for lesion in patient.mass
    ]
    if not lesions or rng.random() < 0.2:
        lesions += grown_lesions(rng, draw_kinds(rng, 1 + (rng.random() < 0.2)))
    return lesions


def curved(volume: Volume, rng: np.random.Generator) -> Volume:
    """Bend intensities by a random monotone curve: no scanner's grey is another's."""
    array = volume.array.astype(np.float32)
    top = float(np.percentile(array[array > 0], 99.8))
    bent = top * (array / top) ** float(np.exp(rng.uniform(-0.35, 0.35)))
    return replace(volume, array=bent, source=None)


def smoothed(volume: Volume, blur: float) -> Volume:
    """Blur planes by a Gaussian of standard deviation `blur` mm; 0 leaves them."""
    if not blur:
        return volume
    sigma = blur / volume.spacing[1]
    planes = ndimage.gaussian_filter(volume.array.astype(np.float32), (0, sigma, sigma))
    return replace(volume, array=planes, source=None)


def make_patients(
    count: int, seed: int, watched: Callable[[Iterable[int], int], Iterator[int]]
) -> list[Patient]:
    """Patients from consecutive seeds, while the user watches."""
    return [make_patient(seed + number) for number in watched(range(count), count)]
