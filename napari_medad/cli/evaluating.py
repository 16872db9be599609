"""`medad evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_medad.cli.console import progress_bar, say, show_table, warn
from napari_medad.cli.options import given
from napari_medad.errors import MedadError

if TYPE_CHECKING:
    from napari_medad.evaluation.evaluation import Policy
    from napari_medad.evaluation.folder import Maps

FOLDERS_ONLY = "is for a folder as --out, which then gets metrics, tables, figures and a page"


def evaluate(
    maps: Annotated[
        list[Path],
        typer.Option(
            "--map",
            metavar="FILE|FOLDER",
            help="Anomaly map, or a folder of what medad detect wrote; repeat it to compare.",
        ),
    ],
    truth: Annotated[
        Path,
        typer.Option(
            metavar="FILE|FOLDER", help="Reference mask; everything but 0 is a lesion. Or a folder."
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE.json|DIR", help="JSON file of one case; or a folder.")
    ],
    mask: Annotated[
        Path | None, typer.Option(help="Count only inside this; default: where the map is not 0.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Scores at or above it are found; default: each run's own.")
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help="Where the threshold comes from: fixed, validation, run, or the oracles test-pool "
            "and each-volume; may be repeated."
        ),
    ] = None,
    validation_map: Annotated[
        list[Path] | None,
        typer.Option(help="Maps of other patients, to choose the threshold on; one a --map."),
    ] = None,
    validation_truth: Annotated[Path | None, typer.Option(help="And their truths.")] = None,
    label: Annotated[
        list[int] | None,
        typer.Option(help="What of the truth is lesion; default: all but 0. May be repeated."),
    ] = None,
    detector: Annotated[
        list[str] | None,
        typer.Option(help="Whose maps, where a folder holds several; repeat it to compare."),
    ] = None,
    resample: Annotated[
        bool, typer.Option("--resample", help="Bring maps on other voxels onto those of the truth.")
    ] = False,
    whole_grid: Annotated[
        bool, typer.Option("--whole-grid", help="Count air too, as the zero-shot benchmark does.")
    ] = False,
    minimum_ml: Annotated[
        float, typer.Option(min=0, help="Drop smaller components of what is found, mL.")
    ] = 0.0,
    surface: Annotated[
        bool, typer.Option(help="Measure distances of outlines, which takes longest.")
    ] = True,
) -> None:
    """Measure anomaly maps against reference masks: one case, or folders of them."""
    if out.suffix.lower() == ".json":
        asked = given(
            policy=policy,
            validation_map=validation_map,
            validation_truth=validation_truth,
            label=label,
            detector=detector,
            resample=resample or None,
            whole_grid=whole_grid or None,
            minimum_ml=minimum_ml or None,
        )
        for option in asked:
            raise MedadError(f"--{option.replace('_', '-')} {FOLDERS_ONLY}.")
        if len(maps) > 1:
            raise MedadError(f"More than one --map {FOLDERS_ONLY}.")
        _one_case(maps[0], truth, out, mask, threshold)
        return
    from napari_medad.evaluation.folder import evaluate_several
    from napari_medad.evaluation.folder_files import write_evaluation
    from napari_medad.evaluation.pairing import Reading
    from napari_medad.evaluation.tables import summary_table

    with progress_bar("evaluate") as report:
        told = evaluate_several(
            _maps(maps, detector, validation_map, validation_truth),
            truth,
            policies=_policies(policy),
            validation_truth=validation_truth,
            threshold=threshold,
            mask=mask,
            reading=Reading(tuple(label or ()), resample, whole_grid),
            minimum_ml=minimum_ml,
            surface=surface,
            progress=report,
        )
    with progress_bar("figures and page") as report:
        written = write_evaluation(out, told, progress=report)
    evaluations = [one.evaluation for one in told]
    summary = summary_table(evaluations)
    show_table(summary.columns, summary.rows, title=summary.note)
    for path in written:
        if path.parent == out:
            say(str(path))
    for note in dict.fromkeys(note for held in evaluations for note in held.notes):
        if note.startswith("UNTRAINED"):
            warn(note)


def _one_case(
    anomaly: Path, truth: Path, out: Path, mask: Path | None, threshold: float | None
) -> None:
    from napari_medad import evaluate as evaluate_case

    if anomaly.is_dir():
        raise MedadError(f"{anomaly} is a folder; give a folder as --out too, not a .json file.")
    metrics = evaluate_case(anomaly, truth, mask=mask, threshold=threshold, out=out)
    rows = (
        (name.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else value)
        for name, value in metrics.model_dump().items()
        if value is not None
    )
    show_table(("Measure", "Value"), rows)
    say(str(out))


def _policies(asked: list[str] | None) -> list[Policy | None]:
    from napari_medad.evaluation.evaluation import POLICIES

    known: dict[str, Policy] = {policy.replace(" ", "-"): policy for policy in POLICIES}
    for policy in asked or ():
        if policy not in known:
            raise MedadError(f"There is no policy '{policy}'; choose {', '.join(known)}.")
    return [known[policy] for policy in asked] if asked else [None]


def _maps(
    maps: list[Path],
    detectors: list[str] | None,
    validation: list[Path] | None,
    validation_truth: Path | None,
) -> list[Maps]:
    """Every folder with every detector that is asked for."""
    from napari_medad.evaluation.folder import Maps

    if (validation is None) != (validation_truth is None):
        raise MedadError("--validation-map and --validation-truth go together; give both.")
    if validation is not None and len(validation) != len(maps):
        raise MedadError(
            f"There are {len(maps)} --map but {len(validation)} --validation-map; give one each."
        )
    whose: Sequence[str | None] = detectors or [None]
    return [
        Maps(folder, detector, None if validation is None else validation[number])
        for number, folder in enumerate(maps)
        for detector in whose
    ]
