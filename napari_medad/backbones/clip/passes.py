"""One pass through a vision tower for several detectors that look at the same pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from torch import Tensor

KEPT = 2**30
"""Bytes of tokens that a pass keeps at most; blocks beyond are run by each detector."""

Passes = dict[int, "Pass"]
_running: ContextVar[Passes | None] = ContextVar("passes", default=None)


@dataclass(eq=False)
class Pass:
    """Plain tokens of one batch after each block, as far as they are kept.

    Attributes
    ----------
    start : Tensor
        What goes into the first block. Whatever was done to the pictures before (their size,
        their positions) shows here, so that equal starts are equal passes.
    after : list of Tensor
        Tokens after the first blocks.
    keeps : bool
    """

    start: Tensor
    after: list[Tensor] = field(default_factory=list)
    keeps: bool = False

    def step(self, block: int, compute: Callable[[], Tensor]) -> Tensor:
        """Tokens after a block: those kept, else computed."""
        if block < len(self.after):
            return self.after[block]
        x = compute()
        if self.keeps and self._bytes() + x.nbytes <= KEPT:
            self.after.append(x)
        return x

    def _bytes(self) -> int:
        return sum(x.nbytes for x in self.after)


@contextmanager
def shared_passes() -> Iterator[None]:
    """Inside, each tower keeps its last batch, for the next detector that shows it the same."""
    token = _running.set({})
    try:
        yield
    finally:
        _running.reset(token)


def pass_of(tower: object, start: Tensor) -> Pass:
    """The tower's last pass if it began with the same tokens, else a new one."""
    running = _running.get()
    if running is None:
        return Pass(start)
    last = running.get(id(tower))
    if last is None or not _same(last.start, start):
        last = running[id(tower)] = Pass(start, keeps=True)
    return last


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b)
