"""The threshold of the maps, set by whole scans of which it is known where they are healthy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.metrics import precision_recall_curve

from napari_medad.detectors.rasalore.edges import follow_edges
from napari_medad.detectors.rasalore.framing import Framing, boxes_of, crop, paste
from napari_medad.detectors.rasalore.network import SIZE, Rasalore
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

BATCH = 8
HEALTHY_QUANTILE = 0.995
"""Share of a healthy scan's foreground that the threshold leaves unmarked."""
SCANS_QUANTILE = 0.8
"""Share of the scans in which that must hold."""
LOWEST = {False: 0.5, True: 0.25}
"""The lowest threshold; of maps that follow edges, which averages, a lower one."""


class WholeScan(NamedTuple):
    """A scan, its healthy slices [z] bool, and whether it has a lesion elsewhere."""

    study: Study
    healthy: Any
    ill: bool


def threshold_facts(
    network: Rasalore, framing: Framing, modalities: Sequence[str], scans: Iterable[WholeScan]
) -> dict[str, Any]:
    """Threshold above which at most 0.5 % of the healthy slices of four in five scans lies.

    Scans are looked at as in a detection. Of fewer than six the worst decides: one kind of scan
    with many false alarms must not hide behind many with none. Scans without any lesion decide
    alone where there are some: a slice beside a lesion may show its faint margin.

    Returns
    -------
    dict
        `healthy_slices`, and `threshold` where there are some.
    """
    limits: dict[bool, list[float]] = {False: [], True: []}
    slices = 0
    with torch.inference_mode():
        for study, healthy, ill in scans:
            foreground = foreground_of(study.volume())
            healthy = healthy & foreground.any(axis=(1, 2))
            slices += int(healthy.sum())
            for branch, modality in enumerate(modalities):
                name = study.reference if modality == "any" else modality
                if name in study.volumes and healthy.any():
                    found = scan_map(network, framing, study.volume(name), foreground, branch)
                    inside = found[healthy][foreground[healthy]]
                    limits[ill].append(float(np.quantile(inside, HEALTHY_QUANTILE)))
    deciding = limits[False] or limits[True]
    if not deciding:
        return {"healthy_slices": slices}
    limit = float(np.quantile(deciding, SCANS_QUANTILE, method="higher"))
    lowest = LOWEST[framing.edge_mm > 0]
    return {"healthy_slices": slices, "threshold": round(max(lowest, limit), 4)}


def corrected_threshold(
    network: Rasalore,
    framing: Framing,
    modalities: Sequence[str],
    scans: Iterable[tuple[Study, np.ndarray]],
) -> float:
    """Threshold with the best Dice over scans whose lesions [z, y, x] are known.

    1 where there is no lesion, and not below the lowest.
    """
    scores, truths = [], []
    with torch.inference_mode():
        for study, truth in scans:
            foreground = foreground_of(study.volume())
            for branch, modality in enumerate(modalities):
                name = study.reference if modality == "any" else modality
                if name in study.volumes:
                    found = scan_map(network, framing, study.volume(name), foreground, branch)
                    scores.append(found[foreground])
                    truths.append(truth[foreground])
    if not any(truth.any() for truth in truths):
        return 1.0
    precision, recall, thresholds = precision_recall_curve(
        np.concatenate(truths), np.concatenate(scores), drop_intermediate=True
    )
    dice = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    best = float(thresholds[int(dice[:-1].argmax())])
    return round(max(LOWEST[framing.edge_mm > 0], best), 4)


def scan_map(
    network: Rasalore, framing: Framing, volume: Volume, foreground: np.ndarray, branch: int
) -> np.ndarray:
    """Probability of lesion [z, y, x] float32, as a detection has it."""
    array = np.nan_to_num(volume.array.astype(np.float32))
    level = framing.level(array, foreground)
    device = next(network.parameters()).device
    found = np.zeros(array.shape, np.float32)
    planes = np.flatnonzero(foreground.any(axis=(1, 2)))
    for some in np.split(planes, range(BATCH, len(planes), BATCH)):
        grey = framing.grey(framing.turn(array[some]), framing.turn(foreground[some]), level)
        boxes = boxes_of(grey)
        logits = network(crop(grey, boxes, SIZE)[:, None].to(device), branch).logits[:, 0]
        shape = (grey.shape[1], grey.shape[2])
        found[some] = framing.turn(paste(logits.float().sigmoid().cpu(), boxes, shape))
    found *= foreground
    if framing.edge_mm:
        follow_edges(found, array, foreground, level, framing.reach(volume.spacing))
    return found
