"""AnoVL's weights are CLIP's own, under CLIP's own keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def convert(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """No settings, and the tensors in fp32; that they fit is seen on loading."""
    return {}, {key.removeprefix("module."): value.float() for key, value in tensors.items()}
