"""Two detectors on the same patients: the difference, its interval and a test."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.stats import wilcoxon

from napari_medad.errors import MedadError
from napari_medad.evaluation.evaluation import TITLES, Evaluation, Policy
from napari_medad.evaluation.intervals import bootstrap_interval


class Difference(BaseModel):
    """One figure of the first less that of the second, patient by patient.

    Attributes
    ----------
    figure : str
    mean : float
    low, high : float or None
        Bootstrap interval of the mean over patients, 95 %.
    p : float or None
        Wilcoxon's signed-rank test, two-sided; None where no patient differs.
    patients : int
        That have the figure in both.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    figure: str
    mean: float
    low: float | None
    high: float | None
    p: float | None
    patients: int


class Comparison(BaseModel):
    """Two evaluations of the same patients.

    Attributes
    ----------
    first, second : str
        Their names.
    policies : tuple of Policy
        Of the first and the second.
    differences : tuple of Difference
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    first: str
    second: str
    policies: tuple[Policy, Policy]
    differences: tuple[Difference, ...]

    def of(self, figure: str) -> Difference | None:
        """The difference of one figure; None where no patient has it in both."""
        return next((held for held in self.differences if held.figure == figure), None)


def compare(first: Evaluation, second: Evaluation, *, seed: int = 0) -> Comparison:
    """Paired differences of every figure that patients of both have.

    Raises
    ------
    MedadError
        If the patients are not the same.
    """
    names = [{patient.patient for patient in held.patients} for held in (first, second)]
    if names[0] != names[1]:
        missing = sorted(names[0] ^ names[1])[0]
        raise MedadError(
            f"{first.name} and {second.name} are not of the same patients: {missing} is in one "
            "alone; measure both on the same."
        )
    order = {patient.patient: row for row, patient in enumerate(second.patients)}
    rows = [order[patient.patient] for patient in first.patients]
    found = (
        _difference(figure, first.values(figure) - second.values(figure)[rows], seed)
        for figure in TITLES
    )
    differences = tuple(difference for difference in found if difference is not None)
    return Comparison(
        first=first.name,
        second=second.name,
        policies=(first.policy, second.policy),
        differences=differences,
    )


def _difference(figure: str, values: np.ndarray, seed: int) -> Difference | None:
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    low = high = p = None
    if known.size > 1:
        low, high = bootstrap_interval(known, seed=seed)
    if np.any(known):
        p = float(wilcoxon(known).pvalue)
    return Difference(
        figure=figure, mean=float(known.mean()), low=low, high=high, p=p, patients=known.size
    )
