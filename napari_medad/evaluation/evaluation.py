"""What an evaluation says: figures of every patient, and of all voxels together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict

from napari_medad.evaluation.image_level import ImageMetrics

Policy = Literal["fixed", "validation", "run", "test pool", "each volume"]
"""Where the threshold comes from: one number chosen beforehand; the best F1 on other patients; each
run's own, as its record says, found without the truth. "test pool" and "each volume" have seen the
truth: oracles."""
POLICIES: tuple[Policy, ...] = get_args(Policy)
ORACLES: tuple[Policy, ...] = ("test pool", "each volume")
POLICY_TEXTS: dict[Policy, str] = {
    "fixed": "a fixed threshold",
    "validation": "F1-optimal on other patients",
    "run": "each run's own threshold",
    "test pool": "ORACLE: F1-optimal on these patients",
    "each volume": "ORACLE: F1-optimal on each volume",
}
"""What a reader is told of each policy; an oracle's says that it is one."""
POLICY_NAMES: dict[Policy, str] = {
    "fixed": "fixed",
    "validation": "validation",
    "run": "run",
    "test pool": "oracle, pool",
    "each volume": "oracle, volume",
}
"""The same, for narrow columns and legends."""

TITLES = {
    "dice": "Dice 3D",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "PPV",
    "lesion_dice": "Dice per lesion",
    "lesion_recall": "Lesion recall",
    "false_positives": "False positives per volume",
    "hausdorff95_mm": "Hausdorff 95 (mm)",
    "surface_dice": "Surface Dice",
}
"""Figures of a patient that are averaged over patients, as tables and plots call them."""
HIGHER_IS_WORSE = ("false_positives", "hausdorff95_mm")
POOLED_TITLES = {
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "f1_max": "F1-max (oracle)",
    "pro": "PRO",
}
"""Figures of all voxels together; the best F1 of any threshold has seen the truth."""


class SliceFigures(BaseModel):
    """One axial slice that has lesion voxels.

    Attributes
    ----------
    z : int
    distance : float
        From the middle of the brain's extent along z: -1 inferior end, +1 superior end.
    lesion_mm2 : float
    dice : float
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    z: int
    distance: float
    lesion_mm2: float
    dice: float


class PatientFigures(BaseModel):
    """One volume at its threshold; None where a figure is not defined.

    Attributes
    ----------
    patient : str
    threshold : float
        Voxels with a score at or above it are found.
    lesion_ml : float
        Of the truth.
    dice, sensitivity, specificity, ppv : float or None
        Over the counted voxels.
    lesion_dice, lesion_recall : float or None
        Over the lesions, each a 26-connected component of the truth.
    lesions, false_positives : int
        Lesions of the truth; found components that touch none.
    hausdorff95_mm, surface_dice : float or None
    image_score : float
        The highest score.
    slices : tuple of SliceFigures
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    patient: str
    threshold: float
    lesion_ml: float
    dice: float | None = None
    sensitivity: float | None = None
    specificity: float | None = None
    ppv: float | None = None
    lesion_dice: float | None = None
    lesion_recall: float | None = None
    lesions: int = 0
    false_positives: int = 0
    hausdorff95_mm: float | None = None
    surface_dice: float | None = None
    image_score: float = 0.0
    slices: tuple[SliceFigures, ...] = ()


class PooledFigures(BaseModel):
    """All counted voxels of all patients together; None without both kinds of voxels.

    Attributes
    ----------
    voxels, lesion_voxels : int
    auroc, average_precision, f1_max, f1_max_threshold, pro : float or None
    roc : tuple of (float, float)
        False-positive and true-positive rate, at most a few hundred points, for a plot.
    precision_recall : tuple of (float, float)
        Recall and precision, likewise.
    score_edges, normal_counts, lesion_counts : tuple
        Histogram of the scores of voxels without and with a lesion.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    voxels: int
    lesion_voxels: int
    auroc: float | None = None
    average_precision: float | None = None
    f1_max: float | None = None
    f1_max_threshold: float | None = None
    pro: float | None = None
    roc: tuple[tuple[float, float], ...] = ()
    precision_recall: tuple[tuple[float, float], ...] = ()
    score_edges: tuple[float, ...] = ()
    normal_counts: tuple[int, ...] = ()
    lesion_counts: tuple[int, ...] = ()


class Spread(BaseModel):
    """A figure over patients.

    Attributes
    ----------
    mean, sd : float or None
        `sd` is the sample's (ddof 1); None for fewer than two patients.
    low, high : float or None
        Bootstrap interval of the mean over patients, 95 %.
    patients, undefined : int
        Those that have the figure, and those that do not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    mean: float | None
    sd: float | None
    low: float | None = None
    high: float | None = None
    patients: int
    undefined: int


class Evaluation(BaseModel):
    """A detector's maps against the truth.

    Attributes
    ----------
    name : str
        Of the detector, or what tells it from others in a figure.
    policy : Policy
    patients : tuple of PatientFigures
    pooled : PooledFigures
    spreads : mapping of str to Spread
        By the name of a figure of `PatientFigures`.
    images : ImageMetrics or None
        Volumes with a lesion told from those without by their highest scores.
    notes : tuple of str
        What a reader must know, as choices where the protocol is silent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    policy: Policy
    patients: tuple[PatientFigures, ...]
    pooled: PooledFigures
    spreads: dict[str, Spread]
    images: ImageMetrics | None = None
    notes: tuple[str, ...] = ()

    @property
    def oracle(self) -> bool:
        """Whether the threshold was chosen with a look at the truth it is measured on."""
        return self.policy in ORACLES

    @property
    def policy_text(self) -> str:
        """The policy as a reader is told it; an oracle's says that it is one."""
        return POLICY_TEXTS[self.policy]

    @property
    def policy_name(self) -> str:
        """The policy in two words; an oracle's says that it is one."""
        return POLICY_NAMES[self.policy]

    def values(self, figure: str) -> np.ndarray:
        """A figure of each patient, [patients] float, NaN where it is not defined."""
        held = (getattr(patient, figure) for patient in self.patients)
        return np.array([np.nan if value is None else value for value in held], float)


def once_each(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """The first evaluation of each detector, for what does not depend on the policy."""
    return list({held.name: held for held in reversed(evaluations)}.values())[::-1]
