"""Where healthy scans end: thresholds for each task and polarity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_medad.detectors.detector import Case, SliceBatch
from napari_medad.detectors.device import Device
from napari_medad.detectors.moe.detector import MoeDetector
from napari_medad.detectors.moe.network import MixtureOfExperts
from napari_medad.detectors.moe.samples import TaskVolume
from napari_medad.detectors.moe.settings import MoeArchitecture, MoeSettings
from napari_medad.detectors.moe.text import TextEncoder
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.slices import SlicePlan
from napari_medad.volumes.study import Study

HEALTHY_QUANTILE = 0.998
"""Share of healthy foreground voxels that stay under the threshold."""


def calibrated(
    network: MixtureOfExperts,
    volumes: Sequence[TaskVolume],
    tasks: Sequence[str],
    encoder: TextEncoder,
    architecture: MoeArchitecture,
) -> dict[str, Any]:
    """Thresholds by task and polarity, and the router's table, from normal volumes.

    Returns
    -------
    dict
        `thresholds` {task: {polarity: value}}: the `HEALTHY_QUANTILE` of the map over all
        foreground voxels of the task's volumes; `router` [tasks][experts]:
        mean weights.
    """
    shape = {name: getattr(architecture, name) for name in MoeArchitecture.model_fields}
    samples: dict[tuple[int, str], list[np.ndarray]] = defaultdict(list)
    routed: dict[int, list[np.ndarray]] = defaultdict(list)
    for polarity in ("both", "bright", "dark"):
        detector = MoeDetector.around(
            network, MoeSettings(**shape, polarity=polarity), tasks, encoder, Device()
        )
        for item in volumes:
            anomaly, foreground, weights = _map(detector, item, tasks)
            inside = anomaly[foreground]
            samples[item.task, polarity].append(inside[:: max(1, inside.size // 200_000)])
            routed[item.task].append(weights)
    thresholds: dict[str, dict[str, float]] = defaultdict(dict)
    for (task, polarity), values in samples.items():
        value = np.quantile(np.concatenate(values), HEALTHY_QUANTILE)
        thresholds[tasks[task]][polarity] = float(value)
    router = [
        np.mean(routed[t], axis=0).round(4).tolist() if routed[t] else [] for t in range(len(tasks))
    ]
    return {"thresholds": dict(thresholds), "router": router}


def _map(
    detector: MoeDetector, item: TaskVolume, tasks: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Finished anomaly map, foreground and mean router weights of one volume."""
    foreground = foreground_of(item.volume)
    study = Study.from_volumes("normal", {"image": item.volume})
    case = Case(study, "image", foreground, "axial", tasks[item.task])
    state = detector.prepare(case)
    anomaly = np.zeros(item.volume.array.shape, np.float32)
    plan = SlicePlan.of(foreground, "axial")
    for indices in plan.batches(detector.batch_size):
        batch = SliceBatch(case, plan, indices)
        prediction = detector.predict(batch, state)
        plan.view(anomaly)[indices] = prediction.maps["anomaly"] * batch.foreground
    detector.finish({"anomaly": anomaly}, case, state)
    return anomaly, foreground, np.mean(state.routed, axis=0)
