"""VAND's memory: patches of normal images, and how far others are from all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_medad.backbones.clip.vision import Stage
from napari_medad.detectors.vand.network import enlarged

AT_ONCE = 2**25
"""Similarities that are held in memory at a time."""


@dataclass(frozen=True, eq=False)
class Memory:
    """Unit tokens [n, c] of normal patches for each stage, and the slices they come from."""

    banks: tuple[Tensor, ...]
    slices: int

    @classmethod
    def of(cls, images: Sequence[Sequence[Stage]]) -> Self:
        """From the stages of normal images, batch by batch."""
        banks = (torch.cat([s.tokens.flatten(0, 1) for s in stages]) for stages in zip(*images))
        slices = sum(len(stages[0].tokens) for stages in images)
        return cls(tuple(F.normalize(bank.float(), dim=-1) for bank in banks), slices)

    def distance(self, stages: Sequence[Stage], size: int) -> Tensor:
        """Sum over the stages of 1 - cosine to the nearest normal patch, [b, s, s]."""
        total = torch.zeros(())
        for bank, (tokens, (h, w)) in zip(self.banks, stages):
            unit = F.normalize(tokens.float(), dim=-1).flatten(0, 1)
            parts = unit.split(max(1, AT_ONCE // len(bank)))
            nearest = torch.cat([(part @ bank.T).amax(-1) for part in parts])
            maps = (1 - nearest).reshape(-1, 1, h, w)
            total = total.to(maps.device) + enlarged(maps, size)[:, 0]
        return total
