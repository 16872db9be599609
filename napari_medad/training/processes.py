"""One training on several GPUs or machines: who takes part, and how they stay together."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from napari_medad.errors import Cancelled, MedadError

if TYPE_CHECKING:
    from lightning.fabric import Fabric
    from torch import nn

    from napari_medad.detectors.device import Device
    from napari_medad.detectors.recipe import Recipe, TrainingOptions

RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")
"""What torchrun, SLURM and Lightning call the number of a process, of a machine's process, and
of a machine; all are 0, or absent, for the first process alone."""
PATIENCE = timedelta(days=1)
"""How long processes wait for another: one calibrates while the others do nothing."""

Result = TypeVar("Result")


def is_first() -> bool:
    """Whether this is the only process of a run, or the one that writes and speaks for all."""
    return all(os.environ.get(name, "0") == "0" for name in RANKS)


def fabric_on(device: Device, options: TrainingOptions) -> Fabric:
    """Lightning on the chosen device and in all processes of the run, without a word.

    Raises
    ------
    MedadError
        If the options cannot be followed here.
    """
    from lightning.fabric import Fabric
    from lightning.fabric.strategies.ddp import DDPStrategy

    for part in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(part).setLevel("WARNING")
    kind, _, index = device.name.partition(":")
    devices, machines = _started_by_others(options) or _to_be_started(options)
    world = devices * machines
    if world > 1:
        _refuse_impossible(device, options, devices, world)
    several = DDPStrategy(timeout=PATIENCE, find_unused_parameters=options.strategy == "auto")
    return Fabric(
        accelerator=kind,
        devices=[int(index)] if index else devices,
        num_nodes=machines,
        strategy=several if world > 1 else "auto",
        precision="bf16-mixed" if device.precision == "bf16" else "32-true",
    )


def _started_by_others(options: TrainingOptions) -> tuple[int, int] | None:
    """Processes on a machine, and machines, if torchrun or SLURM has started them."""
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
    from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    if TorchElasticEnvironment.detect():
        world, local = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    elif SLURMEnvironment.detect():
        world = int(os.environ["SLURM_NTASKS"])
        local = world // int(os.environ.get("SLURM_NNODES", "1"))
    else:
        return None
    if world == 1 < options.devices * options.num_nodes:
        raise MedadError(
            f"One process was started, but devices={options.devices} and num_nodes="
            f"{options.num_nodes} ask for more; start as many with torchrun or srun."
        )
    return local, world // local


def _to_be_started(options: TrainingOptions) -> tuple[int, int]:
    """The same, where Lightning starts this machine's processes itself."""
    # They run the command anew, which inside the viewer would open another viewer.
    if options.devices > 1 and threading.current_thread() is not threading.main_thread():
        raise MedadError(
            f"devices={options.devices} needs a terminal; run `medad train ... --set devices="
            f"{options.devices}` there, or train on one device here."
        )
    return options.devices, options.num_nodes


def _refuse_impossible(device: Device, options: TrainingOptions, devices: int, world: int) -> None:
    import torch

    kind, _, index = device.name.partition(":")
    if index:
        raise MedadError(f"{device.name} is one device, not {devices}; use --device cuda.")
    if kind == "mps":
        raise MedadError("There is one Apple GPU; train on it with devices=1.")
    here = torch.cuda.device_count()
    if kind == "cuda" and here < devices:
        raise MedadError(f"{devices} GPUs were asked for and {here} are here; lower devices.")
    if options.batch_size < world:
        raise MedadError(
            f"batch_size={options.batch_size} is too small to share among {world} processes; "
            "raise it, or use fewer."
        )


def shareable(recipe: Recipe, network: nn.Module, fabric: Fabric) -> nn.Module:
    """The network, made fit for batches that are shared among the processes.

    Layers that normalise over the batch see the whole of it on GPUs.

    Raises
    ------
    MedadError
        If a sample's loss depends on what else is in its batch, and no process has all.
    """
    from torch.nn import SyncBatchNorm
    from torch.nn.modules.batchnorm import _BatchNorm

    if fabric.world_size == 1:
        return network
    name = type(recipe).__module__.removeprefix("napari_medad.detectors.").split(".")[0]
    if recipe.contrasts_samples:
        raise MedadError(
            f"{name} contrasts the samples of a batch with each other, so that it cannot be shared "
            "among processes; train with devices=1."
        )
    if not any(isinstance(module, _BatchNorm) for module in network.modules()):
        return network
    if fabric.device.type != "cuda":
        raise MedadError(
            f"{name} normalises over the batch, which processes can share on GPUs only; train with "
            "devices=1 here."
        )
    return SyncBatchNorm.convert_sync_batchnorm(network)


def gathered(fabric: Fabric, mine: Any) -> list[Any]:
    """What each process has, in the order of their numbers."""
    if fabric.world_size == 1:
        return [mine]
    import torch

    held: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(held, mine)
    return held


def together(fabric: Fabric, act: Callable[[], Result]) -> Result:
    """What `act` gives, once it is done in every process.

    Raises
    ------
    MedadError, Cancelled
        What one of them raised, in the first process; `Cancelled` in the others, so that none
        waits and one speaks.
    """
    result, raised = None, None
    try:
        result = act()
    except (MedadError, Cancelled) as error:
        raised = error
    failed = next((error for error in gathered(fabric, raised) if error is not None), None)
    if failed is not None:
        raise (raised or failed) if fabric.is_global_zero else Cancelled("The first tells why.")
    return cast("Result", result)


def refuse_different(fabric: Fabric, beginning: Any) -> None:
    """Refuse to go on unless every process begins from the same.

    Raises
    ------
    MedadError, Cancelled
        As `together`.
    """
    held = gathered(fabric, beginning)

    def compare() -> None:
        if any(other != held[0] for other in held):
            raise MedadError(
                "The processes see different data, options or checkpoints; give paths for --data "
                "and --out that all machines share."
            )

    together(fabric, compare)
