"""Synthetic brains as training cases: every visit another patient, another scanner."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from napari_medad.detectors.rasalore.framing import Framing
from napari_medad.detectors.rasalore.samples import CaseSlices, slices_of
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.phantom import Phantom, make_brain
from napari_medad.volumes.phantom.lesions import lesion_kinds
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

HEALTHY_BRAINS = 0.25
"""Share of brains without any lesion."""
WHOLE_HEADS = 0.3
"""Share of scans that keep skull and scalp."""
SLICES = 8
"""Slices taken of each contrast of a brain."""
HELD_OUT_SEED = 1_000_003


class SyntheticCases:
    """Brains made when they are asked for.

    Parameters
    ----------
    count : int
        Brains in one epoch; a quarter as many are held out.
    modalities : tuple of str
        The network's; with ("any",) each slice comes in one contrast of the four.
    framing : Framing
    seed : int
    held_out : bool
        Held-out brains are others than those to learn from, half of them healthy, and
        always the same.
    """

    def __init__(
        self,
        count: int,
        modalities: tuple[str, ...],
        framing: Framing,
        seed: int,
        *,
        held_out: bool,
    ) -> None:
        self.count = max(4, count // 4) if held_out else count
        self.modalities = modalities
        self.framing = framing
        self.seed = seed
        self.held_out = held_out
        self.renewed = not held_out

    def __len__(self) -> int:
        return self.count

    def open(self, number: int, visit: int = 0) -> CaseSlices:
        """Slices of a new brain, those with a lesion twice as likely as the others."""
        rng = np.random.default_rng([self.seed + HELD_OUT_SEED * self.held_out, number, visit])
        healthy = number % 2 == 0 if self.held_out else rng.random() < HEALTHY_BRAINS
        kinds = list(lesion_kinds())
        chosen = [] if healthy else rng.choice(kinds, rng.integers(1, 3), replace=False).tolist()
        brain = make_brain(
            int(rng.integers(2**31)), lesions=chosen, spacing=float(rng.uniform(1.4, 2.0))
        )
        brain = _every_third_slice(brain, int(rng.integers(3)))
        return _joined([self._slices(one, brain, rng) for one in self._studies(brain, rng)])

    def _studies(self, brain: Phantom, rng: np.random.Generator) -> list[Study]:
        """The study, or one for each contrast where the network does not tell them apart."""
        head = rng.random() < WHOLE_HEADS
        volumes = {
            name: with_head(volume, rng) if head else volume
            for name, volume in brain.study.volumes.items()
        }
        volumes = {name: curved(volume, rng) for name, volume in volumes.items()}
        if self.modalities != ("any",):
            return [Study.from_volumes("synthetic", volumes)]
        return [Study.from_volumes(name, {name: v}) for name, v in volumes.items()]

    def _slices(self, study: Study, brain: Phantom, rng: np.random.Generator) -> CaseSlices:
        truth = _on(study, brain)
        share = foreground_of(study.volume()).mean(axis=(1, 2))
        usable = np.flatnonzero(share > 0.08 * share.max())
        likely = np.where(truth[usable].any(axis=(1, 2)), 2.0, 1.0)
        wanted = rng.choice(usable, SLICES, replace=False, p=likely / likely.sum())
        return slices_of(
            study,
            truth,
            None,
            framing=self.framing,
            modalities=self.modalities,
            wanted=wanted,
        )


def _every_third_slice(brain: Phantom, first: int) -> Phantom:
    """Slices 4 to 6 mm apart: neighbours would teach the same."""
    volumes = {}
    for name, volume in brain.study.volumes.items():
        affine = volume.affine @ np.diag([1.0, 1.0, 3.0, 1.0])
        affine[:3, 3] += volume.affine[:3, 2] * first
        volumes[name] = Volume(volume.array[first::3], affine, name)
    return replace(
        brain,
        study=Study.from_volumes(brain.study.name, volumes),
        truth=brain.truth[first::3],
    )


def with_head(volume: Volume, rng: np.random.Generator) -> Volume:
    """Put a dark skull and a bright scalp around a stripped brain."""
    array = volume.array.astype(np.float32)
    brain = array > 0
    spacing = volume.spacing[1]
    pad = int(np.ceil(22 / spacing))
    padded = np.pad(array, ((0, 0), (pad, pad), (pad, pad)))
    outside = np.stack([ndimage.distance_transform_edt(~plane) for plane in padded > 0]) * spacing
    outside[~brain.any(axis=(1, 2))] = np.inf
    typical = float(np.median(array[brain]))
    skull, scalp = rng.uniform(3, 9), rng.uniform(3, 9)
    bone = typical * rng.uniform(0.02, 0.3)
    skin = typical * rng.uniform(0.6, 2.2)
    grain = 1 + 0.25 * ndimage.gaussian_filter(rng.standard_normal(padded.shape), 1.5) / 0.15
    around = np.where(outside < skull, bone, skin * np.clip(grain, 0.2, 2))
    head = np.where(padded > 0, padded, np.where(outside < skull + scalp, around, 0))
    affine = volume.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ np.array([pad, pad, 0])
    return Volume(np.rint(head).astype(np.int16), affine, volume.modality)


def curved(volume: Volume, rng: np.random.Generator) -> Volume:
    """Bend intensities by a random monotone curve: no scanner's grey is another's."""
    array = volume.array.astype(np.float32)
    top = float(np.percentile(array[array > 0], 99.8))
    bent = top * (array / top) ** float(np.exp(rng.uniform(-0.35, 0.35)))
    return replace(volume, array=bent, source=None)


def _on(study: Study, brain: Phantom) -> np.ndarray:
    """The brain's truth on the study's grid, which a head may have made wider."""
    wide, narrow = study.volume().array.shape, brain.truth.shape
    pads = [((w - n) // 2, (w - n) // 2) for w, n in zip(wide, narrow)]
    return np.pad(brain.truth > 0, pads)


def _joined(parts: list[CaseSlices]) -> CaseSlices:
    return CaseSlices(
        np.concatenate([p.images for p in parts]),
        parts[0].present,
        np.concatenate([p.weak for p in parts]),
        np.concatenate([p.refined for p in parts]),
    )
