"""Made-up brains with templated reports: where pre-training is shown to learn, without data."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from napari_medad.detectors.recipe import Example
from napari_medad.volumes.orientation import Grid
from napari_medad.volumes.phantom import make_brain
from napari_medad.volumes.volume import Source, Volume

SITES = {
    "left frontal": (-30, 30, 20),
    "right frontal": (30, 30, 20),
    "left parietal": (-30, -50, 20),
    "right parietal": (30, -50, 20),
}
"""Centres of what may be found, mm in the patient's space (right, anterior, superior)."""
STATES = (("normal", None), ("mass", 1.3), ("cyst", 0.05))
"""What a site may be like, and its brightness as a share of the brain's largest. Not 0, which the
released preprocessing takes for background and makes as grey as the brain."""
RADIUS_MM = (15.0, 21.0)
OFF_CENTRE_MM = 4.0
"""How far a finding may lie from its site's centre, in each direction."""
SIZE = 0.5
"""Of the brains, as a share of a person's: resampled to 1 mm in an eighth of the time, they give
the network the same image."""
SMALL: dict[str, Any] = {
    "backbone": "small", "side": 64, "queries": 4, "width": 48, "layers": 2, "heads": 4,
    "feed_forward": 96, "cross_every": 1, "embedding": 32, "dropout": 0.0, "temperature": 0.05,
    "batch_size": 16, "learning_rate": 3e-3, "text_learning_rate": 2e-3, "warm_up": 0.03,
    "precision": "fp32",
}  # fmt: skip
"""Options for so few data: as many views as sites, and as many cells (2 x 2) to look at."""


def scan_with_report(
    seed: int, states: tuple[int, ...], spacing: float = 6.0
) -> tuple[Volume, str]:
    """A T1 with contrast and its structured report: one sentence for each site, in their order.

    What is normal is said, too; else a report that leaves a finding out would fit a scan as well as
    the scan's own, since the similarity is a mean over the sentences. In any order, and worded with
    the state first, the sentences' features came to tell only the states, not the sites.

    Parameters
    ----------
    seed : int
        Of the brain's form, its acquisition, and the findings' places and sizes.
    states : tuple of int
        Which of `STATES`, for every one of `SITES`.
    spacing : float
        mm, before the brain is made smaller.
    """
    rng = np.random.default_rng(seed)
    volume = make_brain(seed, contrasts=("t1c",), spacing=spacing).study.volume()
    array = volume.array.copy()
    where = np.indices(array.shape)[::-1].reshape(3, -1)
    places = volume.affine[:3, :3] @ where + volume.affine[:3, 3:]
    sentences = []
    for (site, centre), state in zip(SITES.items(), states, strict=True):
        name, brightness = STATES[state]
        sentences.append(f"{site.capitalize()} lobe: {name}.")
        if brightness is not None:
            middle = centre + rng.uniform(-OFF_CENTRE_MM, OFF_CENTRE_MM, 3)
            away = np.linalg.norm(places - middle[:, None], axis=0).reshape(array.shape)
            array[away < rng.uniform(*RADIUS_MM)] = round(brightness * int(volume.array.max()))
    affine = np.diag([SIZE, SIZE, SIZE, 1.0]) @ volume.affine
    source = Source(None, Grid(array.shape[::-1], affine))
    return Volume(array, affine, "t1c", source), " ".join(sentences)


def examples(
    learned: int = 54, held_out: int = 27, scans: int = 10, seed: int = 0
) -> list[Example]:
    """Scans with reports; combinations of findings that are held out are never learned from.

    Parameters
    ----------
    learned, held_out : int
        Combinations, 81 together at most.
    scans : int
        Brains with each learned combination; of the others there is one each. No two are the same.
    seed : int
    """
    every = list(product(range(len(STATES)), repeat=len(SITES)))
    drawn = np.random.default_rng(seed).permutation(len(every))[: learned + held_out]
    wanted = [(which, False) for which in drawn[:learned] for _ in range(scans)]
    wanted += [(which, True) for which in drawn[learned:]]
    made = []
    for number, (which, kept) in enumerate(wanted):
        volume, report = scan_with_report(10_000 * seed + number, every[which])
        made.append(Example(volume, report=report, held_out=kept))
    return made
