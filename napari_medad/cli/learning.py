"""`medad train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medad.cli.console import note, progress_bar, say
from napari_medad.cli.options import Device, Set, assignments, given
from napari_medad.errors import Cancelled, MedadError

if TYPE_CHECKING:
    from napari_medad.weights.model_folder import ModelFolder


def train(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A detector that can be trained.")],
    data: Annotated[
        str,
        typer.Option(metavar="MANIFEST|FOLDER|synthetic", help="What to learn from."),
    ],
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
    preset: Annotated[str | None, typer.Option(help="A named set of options: starter, ...")] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="NAME|PATH", help="Start from these.")
    ] = None,
    signs: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Radiological signs; the same as --set signs=..."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="Slice labels of the images in --data: masks are made from them first."),
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="With --labels: who makes the masks (ddpt, gradcam).")
    ] = None,
    refine: Annotated[
        str | None, typer.Option(help="With --labels: medsam sharpens the masks; or none.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a stopped run in --out left off.")
    ] = False,
    device: Device = None,
    settings: Set = None,
) -> None:
    """Train a detector on your own images."""
    from napari_medad import train as train_detector
    from napari_medad.training.processes import is_first

    speaks = is_first()
    with progress_bar(f"train {name}", shown=speaks) as report:

        def watch(step: Any) -> str | None:
            if step.note:
                note(step.note)
            return report(step, f"loss {step.losses['loss']:.4g}" if "loss" in step.losses else "")

        asked = {
            "options": {**assignments(settings), **given(signs=signs)},
            "resume": resume,
            "progress": watch,
            **given(preset=preset, weights=weights, device=device),
        }
        try:
            if labels is None:
                _only_with_labels(teacher=teacher, refine=refine)
                model = train_detector(name, data, out, **asked)
            else:
                model = _from_labels(name, data, labels, out, teacher, refine, asked)
        except Cancelled:
            if not speaks:
                return
            note(f"What was learned is kept in {out}; add --resume to go on.")
            raise
    if speaks:
        say(str(model.path))


def _only_with_labels(**options: str | None) -> None:
    for option in given(**options):
        raise MedadError(f"--{option} is about masks made from slice labels; give --labels too.")


def _from_labels(
    name: str,
    data: str,
    labels: Path,
    out: Path,
    teacher: str | None,
    refine: str | None,
    asked: dict[str, Any],
) -> ModelFolder:
    from napari_medad.training.weak_to_strong import Chain, train_from_labels

    if asked.pop("weights", None) is not None:
        raise MedadError("--weights cannot be given with --labels; train without them.")
    chain = Chain(**given(teacher=teacher, refiner=refine))
    return train_from_labels(name, data, labels, out, chain=chain, **asked)
