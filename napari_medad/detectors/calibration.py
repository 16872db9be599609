"""Where healthy scans end: maps of whole normal volumes, while a network is being taught."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from napari_medad.detectors.detector import Case, SliceBatch, SliceDetector
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.slices import SlicePlan
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

HEALTHY_QUANTILE = 0.998
"""Share of healthy foreground voxels that stay under a threshold."""
PER_VOLUME = 200_000
"""Voxels that a volume contributes, about."""


def whole_map(
    detector: SliceDetector, volume: Volume, prompt: str | None = None
) -> tuple[np.ndarray, np.ndarray, Any]:
    """Finished anomaly map and foreground [z, y, x] of a volume, and the detector's state."""
    foreground = foreground_of(volume)
    study = Study.from_volumes("normal", {"image": volume})
    case = Case(study, "image", foreground, "axial", prompt)
    state = detector.prepare(case)
    anomaly = np.zeros(volume.array.shape, np.float32)
    plan = SlicePlan.of(foreground, "axial")
    for indices in plan.batches(detector.batch_size):
        batch = SliceBatch(case, plan, indices)
        prediction = detector.predict(batch, state)
        plan.view(anomaly)[indices] = prediction.maps["anomaly"] * batch.foreground
    detector.finish({"anomaly": anomaly}, case, state)
    return anomaly, foreground, state


def thinned(anomaly: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """Values of the foreground's voxels, evenly thinned to about `PER_VOLUME`."""
    inside = anomaly[foreground]
    return inside[:: max(1, inside.size // PER_VOLUME)]


def healthy_level(values: Iterable[np.ndarray]) -> float:
    """The `HEALTHY_QUANTILE` of the values of several volumes."""
    return float(np.quantile(np.concatenate(list(values)), HEALTHY_QUANTILE))
