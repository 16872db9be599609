"""`medad.train`: what a recipe declares, carried out by the one training loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medad.detectors.device import Device
from napari_medad.detectors.recipe import Example, Recipe
from napari_medad.errors import MedadError
from napari_medad.training.folder import TrainingFolder
from napari_medad.training.plan import Plan, Wanted
from napari_medad.training.processes import is_first
from napari_medad.training.progress import Listener, looking
from napari_medad.weights.model_folder import ModelFolder

if TYPE_CHECKING:
    from napari_medad.training.run import Slice


def train(
    name: str,
    data: str | Path | Sequence[Example],
    out: str | Path,
    *,
    options: Mapping[str, Any] | None = None,
    preset: str | None = None,
    weights: str | None = None,
    device: str = "auto",
    resume: bool = False,
    progress: Listener | None = None,
    preview: Slice | None = None,
) -> ModelFolder:
    """Train a detector.

    Parameters
    ----------
    name : str
        A detector with a recipe.
    data : path, "synthetic" or sequence of Example
        A folder of images (its sub-folders are tasks), a CSV or JSON manifest, the recipe's
        own synthetic images, or examples in memory.
    out : path
        Folder for the model; while training also for history.csv and the checkpoint.
    options : mapping, optional
        The recipe's options by name; they go before the preset's.
    preset : str, optional
        A named set of options of the recipe.
    weights : str, optional
        Fine-tune from these: an installed name, a model folder or a file.
    device : {"auto", "cpu", "cuda", "cuda:N", "mps"}
    resume : bool
        Go on with the unfinished run in `out`: same options, same data, same random
        numbers, so that the model is the one that an uninterrupted run gives.
    progress : callable, optional
        Takes a `TrainingProgress`; answers "pause", "stop" or anything else to go on.
    preview : callable, optional
        Gives the slice [h, w] whose anomaly map to report at the end of an epoch, or None.

    Returns
    -------
    ModelFolder
        In `out`. Its facts hold what calibration found, and under "training" the recipe,
        options, counts of the data, versions and last losses.

    Raises
    ------
    MedadError
        Wrong detector, option, data, weights or folder; a loss that diverges.
    Cancelled
        If `progress` answered "stop". What was learned can be resumed. Where several
        processes train together, all but the first also raise it when one of them fails,
        and the first tells why.
    """
    from napari_medad.training.run import Run  # Lightning takes seconds, and only here is it used

    if not is_first():
        progress = preview = None
    folder = TrainingFolder(Path(out).expanduser())
    wanted = Wanted(name, data, options or {}, preset, weights)
    if not resume:
        folder.refuse_if_used()
    look = looking(progress)
    plan = Plan.again(wanted, folder, look) if resume else Plan.new(wanted, look)
    return Run(plan, folder, device_for(plan.recipe, device), progress, preview).complete()


def device_for(recipe: Recipe, device: str) -> Device:
    """The device, in a precision that the recipe can be trained in there.

    Raises
    ------
    MedadError
        If the precision that is asked for is not one.
    """
    where = Device.choose(device, recipe.options.precision)
    if where.name != "cpu" or where.precision == "fp32" or recipe.bf16_on_cpu:
        return where
    if recipe.options.precision == "bf16":
        raise MedadError(
            "A processor cannot train this in bfloat16, whose gradients of 3D convolutions are "
            "wrong there; set precision to auto or fp32."
        )
    return replace(where, precision="fp32")
