"""Evaluations of made-up maps, small and of known truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_medad.evaluation.evaluation import Evaluation
from napari_medad.evaluation.patients import EvaluationCase, evaluate_cases

SPACING = (2.0, 1.0, 0.5)


def made_case(patient: int, *, lift: float = 0.3, lesion: bool = True) -> EvaluationCase:
    """A lesion of a size that grows with the number of the patient, in noise."""
    rng = np.random.default_rng(patient)
    truth = np.zeros((8, 10, 12), bool)
    if lesion:
        truth[2 : 4 + patient % 4, 3:7, 4 : 6 + patient % 4] = True
    scores = (rng.uniform(0.1, 0.6, truth.shape) + lift * truth).astype(np.float32)
    return EvaluationCase(f"p{patient}", scores, truth, SPACING)


@pytest.fixture(scope="session")
def made() -> Callable[..., Evaluation]:
    """Makes an evaluation: its name, how bright lesions are, and options of `evaluate_cases`."""

    def make(name: str = "moe", lift: float = 0.3, count: int = 6, **options: object) -> Evaluation:
        if not options.get("policy"):
            options = {"threshold": 0.55, **options}
        return evaluate_cases(
            name,
            lambda: (made_case(n, lift=lift) for n in range(count)),
            surface=False,
            **options,  # type: ignore[arg-type]
        )

    return make
