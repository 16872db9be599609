"""What SD-MAD minimises."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Terms(NamedTuple):
    """L_img-text and L_anchor, each a mean over images of sums over signs."""

    image_text: Tensor
    anchor: Tensor


def sign_loss(
    image: Tensor, signs: Tensor, anchor: Tensor, owner: Tensor, same: Tensor, labels: Tensor
) -> Terms:
    """Distances d = 1 - cosine of images to the signs of their categories, and to the anchor.

    L_img-text = sum_i d(img, t_c,i)
    L_anchor = sum_i max(0, d(img, t_c,i) - d(img, a))
             + sum over k != c, j of max(0, d(img, a) - d(img, t_k,j))

    Of an image with several categories each is c once, and none of them is a negative, nor is
    a sign that it shares with another category. A normal image has d(img, a) in the place of
    L_img-text, and all signs are negatives.

    Parameters
    ----------
    image : Tensor [b, joint]
        Unit features.
    signs : Tensor [n, joint]
        Unit features.
    anchor : Tensor [joint]
        Unit feature of the normal sentence.
    owner : Tensor [n]
        Category of each sign.
    same : Tensor [n, n] bool
        Which signs are the same sentence.
    labels : Tensor [b, K]
        1 for the categories that an image shows.
    """
    to_signs, to_anchor = 1 - image @ signs.T, 1 - image @ anchor
    own = labels[:, owner] > 0
    shown = (own.float() @ same.float()) > 0
    count = labels.sum(1)
    times = count.clamp(min=1)[:, None]
    to_text = (to_signs * own).sum(1) + torch.where(count == 0, to_anchor, 0)
    beyond = (to_signs - to_anchor[:, None]).clamp(min=0) * own
    within = (to_anchor[:, None] - to_signs).clamp(min=0) * ~shown * times
    return Terms(to_text.mean(), (beyond + within).sum(1).mean())
