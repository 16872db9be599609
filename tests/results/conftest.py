"""A small study and detections made by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_medad.results.detection import Detection
from napari_medad.results.run_record import RunRecord
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

Make = Callable[..., Detection]


@pytest.fixture
def volume() -> Volume:
    """12 x 10 x 8 voxels (z, y, x) of 3 x 2 x 1 mm; the first voxel lies at RAS (10, 20, -30)."""
    affine = np.diag([-1.0, -2.0, 3.0, 1.0])
    affine[:3, 3] = 10, 20, -30
    return Volume(np.zeros((12, 10, 8), np.float32), affine, "t2f")


@pytest.fixture
def detection_of() -> Make:
    """Make a detection from a volume and its anomaly map."""

    def make(
        volume: Volume,
        anomaly: np.ndarray,
        threshold: float = 0.5,
        path: Path | None = None,
        **maps: np.ndarray,
    ) -> Detection:
        study = Study.from_volumes("case", {"t2f": volume}, path=path)
        scores = anomaly.mean(axis=(1, 2)).astype(np.float32)
        scores[0] = np.nan
        record = RunRecord(detector="moe", volume="t2f", threshold_value=threshold)
        maps = {"anomaly": anomaly, **maps}
        everywhere = np.ones(anomaly.shape, bool)
        return Detection(study, "moe", maps, scores, everywhere, threshold, 0.0, record)

    return make
