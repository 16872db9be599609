"""A study through a detector: the one function behind the viewer, the command and the library."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_medad.detectors.detector import (
    Case,
    Detector,
    SliceBatch,
    SliceDetector,
    VolumeDetector,
)
from napari_medad.detectors.registry import load_detector
from napari_medad.errors import MedadError
from napari_medad.inference.progress import Callback, Reporter
from napari_medad.results.detection import Detection
from napari_medad.results.run_record import RunRecord, SourceRecord, sha256_of
from napari_medad.results.threshold import check_threshold, threshold_value
from napari_medad.volumes import large_array
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.slices import SlicePlan
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import AXES


def detect(
    study: Study,
    detector: Detector | str,
    *,
    volume: str | None = None,
    prompt: str | None = None,
    axis: str = "axial",
    threshold: str | float = "auto",
    minimum_ml: float = 0.05,
    start: int | None = None,
    seed: int = 0,
    progress: Callback | None = None,
) -> Detection:
    """Run a detector over a study.

    Parameters
    ----------
    study : Study
    detector : Detector or str
        A loaded detector, or a name to load with its best weights.
    volume : str, optional
        Which volume to look at. Default: the first of the detector's modalities the study
        has, else its reference.
    prompt : str, optional
        For detectors that read one.
    axis : {"axial", "coronal", "sagittal"}
        Direction of the slices, for detectors that look at slices.
    threshold : str or float
        "auto", "quantile:Q" or a value.
    minimum_ml : float
        Findings smaller than this are dropped, in mL.
    start : int, optional
        Slice to begin with; the others follow outward from it.
    seed : int
        For detectors that draw random numbers.
    progress : callable, optional
        Takes a `Progress` after every batch; answers "stop" to cancel.

    Returns
    -------
    Detection
        Maps float32 [z, y, x] on the study's grid, zero outside the foreground.

    Raises
    ------
    MedadError
        Wrong volume, axis, threshold or input.
    Cancelled
        If `progress` answered "stop".
    """
    if isinstance(detector, str):
        detector = load_detector(detector)
    if axis not in AXES:
        raise MedadError(f"The axis '{axis}' is unknown; use {', '.join(AXES)}.")
    if not minimum_ml >= 0:
        raise MedadError(f"The minimum size cannot be {minimum_ml} mL; give 0 or more.")
    wanted = check_threshold(threshold)
    case = _case(study, detector, volume, axis, prompt)
    began = time.monotonic()
    state, maps, scores = _predict(detector, case, start, seed, progress)
    value, how = threshold_value(
        wanted,
        maps["anomaly"],
        case.foreground,
        detector.threshold(case, state),
        detector.threshold_source,
    )
    record = RunRecord(
        case=study.name,
        input=None if study.path is None else str(study.path.absolute()),
        detector=detector.card.name,
        settings=detector.settings.model_dump(mode="json"),
        prompt=prompt,
        volume=case.volume_name,
        axis=axis,
        threshold=wanted,
        threshold_value=value,
        threshold_source=how,
        minimum_ml=minimum_ml,
        weights=detector.weights,
        sources=_sources(study),
        seed=seed,
        device=detector.device.name,
        precision=detector.device.precision,
        duration_s=round(time.monotonic() - began, 3),
        notes=[*study.notes, *detector.notes(case, state)],
    )
    return Detection(
        study, detector.card.name, maps, scores, case.foreground, value, minimum_ml, record
    )


def _case(
    study: Study, detector: Detector, volume: str | None, axis: str, prompt: str | None
) -> Case:
    if volume is None:
        fitting = (m for m in detector.card.modalities if m in study.volumes)
        volume = next(fitting, study.reference)
    chosen = study.volume(volume)
    return Case(study, volume, foreground_of(chosen), axis, prompt)


def _predict(
    detector: Detector, case: Case, start: int | None, seed: int, progress: Callback | None
) -> tuple[Any, Mapping[str, np.ndarray], np.ndarray]:
    import torch

    torch.manual_seed(seed)
    state = detector.prepare(case)
    if isinstance(detector, VolumeDetector):
        report = Reporter(progress, 1, "steps")
        maps = detector.predict_volume(case, state, report).maps
        for values in maps.values():
            np.multiply(values, case.foreground, out=values)
        detector.finish(maps, case, state)
        return state, maps, _mean_scores(maps["anomaly"], case)
    assert isinstance(detector, SliceDetector)
    shape = case.volume.array.shape
    maps = {name: large_array.zeros(shape) for name in detector.card.outputs}
    plan = SlicePlan.of(case.foreground, case.axis)
    scores = np.full(shape[plan.axis], np.nan, np.float32)
    report = Reporter(progress, plan.indices.size)
    for indices in plan.batches(detector.batch_size, start):
        batch = SliceBatch(case, plan, indices)
        prediction = detector.predict(batch, state)
        inside = batch.foreground
        for name, values in prediction.maps.items():
            plan.view(maps[name])[indices] = np.where(inside, values, 0)
            large_array.release(maps[name])
        scores[indices] = _scores(prediction.scores, prediction.maps["anomaly"], inside)
        report(report.done + indices.size, indices=indices, maps=maps)
    detector.finish(maps, case, state)
    return state, maps, scores


def _scores(own: np.ndarray | None, anomaly: np.ndarray, inside: np.ndarray) -> np.ndarray:
    if own is not None:
        return own
    return (anomaly * inside).sum(axis=(1, 2)) / np.maximum(inside.sum(axis=(1, 2)), 1)


def _mean_scores(anomaly: np.ndarray, case: Case) -> np.ndarray:
    """Mean anomaly over each slice's foreground; NaN where there is none."""
    inside = np.moveaxis(case.foreground, AXES[case.axis], 0)
    stacked = np.moveaxis(anomaly, AXES[case.axis], 0)
    means = (plane[here].mean() if here.any() else np.nan for plane, here in zip(stacked, inside))
    return np.fromiter(means, np.float32, len(stacked))


def _sources(study: Study) -> list[SourceRecord]:
    records = []
    for name, volume in study.volumes.items():
        source = volume.source
        path = source.path if source else None
        checksum = sha256_of(path) if path is not None and path.exists() else None
        records.append(
            SourceRecord(
                volume=name,
                path=None if path is None else str(path.absolute()),
                sha256=checksum,
                frame=source.frame if source else None,
            )
        )
    return records
