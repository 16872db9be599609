"""A run once more, from its record."""

from __future__ import annotations

from pathlib import Path

from napari_medad.detectors.registry import load_detector
from napari_medad.errors import MedadError
from napari_medad.inference.progress import Callback
from napari_medad.inference.run import detect
from napari_medad.results.detection import Detection
from napari_medad.results.loading import study_of
from napari_medad.results.run_record import RunRecord, WeightsRecord, sha256_of
from napari_medad.volumes.study import Study
from napari_medad.weights.installed import installed_weights


def detect_again(
    record: RunRecord,
    *,
    source: str | Path | None = None,
    force: bool = False,
    device: str = "auto",
    precision: str | None = None,
    progress: Callback | None = None,
) -> Detection:
    """Repeat a run: same detector, settings, weights, prompt, threshold and files.

    Parameters
    ----------
    record : RunRecord
    source : path, optional
        Where the scan lies now. Default: where the record says.
    force : bool
        Run although the files or the weights are not those of the record.
    device : str
    precision : str, optional
        Default: the record's.
    progress : callable, optional
        As for `detect`.

    Raises
    ------
    MedadError
        If a file or the weights have changed since; the sentence names which.
    """
    if record.remembered and not force:
        raise MedadError(
            f"The run compared with {record.remembered} slices of normal scans that were picked in "
            "the viewer and that its record does not hold; pass --force to run without them."
        )
    detector = load_detector(
        record.detector,
        weights=_weights(record),
        device=device,
        precision=precision or record.precision,
        **record.settings,
    )
    if source is None and any(held.path is None for held in record.sources):
        raise MedadError(
            "The run's volumes were made in memory, so it cannot be repeated without an INPUT."
        )
    study = study_of(record, source)
    if not force:
        _refuse_changes(record, study, detector.weights)
    return detect(
        study,
        detector,
        volume=record.volume,
        prompt=record.prompt,
        axis=record.axis,
        threshold=record.threshold,
        minimum_ml=record.minimum_ml,
        seed=record.seed,
        progress=progress,
    )


def _weights(record: RunRecord) -> str:
    """The record's weights as `load_detector` takes them: by name, where that is installed."""
    held = record.weights
    if held.state == "none":
        return "auto"
    random = held.state == "untrained" and held.path is None
    if random or held.name in installed_weights(record.detector):
        return held.name
    return held.path or held.name


def _refuse_changes(record: RunRecord, study: Study, weights: WeightsRecord) -> None:
    for held in record.sources:
        source = study.volume(held.volume).source
        path = source.path if source else None
        if path is not None and held.sha256 not in (None, sha256_of(path)):
            raise MedadError(
                f"{path} is not the file that the run was made on (its sha256 differs); pass "
                "--force to run on it all the same."
            )
    if weights.sha256 != record.weights.sha256:
        raise MedadError(
            f"The weights '{weights.name}' of '{record.detector}' are not those of the run (their "
            "sha256 differs); pass --force to run with them all the same."
        )
