"""Random numbers that a resumed run draws just as an uninterrupted one does."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from napari_medad.detectors.recipe import Recipe


class Stream(IntEnum):
    """What random numbers are drawn for; each purpose has its own."""

    NETWORK = 0
    ORDER = 1
    SAMPLE = 2
    STEP = 3
    HELD_OUT = 4


@contextmanager
def seeded(seed: int, stream: Stream, *numbers: int) -> Iterator[None]:
    """Seed python, numpy and torch from these numbers alone; restore them afterwards.

    As every sample and every step begins from its own seed, a run needs no generator state
    to go on exactly, whatever was drawn before or in other processes.
    """
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    words = np.random.SeedSequence([seed, stream, *numbers]).generate_state(1)
    value = int(words[0])
    random.seed(value)
    np.random.seed(value)  # noqa: NPY002
    # Not torch.manual_seed, which keeps a list of calls for devices that were never used.
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(value)
    elif torch.backends.mps.is_available():
        torch.mps.manual_seed(value)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        torch.set_rng_state(before[2])


class SeededItems(Dataset[Any]):
    """A recipe's dataset whose items depend on seed, epoch and index alone.

    Parameters
    ----------
    items : Dataset
    seed : int
    stream : Stream
    watch : callable, optional
        Called before every item, so that the user can stop while a batch is made.
    """

    def __init__(
        self, items: Any, seed: int, stream: Stream, watch: Callable[[], None] | None = None
    ) -> None:
        self.items = items
        self.seed = seed
        self.stream = stream
        self.watch = watch
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        if self.watch is not None:
            self.watch()
        with seeded(self.seed, self.stream, self.epoch, index):
            return self.items[index]

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next items are for."""
        self.epoch = epoch
        if hasattr(self.items, "set_epoch"):
            self.items.set_epoch(epoch)


def epoch_batches(recipe: Recipe, size: int, epoch: int) -> Sequence[list[int]]:
    """Indices of an epoch's batches, whichever and however many processes share them.

    A single item left over joins the batch before it, since normalising over a batch of one
    is not possible.
    """
    options = recipe.options
    words = [options.seed, Stream.ORDER, epoch]
    order = recipe.order(size, np.random.default_rng(np.random.SeedSequence(words)))
    step = options.batch_size
    batches = [order[i : i + step].tolist() for i in range(0, len(order), step)]
    if len(batches) > 1 and len(batches[-1]) == 1 < step:
        batches[-2] += batches.pop()
    return batches


def share_of(batch: list[int], rank: int, world: int) -> tuple[list[int], float]:
    """One process's items of a batch, and which part of the batch they are.

    The shares are as equal as can be. A process for which none is left computes the batch's
    first item, since all must take part in every step; as its share is 0, it does not count.
    """
    mine = batch[rank::world]
    return mine or batch[:1], len(mine) / len(batch)
