"""A study through detectors: the functions behind the viewer, the command and the library."""

from __future__ import annotations

from collections.abc import Sequence

from napari_medad.detectors.detector import Case, Detector
from napari_medad.detectors.registry import load_detector
from napari_medad.errors import MedadError
from napari_medad.inference.lockstep import Run, groups, in_lockstep
from napari_medad.inference.progress import Callback
from napari_medad.results.detection import Detection
from napari_medad.results.run_record import RunRecord, SourceRecord, sha256_of
from napari_medad.results.threshold import check_threshold, threshold_value
from napari_medad.volumes.foreground import foreground_of
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
    (detection,) = detect_all(
        study,
        [detector],
        volume=volume,
        prompt=prompt,
        axis=axis,
        threshold=threshold,
        minimum_ml=minimum_ml,
        start=start,
        seed=seed,
        progress=progress,
    )
    return detection


def detect_all(
    study: Study,
    detectors: Sequence[Detector | str],
    *,
    volume: str | None = None,
    prompt: str | None = None,
    axis: str = "axial",
    threshold: str | float = "auto",
    minimum_ml: float = 0.05,
    start: int | None = None,
    seed: int = 0,
    progress: Callback | None = None,
) -> list[Detection]:
    """Run several detectors over a study, each as `detect` would.

    Those on one CLIP look at each batch together, so that what they have in common of its pass
    is computed once; the others follow one another. The arguments are those of `detect`;
    `progress` is told of each detector in turn, or of each that looks together.

    Raises
    ------
    MedadError
        Wrong volume, axis, threshold or input, before anything runs.
    Cancelled
        If `progress` answered "stop".
    """
    wanted = check_options(axis, threshold, minimum_ml)
    loaded = [load_detector(d) if isinstance(d, str) else d for d in detectors]
    runs = [Run(d, _case(study, d, volume, axis, prompt), start, seed, progress) for d in loaded]
    for together in groups(runs):
        in_lockstep(together)
    return [_detection(run, wanted, minimum_ml) for run in runs]


def check_options(axis: str, threshold: str | float, minimum_ml: float) -> str | float:
    """The threshold as `threshold_value` takes it, where the options can be right for a study.

    Raises
    ------
    MedadError
        Wrong axis, threshold or minimum size.
    """
    if axis not in AXES:
        raise MedadError(f"The axis '{axis}' is unknown; use {', '.join(AXES)}.")
    if not minimum_ml >= 0:
        raise MedadError(f"The minimum size cannot be {minimum_ml} mL; give 0 or more.")
    return check_threshold(threshold)


def refuse_empty(detection: Detection) -> None:
    """Raise where there was nothing to look at.

    Raises
    ------
    MedadError
        If the volume is the same everywhere.
    """
    if not detection.foreground.any():
        raise MedadError(
            f"The volume '{detection.record.volume}' of {detection.study.name} is the same "
            "everywhere, so there is nothing to detect; check the file, or choose another "
            "--volume."
        )


def _detection(run: Run, wanted: str | float, minimum_ml: float) -> Detection:
    """The result of a finished run, with its record."""
    detector, case, state, maps = run.detector, run.case, run.state, run.maps
    study = case.study
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
        prompt=case.prompt,
        volume=case.volume_name,
        axis=case.axis,
        threshold=wanted,
        threshold_value=value,
        threshold_source=how,
        minimum_ml=minimum_ml,
        weights=detector.weights,
        sources=_sources(study),
        seed=run.seed,
        device=detector.device.name,
        precision=detector.device.precision,
        duration_s=round(run.spent_s, 3),
        remembered=detector.remembered,
        notes=[*study.notes, *detector.notes(case, state)],
        evidence=dict(detector.evidence(case, state)),
    )
    return Detection(
        study,
        detector.card.name,
        maps,
        run.scores,
        case.foreground,
        value,
        minimum_ml,
        record,
        run.categories,
        run.chances,
        run.present,
    )


def _case(
    study: Study, detector: Detector, volume: str | None, axis: str, prompt: str | None
) -> Case:
    if volume is None:
        fitting = (m for m in detector.card.modalities if m in study.volumes)
        volume = next(fitting, study.reference)
    chosen = study.volume(volume)
    return Case(study, volume, foreground_of(chosen), axis, prompt)


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
