"""Corrections of small masks drawn by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_medad.corrections.correction import Correction
from napari_medad.results.detection import Detection
from napari_medad.results.run_record import RunRecord
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume


@pytest.fixture
def detected() -> Callable[..., Detection]:
    """Make a detection that finds what is above 0.5 in an array [z, y, x]."""

    def make(anomaly: np.ndarray, spacing: tuple[float, float, float] = (1, 1, 1)) -> Detection:
        z, y, x = spacing
        volume = Volume(np.zeros(anomaly.shape, np.float32), np.diag([-x, -y, z, 1.0]), "t2f")
        return Detection(
            study=Study("case", {"t2f": volume}, "t2f"),
            detector="moe",
            maps={"anomaly": anomaly.astype(np.float32)},
            slice_scores=anomaly.max(axis=(1, 2)),
            foreground=np.ones(anomaly.shape, bool),
            threshold=0.5,
            minimum_ml=0.0,
            record=RunRecord(case="case", detector="moe", volume="t2f", threshold_value=0.5),
        )

    return make


@pytest.fixture
def correction_of(detected: Callable[..., Detection]) -> Callable[..., Correction]:
    """Make a correction of a mask [z, y, x] bool or of an anomaly map."""

    def make(mask: np.ndarray, spacing: tuple[float, float, float] = (1, 1, 1)) -> Correction:
        return Correction.of(detected(np.asarray(mask, np.float32), spacing))

    return make


@pytest.fixture
def two_cubes() -> np.ndarray:
    """A 3 x 3 x 3 cube (27 voxels) and a 2 x 2 x 2 cube (8 voxels) in 12 x 14 x 16."""
    mask = np.zeros((12, 14, 16), np.float32)
    mask[2:5, 2:5, 2:5] = 0.75
    mask[8:10, 9:11, 10:12] = 1.0
    return mask
