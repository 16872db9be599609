"""Where training slices come from: the user's scans with weak masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_medad.detectors.example_masks import importance_of, on_grid
from napari_medad.detectors.rasalore.framing import Framing
from napari_medad.detectors.rasalore.samples import CaseSlices, slices_of
from napari_medad.detectors.recipe import Example
from napari_medad.errors import MedadError
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.study import Study

ABNORMAL_SHARE = 200 / 240**2
"""Share of a slice that its mask must cover for the slice to teach (paper: 200 of 240 x 240)."""


class Cases:
    """The user's examples, opened one by one.

    Parameters
    ----------
    examples : sequence of Example
    modalities : tuple of str
    framing : Framing
    healthy_share : float
        Healthy slices for each abnormal one; of wholly healthy scans, slices per slice.
    held_out : bool
        Which of them to open.
    """

    renewed = False

    def __init__(
        self,
        examples: Sequence[Example],
        modalities: tuple[str, ...],
        framing: Framing,
        healthy_share: float,
        *,
        held_out: bool,
    ) -> None:
        self.examples = [e for e in examples if e.held_out == held_out]
        self.modalities = modalities
        self.framing = framing
        self.healthy_share = healthy_share

    def __len__(self) -> int:
        return len(self.examples)

    def open(self, number: int, visit: int = 0) -> CaseSlices | None:
        """The slices of one case, or None where it has nothing to teach.

        Raises
        ------
        MedadError
            If an abnormal image has no mask, a mask is on another grid, or a label is of a
            slice that is not there.
        """
        example = self.examples[number]
        study = example.study()
        weak = _mask(example, example.mask, study)
        refined = None if example.refined is None else _mask(example, example.refined, study)
        importance = importance_of(example, study)
        wanted = self._wanted(example, study, weak, importance)
        if not len(wanted):
            return None
        return slices_of(
            study,
            weak,
            refined,
            framing=self.framing,
            modalities=self.modalities,
            wanted=wanted,
            importance=importance,
        )

    def _wanted(
        self, example: Example, study: Study, weak: np.ndarray, importance: np.ndarray | None
    ) -> np.ndarray:
        """Abnormal slices and those that a person looked at, and a share of healthy ones."""
        share = weak.mean(axis=(1, 2))
        labels = dict(example.slices or {})
        beyond = next((z for z in labels if not 0 <= z < len(weak)), None)
        if beyond is not None:
            raise MedadError(
                f"{study.name} has a label for slice {beyond}, but only slices 0 to "
                f"{len(weak) - 1}; correct the label."
            )
        normal = np.array([labels.get(z, 1) == 0 for z in range(len(weak))])
        inside = foreground_of(study.volume()).any(axis=(1, 2))
        looked_at = np.zeros(len(weak), bool)
        if importance is not None:
            looked_at = importance.max(axis=(1, 2)) > 1
        abnormal = np.flatnonzero((share >= ABNORMAL_SHARE) & ~normal | looked_at & inside)
        healthy = np.flatnonzero(inside & (normal | (share == 0)) & ~looked_at)
        count = round(self.healthy_share * (len(abnormal) or len(healthy)))
        even = np.linspace(0, len(healthy) - 1, min(count, len(healthy))).round().astype(int)
        return np.concatenate([abnormal, healthy[even]])


def healthy_slices(example: Example, study: Study) -> tuple[np.ndarray, bool]:
    """Which axial slices [z] bool are known to be healthy, and whether the scan has a lesion.

    Slices labelled normal, where slices are labelled; else those that the mask leaves empty.
    """
    empty = np.array([not plane.any() for plane in truth_of(example, study)])
    labels = example.slices or {}
    normal = np.array([labels.get(z, 1) == 0 if labels else True for z in range(len(empty))])
    healthy: np.ndarray = normal & empty
    return healthy, not empty.all() or any(labels.values())


def truth_of(example: Example, study: Study) -> np.ndarray:
    """The example's mask [z, y, x] bool on the study's grid; empty for a normal image.

    Raises
    ------
    MedadError
        If an abnormal image has no mask, or the mask is on another grid.
    """
    return _mask(example, example.mask, study)


def _mask(example: Example, mask: Path | np.ndarray | None, study: Study) -> np.ndarray:
    """The mask on the study's grid; empty for a normal image."""
    volume = study.volume()
    if mask is None:
        abnormal = example.label != 0 or any((example.slices or {}).values())
        if abnormal:
            raise MedadError(
                f"{study.name} is abnormal but has no mask; make weak masks with a detector "
                "trained on slice labels (ddpt), or paint some."
            )
        return np.zeros(volume.array.shape, bool)
    return on_grid(mask, study, "mask") > 0
