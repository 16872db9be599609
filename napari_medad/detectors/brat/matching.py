"""Pairwise View Alignment: which view of an image says which sentence of a report."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Matches(NamedTuple):
    """Greedy one-to-one pairs of views and sentences.

    Attributes
    ----------
    view : Tensor [..., n_s] int64
        Of each sentence; -1 where none was left for it, or where it is padding.
    score : Tensor [..., n_s] float32
        Similarity of the pair; 0 where there is none. Gradients flow through it.
    """

    view: Tensor
    score: Tensor

    @property
    def similarity(self) -> Tensor:
        """Mean over the matched pairs [...] (Eq. 6)."""
        paired = (self.view >= 0).sum(-1).clamp(min=1)
        return self.score.sum(-1) / paired


def match(similarities: Tensor, present: Tensor | None = None) -> Matches:
    """Take the best pair whose view and sentence are both free, until either runs out (Alg. 1).

    Parameters
    ----------
    similarities : Tensor [..., n_q, n_s]
        S = V F^T of normalised views and sentences.
    present : Tensor [..., n_s] bool, optional
        Which sentences are no padding. Default: all.

    Returns
    -------
    Matches
        Exactly the pairs of the sorted list; of equal similarities the first by view, then by
        sentence, is taken.
    """
    *leading, views, sentences = similarities.shape
    free = similarities.detach().float().reshape(-1, views, sentences).clone()
    if present is not None:
        padding = ~present.expand(*leading, sentences).reshape(-1, 1, sentences)
        free.masked_fill_(padding, -torch.inf)
    view = torch.full((len(free), sentences), -1, device=free.device)
    rows = torch.arange(len(free), device=free.device)
    for _ in range(min(views, sentences)):
        best, place = free.flatten(1).max(dim=1)
        i, j = place // sentences, place % sentences
        found = best > -torch.inf
        view[rows[found], j[found]] = i[found]
        free[rows, i, :] = -torch.inf
        free[rows, :, j] = -torch.inf
    view = view.reshape(*leading, sentences)
    picked = similarities.float().gather(-2, view.clamp(min=0).unsqueeze(-2)).squeeze(-2)
    return Matches(view, picked * (view >= 0))
