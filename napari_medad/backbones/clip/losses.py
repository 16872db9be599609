"""The focal and Dice losses that adapters of CLIP are trained with."""

from __future__ import annotations

import torch
from torch import Tensor

SMOOTH = 1e-5


def focal_loss(
    probabilities: Tensor, target: Tensor, gamma: float = 2.0, counts: Tensor | None = None
) -> Tensor:
    """Mean of -(1 - p_t)^gamma log p_t, with the target's one-hot vector kept off 0 and 1.

    Parameters
    ----------
    probabilities : Tensor [b, 2, ...]
        Of normal and abnormal, summing to one.
    target : Tensor [b, ...]
        1 where abnormal, else 0.
    gamma : float
    counts : Tensor [b, ...], optional
        How much each entry counts; default 1.
    """
    abnormal = target.to(probabilities.dtype)
    one_hot = torch.stack([1 - abnormal, abnormal], 1).clamp(SMOOTH, 1 - SMOOTH)
    p = (one_hot * probabilities).sum(1) + SMOOTH
    loss = -((1 - p) ** gamma) * p.log()
    return loss.mean() if counts is None else (loss * counts).sum() / counts.sum().clamp(min=1)


def dice_loss(probability: Tensor, target: Tensor, counts: Tensor | None = None) -> Tensor:
    """1 - (2 sum(p g) + 1) / (sum p + sum g + 1), mean over images.

    Parameters
    ----------
    probability, target : Tensor [b, h, w]
    counts : Tensor [b, h, w], optional
        How much each pixel counts in all sums; default 1.
    """
    p, g = probability.flatten(1), target.to(probability.dtype).flatten(1)
    c = torch.ones_like(p) if counts is None else counts.flatten(1)
    return (1 - (2 * (c * p * g).sum(1) + 1) / ((c * p).sum(1) + (c * g).sum(1) + 1)).mean()
