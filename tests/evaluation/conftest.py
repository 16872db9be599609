"""Evaluations of made-up maps, small and of known truth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_medad.evaluation.evaluation import Evaluation
from napari_medad.evaluation.patients import EvaluationCase, evaluate_cases
from napari_medad.results.run_record import RunRecord

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


AFFINE = np.eye(4)
AFFINE[:3, :3] = Rotation.from_euler("xyz", (8, -5, 12), degrees=True).as_matrix()
AFFINE[:3, :3] *= (-1.9, 2.1, 3.0)
AFFINE[:3, 3] = 30, -20, 5
"""Oblique, anisotropic, flipped."""
SHAPE = (8, 12, 10)


def write_image(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    """A NIfTI file of [z, y, x]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array.T, affine), path)


def patient_files(
    folder: Path,
    name: str,
    *,
    seed: int = 0,
    threshold: float = 0.55,
    detector: str = "moe",
    lesion: bool = True,
    **record: object,
) -> None:
    """A map with its record under `maps`, and a truth with labels 1 and 2 under `truth`."""
    rng = np.random.default_rng(seed)
    truth = np.zeros(SHAPE, np.uint8)
    if lesion:
        truth[2:5, 3:7, 2:6] = 1
        truth[3, 4, 3] = 2
    scores = (rng.uniform(0.1, 0.6, SHAPE) + 0.3 * (truth > 0)).astype(np.float32)
    stem = folder / "maps" / name / f"{name}_{detector}"
    write_image(stem.with_name(f"{stem.name}_anomaly.nii.gz"), scores)
    told = RunRecord(
        detector=detector,
        volume="t2f",
        case=name,
        threshold_value=threshold,
        **record,  # type: ignore[arg-type]
    )
    stem.with_name(f"{stem.name}_record.json").write_text(told.model_dump_json())
    write_image(folder / "truth" / f"{name}-seg.nii.gz", truth)


@pytest.fixture(scope="session")
def write() -> Callable[..., None]:
    """Writes an image."""
    return write_image


@pytest.fixture(scope="session")
def add_patient() -> Callable[..., None]:
    """Writes the files of a patient."""
    return patient_files
