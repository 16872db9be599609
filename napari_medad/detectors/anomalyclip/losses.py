"""What AnomalyCLIP minimises: a global and a local loss."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from napari_medad.backbones.clip.losses import dice_loss, focal_loss

LOCAL = 4.0
"""Weight of the local loss in the released code."""


def image_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """L_global: cross-entropy of logits [b, 2] and labels [b]."""
    return F.cross_entropy(logits.float(), labels)


def pixel_loss(maps: Tensor, masks: Tensor, counts: Tensor | None = None) -> Tensor:
    """L_local of one layer: focal, and Dice of both channels.

    Parameters
    ----------
    maps : Tensor [b, 2, s, s]
        Probabilities of normal and abnormal.
    masks : Tensor [b, s, s]
        1 where abnormal.
    counts : Tensor [b, s, s], optional
        How much each pixel counts; default 1.
    """
    normal, abnormal = maps[:, 0], maps[:, 1]
    return (
        focal_loss(maps, masks, counts=counts)
        + dice_loss(abnormal, masks, counts)
        + dice_loss(normal, 1 - masks, counts)
    )
