"""How alike image tokens and prompts are."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def cosine(tokens: Tensor, text: Tensor) -> Tensor:
    """Cosine of tokens and prompts, always in fp32.

    Prompts of normal and abnormal differ by a few thousandths, which bf16 would round away.

    Parameters
    ----------
    tokens : Tensor [..., n, joint]
        Of any length.
    text : Tensor [..., k, joint]
        Unit features.

    Returns
    -------
    Tensor [..., n, k]
        In -1..1.
    """
    with torch.autocast(tokens.device.type, enabled=False):
        return F.normalize(tokens.float(), dim=-1) @ text.float().mT
