"""Where healthy scans end: thresholds for each task and polarity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_medad.detectors.calibration import healthy_level, thinned, whole_map
from napari_medad.detectors.device import Device
from napari_medad.detectors.moe.detector import MoeDetector
from napari_medad.detectors.moe.network import MixtureOfExperts
from napari_medad.detectors.moe.samples import TaskVolume
from napari_medad.detectors.moe.settings import MoeArchitecture, MoeSettings
from napari_medad.detectors.moe.text import TextEncoder


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
            anomaly, foreground, state = whole_map(detector, item.volume, tasks[item.task])
            samples[item.task, polarity].append(thinned(anomaly, foreground))
            routed[item.task].append(np.mean(state.routed, axis=0))
    thresholds: dict[str, dict[str, float]] = defaultdict(dict)
    for (task, polarity), values in samples.items():
        thresholds[tasks[task]][polarity] = healthy_level(values)
    router = [
        np.mean(routed[t], axis=0).round(4).tolist() if routed[t] else [] for t in range(len(tasks))
    ]
    return {"thresholds": dict(thresholds), "router": router}
