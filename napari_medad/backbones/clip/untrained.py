"""Random weights that are the same on every machine and with every version of torch."""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch
from torch import Tensor, nn


def numbers(name: str, shape: tuple[int, ...]) -> Tensor:
    """Numbers in -1..1 that depend on nothing but name and shape (splitmix64)."""
    count = math.prod(shape)
    x = np.arange(1, count + 1, dtype=np.uint64) + np.uint64(zlib.crc32(name.encode()) << 20)
    with np.errstate(over="ignore"):
        x *= np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    unit = (x >> np.uint64(40)).astype(np.float32) / np.float32(2**23) - np.float32(1)
    return torch.from_numpy(unit.reshape(shape))


@torch.no_grad()
def fill(module: nn.Module, prefix: str = "") -> None:
    """Give every parameter such numbers: matrices of unit gain, norms near one, small biases."""
    for name, parameter in module.named_parameters():
        drawn = numbers(prefix + name, tuple(parameter.shape))
        if parameter.dim() == 0:
            drawn = torch.tensor(math.log(100.0))
        elif parameter.dim() > 1:
            drawn *= math.sqrt(3 / math.prod(parameter.shape[1:]))
        elif name.endswith("weight"):
            drawn = 1 + 0.1 * drawn
        else:
            drawn *= 0.02
        parameter.copy_(drawn)
