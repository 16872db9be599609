"""Made-up brains with templated reports: where pre-training is shown to learn, without data."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from napari_medad.detectors.recipe import Example
from napari_medad.volumes.phantom import make_brain
from napari_medad.volumes.volume import Volume

SITES = {
    "left frontal": (-30, 30, 20),
    "right frontal": (30, 30, 20),
    "left parietal": (-30, -50, 20),
    "right parietal": (30, -50, 20),
}
"""Centres of what may be found, mm in the patient's space (right, anterior, superior)."""
FINDINGS = {
    "There is an enhancing mass in the {site} lobe.": 1.3,
    "There is a cyst in the {site} lobe.": 0.0,
}
"""What may be found, and its brightness as a share of the brain's largest."""
RADIUS_MM = 16.0


def scan_with_report(seed: int, found: tuple[int, ...], spacing: float = 6.0) -> tuple[Volume, str]:
    """A T1 with contrast and its report, whose sentences come in any order.

    Parameters
    ----------
    seed : int
        Of the brain's form, its acquisition and the order of the sentences.
    found : tuple of int
        For every one of `SITES`: 0 for nothing, else the number of one of `FINDINGS`, from 1.
    spacing : float
        mm.
    """
    volume = make_brain(seed, contrasts=("t1c",), spacing=spacing).study.volume()
    array = volume.array.copy()
    where = np.indices(array.shape)[::-1].reshape(3, -1)
    places = volume.affine[:3, :3] @ where + volume.affine[:3, 3:]
    sentences = []
    for (site, centre), kind in zip(SITES.items(), found, strict=True):
        if not kind:
            continue
        text, brightness = list(FINDINGS.items())[kind - 1]
        away = np.linalg.norm(places - np.reshape(centre, (3, 1)), axis=0)
        array[away.reshape(array.shape) < RADIUS_MM] = round(brightness * int(volume.array.max()))
        sentences.append(text.format(site=site))
    np.random.default_rng(seed).shuffle(sentences)
    report = " ".join(sentences) or "There is no lesion."
    return replace(volume, array=array), report


def examples(learned: int = 48, held_out: int = 16, seed: int = 0) -> list[Example]:
    """Scans with reports; no two have the same findings, so held-out combinations are new ones.

    Parameters
    ----------
    learned, held_out : int
        81 together at most.
    seed : int
    """
    every = list(product(range(len(FINDINGS) + 1), repeat=len(SITES)))
    drawn = np.random.default_rng(seed).permutation(len(every))[: learned + held_out]
    made = []
    for number, which in enumerate(drawn):
        volume, report = scan_with_report(1000 * seed + number, every[which])
        made.append(Example(volume, report=report, held_out=number >= learned))
    return made
