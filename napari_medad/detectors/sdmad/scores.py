"""From cosines to scores and decisions, as printed: max for scores, min for decisions."""

from __future__ import annotations

import torch
from torch import Tensor

SCALE = 100.0
"""CLIP's own logit scale."""


def category_scores(cosines: Tensor, owner: Tensor, kept: Tensor, count: int) -> Tensor:
    """s_c = max over the kept signs of cos(img, t), [b, K].

    Parameters
    ----------
    cosines : Tensor [b, n]
    owner : Tensor [n]
        Category of each sign.
    kept : Tensor [n] bool
    count : int
        K.
    """
    return _over_kept(cosines, owner, kept, count, torch.amax)


def decisions(cosines: Tensor, anchor: Tensor, owner: Tensor, kept: Tensor, count: int) -> Tensor:
    """Whether min over the kept signs of cos(img, t) > cos(img, a), [b, K] bool.

    Parameters
    ----------
    anchor : Tensor [b]
        cos(img, a).
    """
    return _over_kept(cosines, owner, kept, count, torch.amin) > anchor[:, None]


def category_chances(scores: Tensor, anchor: Tensor) -> Tensor:
    """Probability [b, K] of each category's nearest sign against the anchor, at CLIP's scale.

    Parameters
    ----------
    scores : Tensor [b, K]
    anchor : Tensor [b]
    """
    return torch.sigmoid(SCALE * (scores - anchor[:, None]))


def slice_score(scores: Tensor, anchor: Tensor) -> Tensor:
    """How much nearer an image [b] is to its nearest sign than to the anchor, in 0..1.

    (1 + max_c s_c - cos(img, a)) / 2, so that a half means as near. Ours: the paper scores
    categories only.

    Parameters
    ----------
    scores : Tensor [b, K]
    anchor : Tensor [b]
    """
    return ((1 + scores.amax(1) - anchor) / 2).clamp(0, 1)


def _over_kept(cosines: Tensor, owner: Tensor, kept: Tensor, count: int, how) -> Tensor:  # type: ignore[no-untyped-def]
    return torch.stack([how(cosines[:, kept & (owner == c)], dim=1) for c in range(count)], 1)
