"""`medad detectors` and `medad detect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_medad.cli.cohort import detect_many, studies_of
from napari_medad.cli.console import progress_bar, say, show_table, warn
from napari_medad.cli.options import Device, Precision, Set, assignments, given
from napari_medad.errors import MedadError


def detectors() -> None:
    """List the detectors: what each finds, what it needs, and its weights."""
    from napari_medad.detectors.needs import sentence
    from napari_medad.detectors.registry import cards
    from napari_medad.weights.installed import installed_weights

    rows = []
    for card in cards().values():
        have = [", ".join(installed_weights(card.name)), sentence(card)]
        reads = f"reads {', '.join(card.modalities) or 'any volume'}"
        learns = f"trained with {card.labels}" if card.recipe_class else "no training"
        rows.append(
            (
                card.name,
                f"{card.about}\n{card.paper}".rstrip(),
                f"{reads}; {learns}",
                "\n".join(filter(None, have)) or ("ready" if card.weights else "needs none"),
            )
        )
    show_table(("Name", "Finds; paper", "Needs", "Weights"), rows)


def detect(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write into.")],
    source: Annotated[
        Path | None,
        typer.Argument(metavar="INPUT", help="Image file, study folder, DICOM series or cohort."),
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(metavar="NAME[,NAME...]", help="Names from `medad detectors`."),
    ] = None,
    volume: Annotated[
        str | None, typer.Option(help="Which volume to look at: t2f, ct, ...")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="What kind of image it is.")] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH", help="Default: the best installed; `untrained` for none."
        ),
    ] = None,
    axis: Annotated[str | None, typer.Option(help="axial, coronal or sagittal.")] = None,
    threshold: Annotated[str | None, typer.Option(help="auto, quantile:Q or a number.")] = None,
    minimum_ml: Annotated[
        float | None, typer.Option(min=0, help="Drop findings smaller than this, in mL.")
    ] = None,
    frame: Annotated[int | None, typer.Option(min=0, help="Frame of a 4D file, from 0.")] = None,
    seed: Annotated[int | None, typer.Option(help="For detectors that draw at random.")] = None,
    device: Device = None,
    precision: Precision = None,
    settings: Set = None,
    again: Annotated[
        Path | None, typer.Option(metavar="RECORD", help="Repeat the run of a *_record.json.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --again: also where the input has changed.")
    ] = False,
    cohort: Annotated[
        bool | None,
        typer.Option(
            "--cohort/--one-study",
            help="Whether INPUT is many studies. Default: as its folders and files look.",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Of a cohort: that many processes of this machine.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Of a cohort: a Dask scheduler, tcp://host:8786."),
    ] = None,
) -> None:
    """Run detectors over a scan, or one over many; write maps, findings and run records.

    Several detectors on one CLIP share its passes. `--set NAME.key=value` is for one of them.

    INPUT may be a cohort, a folder of studies or a manifest with the columns study and path or
    volumes: it is gone through with one model, goes on where it was stopped, and ends with a
    table and an index.html.
    """
    run = given(
        volume=volume,
        prompt=prompt,
        axis=axis,
        threshold=threshold,
        minimum_ml=minimum_ml,
        seed=seed,
    )
    where = given(device=device, precision=precision)
    spread = given(workers=workers, cluster=cluster)
    if again is None and (studies := studies_of(source, cohort, spread)):
        loading = {**where, **given(weights=weights, frame=frame)}
        detect_many(
            studies, detector, out, settings=assignments(settings), **loading, **run, **spread
        )
        return
    if again is not None:
        fixed = given(detector=detector, weights=weights, frame=frame, set=settings or None, **run)
        fixed |= spread
        detections = [_again(again, source, fixed, force, where)]
    else:
        loading = {**where, **given(weights=weights)}
        detections = _first(source, detector, frame, loading, assignments(settings), run)
    from napari_medad.inference.run import refuse_empty

    for detection in detections:
        refuse_empty(detection)
        _report(detection, detection.save(out))


def _first(
    source: Path | None,
    detector: str | None,
    frame: int | None,
    loading: dict[str, Any],
    settings: dict[str, str],
    run: dict[str, Any],
) -> list[Any]:
    from napari_medad import detect_all, load_detector, read_study
    from napari_medad.detectors.registry import card, cards

    if source is None:
        raise MedadError("INPUT is missing; give an image file, a study folder or a DICOM series.")
    if detector is None:
        raise MedadError(f"--detector is missing; there are: {', '.join(cards())}.")
    names = [name.strip() for name in detector.split(",")]
    for name in names:
        card(name)
    if len(set(names)) < len(names):
        raise MedadError(f"--detector names one twice: {detector}; name each once.")
    study = read_study(source, **given(frame=frame))
    each = _settings_of(names, settings)
    loaded = [load_detector(name, **loading, **each[name]) for name in names]
    with progress_bar(detector) as report:
        return detect_all(study, loaded, progress=report, **run)


def _settings_of(names: list[str], settings: dict[str, str]) -> dict[str, dict[str, str]]:
    """For each detector the settings without a name before them, and those with its own."""
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for key, value in sorted(settings.items(), key=lambda item: "." in item[0]):
        name, dot, own = key.rpartition(".")
        if dot and name not in found:
            raise MedadError(
                f"--set {key}={value} is for '{name}', which does not run; there runs: "
                f"{', '.join(names)}."
            )
        for chosen in [name] if dot else names:
            found[chosen][own] = value
    return found


def _again(
    path: Path, source: Path | None, fixed: dict[str, Any], force: bool, where: dict[str, Any]
) -> Any:
    from napari_medad.inference.again import detect_again
    from napari_medad.results.run_record import RunRecord

    if fixed:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in fixed)
        raise MedadError(
            f"--again repeats a run as it was; leave out {names} or leave out --again."
        )
    record = RunRecord.read(path)
    with progress_bar(record.detector) as report:
        return detect_again(record, source=source, force=force, progress=report, **where)


def _report(detection: Any, written: list[Path]) -> None:
    """The findings and files on stdout; what a careful reader must know on stderr."""
    record = detection.record
    show_table(
        ("Finding", "Volume (mL)", "Max score", "Mean score", "Centre R, A, S (mm)", "Slices"),
        (
            (
                f.id,
                f"{f.volume_ml:.2f}",
                f"{f.max_score:.4g}",
                f"{f.mean_score:.4g}",
                ", ".join(f"{c:.0f}" for c in f.centroid_ras),
                f"{f.slices[0]}-{f.slices[1]}",
            )
            for f in detection.findings
        ),
        title=f"{detection.study.name}: findings above {detection.threshold:.4g} "
        f"({record.threshold_source})",
    )
    for path in written:
        say(str(path))
    for note in record.notes:
        warn(note)
    if record.untrained:
        warn(
            f"UNTRAINED: {detection.detector} ran with random weights; these maps and findings "
            "mean nothing."
        )
