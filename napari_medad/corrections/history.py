"""Steps that can be undone, each holding the voxels it changed and nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

import numpy as np

LIMIT_BYTES = 512 * 2**20
"""Memory from which on the oldest steps are forgotten; a stroke takes some kilobytes."""


@dataclass(frozen=True, eq=False)
class Step:
    """One change of a correction.

    Attributes
    ----------
    what : str
        In a few words, for the reader: "paint", "merge 2 and 3".
    shape : tuple of int
        Of the mask.
    where : ndarray [n] uint32 or int64
        Flat positions of the changed voxels in the mask.
    labels, provenance : ndarray [2, n]
        Before and after.
    categories : tuple of two mappings of int to str
        Names of findings before and after.
    """

    what: str
    shape: tuple[int, ...]
    where: np.ndarray
    labels: np.ndarray
    provenance: np.ndarray
    categories: tuple[Mapping[int, str], Mapping[int, str]]
    time: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @cached_property
    def box(self) -> tuple[slice, ...]:
        """Bounding box of the changed voxels; empty where only names changed."""
        if not self.where.size:
            return tuple(slice(0, 0) for _ in self.shape)
        return tuple(
            slice(int(along.min()), int(along.max()) + 1)
            for along in np.unravel_index(self.where, self.shape)
        )

    @property
    def ids(self) -> set[int]:
        """Findings that the step touches."""
        before, after = self.categories
        named = {i for i in before.keys() | after.keys() if before.get(i) != after.get(i)}
        return named | {int(i) for i in np.unique(self.labels)} - {0}

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return self.where.nbytes + self.labels.nbytes + self.provenance.nbytes

    def reversed(self) -> Step:
        """The step that takes this one back."""
        return replace(
            self,
            labels=self.labels[::-1],
            provenance=self.provenance[::-1],
            categories=self.categories[::-1],
        )


class History:
    """Steps done and undone, newest last."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self.done: deque[Step] = deque()
        self.undone: list[Step] = []
        self.limit_bytes = limit_bytes
        self._bytes = 0

    @property
    def nbytes(self) -> int:
        """Memory that the steps which can be undone take."""
        return self._bytes

    def add(self, step: Step) -> None:
        """A new step; what was undone is gone, and the oldest steps beyond the limit."""
        self.undone.clear()
        self._push(step)

    def back(self) -> Step | None:
        """The latest step, moved to the undone ones."""
        if not self.done:
            return None
        step = self.done.pop()
        self._bytes -= step.nbytes
        self.undone.append(step)
        return step

    def forth(self) -> Step | None:
        """The step undone last, moved back to the done ones."""
        if not self.undone:
            return None
        step = self.undone.pop()
        self._push(step)
        return step

    def _push(self, step: Step) -> None:
        self.done.append(step)
        self._bytes += step.nbytes
        while self._bytes > self.limit_bytes and len(self.done) > 1:
            self._bytes -= self.done.popleft().nbytes
