"""What AdaCLIP minimises."""

from __future__ import annotations

from torch import Tensor

from napari_medad.backbones.clip.losses import dice_loss, focal_loss


def image_loss(chances: Tensor, labels: Tensor) -> Tensor:
    """Focal loss of P(normal), P(abnormal) [b, 2] and labels [b]."""
    return focal_loss(chances, labels)


def pixel_loss(probabilities: Tensor, masks: Tensor, counts: Tensor | None = None) -> Tensor:
    """Focal, and Dice of both channels, of one stage.

    Parameters
    ----------
    probabilities : Tensor [b, 2, s, s]
    masks : Tensor [b, s, s]
        1 where abnormal.
    counts : Tensor [b, s, s], optional
        How much each pixel counts; default 1.
    """
    normal, abnormal = probabilities[:, 0], probabilities[:, 1]
    dice = dice_loss(abnormal, masks, counts) + dice_loss(normal, 1 - masks, counts)
    return focal_loss(probabilities, masks, counts=counts) + dice
