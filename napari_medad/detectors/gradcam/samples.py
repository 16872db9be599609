"""Labelled slices to learn from: the user's, or of synthetic patients whose lesions are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_medad.detectors.recipe import Example
from napari_medad.detectors.slice_labels import labels_of
from napari_medad.detectors.training_slices import FramedSlices, cut, usable_slices
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.phantom import make_brain
from napari_medad.volumes.phantom.lesions import lesion_kinds
from napari_medad.volumes.volume import Volume

ABNORMAL_SHARE = 0.005
"""Share of a synthetic slice's brain from which on lesions make it abnormal."""
LESIONS = (1, 3)
"""Kinds of lesion in a synthetic patient, at least and at most."""


@dataclass(frozen=True, eq=False)
class LabelledVolume:
    """A volume, and the label (0 normal, 1 abnormal) of some of its axial slices."""

    volume: Volume
    labels: dict[int, int]


def labelled(examples: Iterable[Example]) -> Iterator[LabelledVolume]:
    """Read the examples one by one."""
    for example in examples:
        study = example.study()
        yield LabelledVolume(study.volume(), labels_of(example, study))


def synthetic_patients(
    seeds: Iterable[int], contrasts: Sequence[str], spacing: float, per_volume: int
) -> Iterator[LabelledVolume]:
    """Synthetic brains, every other one with lesions, one volume a contrast; spacing in mm.

    Slices with a trace of a lesion, less than `ABNORMAL_SHARE`, are left out.
    """
    for seed in seeds:
        rng = np.random.default_rng(seed)
        count = int(rng.integers(LESIONS[0], LESIONS[1] + 1)) if seed % 2 else 0
        kinds = [str(kind) for kind in rng.choice(list(lesion_kinds()), count, replace=False)]
        brain = make_brain(seed, lesions=kinds, contrasts=contrasts, spacing=spacing)
        lesion = (brain.truth > 0).sum(axis=(1, 2))
        for volume in brain.study.volumes.values():
            foreground = foreground_of(volume)
            enough = ABNORMAL_SHARE * foreground.sum(axis=(1, 2))
            chosen = usable_slices(foreground, per_volume)
            clear = chosen[(lesion[chosen] == 0) | (lesion[chosen] >= enough[chosen])]
            yield LabelledVolume(volume, {int(z): int(lesion[z] > 0) for z in clear})


class LabelledSlices(FramedSlices):
    """Framed slices with their labels.

    Parameters
    ----------
    volumes : iterable of LabelledVolume
    size, intensity
        As `cut` takes them.
    vary : bool
        Off for held-out slices.
    """

    def __init__(
        self, volumes: Iterable[LabelledVolume], size: int, intensity: str, *, vary: bool
    ) -> None:
        slices: list[Tensor] = []
        labels: list[int] = []
        for item in volumes:
            chosen = np.array(list(item.labels), int)
            slices.append(cut(item.volume, foreground_of(item.volume), chosen, size, intensity))
            labels += item.labels.values()
        super().__init__(slices, size, vary=vary)
        self.labels = labels

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """`image`, `foreground`, and `label` () of float."""
        label = torch.tensor(float(self.labels[index]))
        return {**super().__getitem__(index), "label": label}
