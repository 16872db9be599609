"""What VAND minimises."""

from __future__ import annotations

from torch import Tensor

from napari_medad.backbones.clip.losses import dice_loss, focal_loss


def pixel_loss(probabilities: Tensor, masks: Tensor, counts: Tensor | None = None) -> Tensor:
    """Focal and Dice of one stage; of the abnormal channel alone, unlike AnomalyCLIP.

    Parameters
    ----------
    probabilities : Tensor [b, 2, s, s]
    masks : Tensor [b, s, s]
        1 where abnormal.
    counts : Tensor [b, s, s], optional
        How much each pixel counts; default 1.
    """
    return focal_loss(probabilities, masks, counts=counts) + dice_loss(
        probabilities[:, 1], masks, counts
    )
