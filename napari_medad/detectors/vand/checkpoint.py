"""Checkpoints of VAND's authors: key `trainable_linearlayer`, one state dict with our keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from napari_medad.detectors.vand.network import BACKBONE


def convert(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Settings and tensors; that all are there and of the right shape is seen on loading."""
    held = {key.removeprefix("trainable_linearlayer."): t.float() for key, t in tensors.items()}
    return {"backbone": BACKBONE}, held
