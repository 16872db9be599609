"""The focal and Dice losses that adapters of CLIP are trained with."""

from __future__ import annotations

import torch
from torch import Tensor

SMOOTH = 1e-5


def focal_loss(probabilities: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """Mean of -(1 - p_t)^gamma log p_t, with the target's one-hot vector kept off 0 and 1.

    Parameters
    ----------
    probabilities : Tensor [b, 2, ...]
        Of normal and abnormal, summing to one.
    target : Tensor [b, ...]
        1 where abnormal, else 0.
    gamma : float
    """
    abnormal = target.to(probabilities.dtype)
    one_hot = torch.stack([1 - abnormal, abnormal], 1).clamp(SMOOTH, 1 - SMOOTH)
    p = (one_hot * probabilities).sum(1) + SMOOTH
    return (-((1 - p) ** gamma) * p.log()).mean()


def dice_loss(probability: Tensor, target: Tensor) -> Tensor:
    """1 - (2 sum(p g) + 1) / (sum p + sum g + 1), mean over images.

    Parameters
    ----------
    probability, target : Tensor [b, h, w]
    """
    p, g = probability.flatten(1), target.to(probability.dtype).flatten(1)
    return (1 - (2 * (p * g).sum(1) + 1) / (p.sum(1) + g.sum(1) + 1)).mean()
