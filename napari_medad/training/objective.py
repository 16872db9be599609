"""A recipe's losses and their gradients, in as many parts as memory allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from napari_medad.detectors.recipe import Recipe
from napari_medad.errors import MedadError
from napari_medad.training.processes import gathered

EXHAUSTED = ("out of memory", "not enough memory", "can't allocate memory")
"""What torch says on devices that have no error class of their own for it."""

Row = tuple[dict[str, float], float]
"""Losses, and how much they count."""


class Objective(nn.Module):
    """The network with its losses as one module, so that every strategy can wrap it."""

    def __init__(self, recipe: Recipe, network: nn.Module) -> None:
        super().__init__()
        self.recipe = recipe
        self.network = network

    def forward(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Losses of a batch; `loss` is the one to minimise."""
        return self.recipe.losses(self.network, batch)


class Gradients:
    """Gradients of a batch's loss, computed in parts where the whole does not fit.

    The mean of the parts' losses, weighted by their sizes, is the batch's loss. So a halved
    batch costs time but changes neither the number of steps nor what a step sees (up to
    layers that mix the samples of a batch). So it is with a batch that processes share.

    Parameters
    ----------
    fabric : Fabric
    objective : module
        As `fabric.setup` gave it.
    parts : int
        In how many parts to begin.
    on_part : callable
        Called after each part; may raise to cancel.
    on_halved : callable
        Takes a sentence when memory did not suffice.
    """

    def __init__(
        self,
        fabric: Fabric,
        objective: Any,
        parts: int,
        on_part: Callable[[], None],
        on_halved: Callable[[str], None],
    ) -> None:
        self.fabric = fabric
        self.objective = objective
        self.parts = parts
        self.on_part = on_part
        self.on_halved = on_halved

    def accumulate(
        self, batch: Mapping[str, Any], clear: Callable[[], None], share: float = 1.0
    ) -> dict[str, float]:
        """Add the batch's gradients to the parameters, and return its losses.

        Parameters
        ----------
        batch : mapping
            What this process has of the batch.
        share : float
            Which part of the batch's samples that is, 0 to 1; the processes' sum is 1.
        clear : callable
            Sets the gradients to zero.

        Raises
        ------
        MedadError
            If even one sample does not fit, or the loss is not finite.
        """
        size = _size(batch)
        while True:
            clear()
            try:
                losses = self._in_parts(batch, size, share)
            except (RuntimeError, MemoryError) as error:
                if not _out_of_memory(error):
                    raise
            else:
                losses = weighted(flat(gathered(self.fabric, [(losses, share)])))
                _check_finite(losses)
                return losses
            # Outside the handler, where the traceback no longer holds the batch's tensors.
            self._halve(size)

    def _in_parts(self, batch: Mapping[str, Any], size: int, share: float) -> dict[str, float]:
        scale = share * self.fabric.world_size  # as the processes' gradients are averaged
        rows = []
        parts = list(_parts(batch, size, self.parts))
        for number, (part, weight) in enumerate(parts):
            last = number == len(parts) - 1
            with self.fabric.no_backward_sync(self.objective, enabled=not last):
                losses = self.objective(part)
                self.fabric.backward(losses["loss"] * (weight * scale))
            rows.append(({key: float(v.detach()) for key, v in losses.items()}, weight))
            self.on_part()
        return weighted(rows)

    def _halve(self, size: int) -> None:
        if self.fabric.world_size > 1:
            raise MedadError("A GPU ran out of memory; lower batch_size and resume.")
        if self.parts >= size:
            raise MedadError(
                "Not even one sample at a time fits into memory; choose a smaller network or image "
                "size, or another device."
            )
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.parts *= 2
        at_once = math.ceil(size / self.parts)
        self.on_halved(
            f"Out of memory: each batch of {size} is now computed {at_once} at a time; the number "
            "of steps stays."
        )


def held_out_losses(objective: nn.Module, batches: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Losses of each batch with its size, without gradients, in evaluation mode."""
    training = objective.training
    objective.eval()
    rows = []
    try:
        with torch.no_grad():
            for batch in batches:
                losses = {key: float(value) for key, value in objective(batch).items()}
                rows.append((losses, float(_size(batch))))
    finally:
        objective.train(training)
    return rows


def _size(batch: Mapping[str, Any]) -> int:
    return len(next(iter(batch.values())))


def _parts(
    batch: Mapping[str, Any], size: int, parts: int
) -> Iterator[tuple[Mapping[str, Any], float]]:
    """The batch cut into parts, each with its share of the samples."""
    step = math.ceil(size / parts)
    for first in range(0, size, step):
        part = {key: values[first : first + step] for key, values in batch.items()}
        yield part, _size(part) / size


def flat(gathered_rows: Sequence[Sequence[Row]]) -> list[Row]:
    """The rows of all processes."""
    return [row for rows in gathered_rows for row in rows]


def weighted(rows: Sequence[Row]) -> dict[str, float]:
    """Means of the losses, each over the parts that have it and count."""
    keys = dict.fromkeys(key for losses, share in rows if share for key in losses)
    means = {}
    for key in keys:
        held = [(losses[key], share) for losses, share in rows if share and key in losses]
        means[key] = sum(v * s for v, s in held) / sum(s for _, s in held)
    return means


def _out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(words in str(error).lower() for words in EXHAUSTED)


def _check_finite(losses: Mapping[str, float]) -> None:
    wrong = next((key for key, value in losses.items() if not math.isfinite(value)), None)
    if wrong is not None:
        raise MedadError(
            f"The training diverged: '{wrong}' became {losses[wrong]}; lower learning_rate, or use "
            "precision fp32, and resume from the last checkpoint or start again."
        )
