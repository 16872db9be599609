"""The objective of the pre-training (Sec. 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_medad.detectors.brat.matching import match

SMOOTHING = 0.1
"""Label smoothing of BLIP-2's language model."""


def similarities(
    views: Tensor, sentences: Tensor, present: Tensor, matching: str = "pva"
) -> Tensor:
    """Similarity of every image and every report of a batch [b, b] float32.

    Parameters
    ----------
    views : Tensor [b, n_q, d]
        V, of length 1.
    sentences : Tensor [b, n_s, d]
        F, of length 1.
    present : Tensor [b, n_s] bool
        Which sentences are no padding.
    matching : {"pva", "colbert"}
        Mean over greedily matched pairs (Eq. 6), or over the sentences' best views, which may
        be the same one.
    """
    pairs = torch.einsum("iqd,jsd->ijqs", views.float(), sentences.float())
    if matching == "pva":
        return match(pairs, present).similarity
    best = pairs.amax(dim=2) * present
    return best.sum(-1) / present.sum(-1)


def contrastive(similarity: Tensor, temperature: Tensor | float) -> Tensor:
    """Mean of image-to-report and report-to-image cross-entropy (Eqs. 7 and 8).

    Parameters
    ----------
    similarity : Tensor [b, b]
        Own pairs on the diagonal.
    temperature : Tensor or float
    """
    logits = similarity.float() / temperature
    own = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def entropy(attention: Tensor) -> Tensor:
    """h_i = -sum c log c of maps [..., n] that sum to 1 (Eq. 1), in nats."""
    return torch.special.entr(attention).sum(-1)


def dpp(attention: Tensor, *, epsilon: float = 1e-4, normalised: bool = True) -> Tensor:
    """Negative log-determinant of the quality-diversity kernel (Eqs. 1, 2 and 5).

    Parameters
    ----------
    attention : Tensor [b, n_q, n]
        c, each map sums to 1.
    epsilon : float
        Added to the kernel's diagonal.
    normalised : bool
        Whether the maps' directions stand in the kernel, as the text says, or the maps
        themselves, as the formula does; these are longest where they are most peaked, which
        works against the entropy.

    Returns
    -------
    Tensor
        Mean over the batch, float32.
    """
    with torch.autocast(attention.device.type, enabled=False):
        maps = attention.float()
        quality = entropy(maps)
        directions = F.normalize(maps, dim=-1) if normalised else maps
        features = directions * quality.unsqueeze(-1)
        kernel = features @ features.mT
        eye = torch.eye(kernel.shape[-1], device=kernel.device)
        return -torch.linalg.slogdet(kernel + epsilon * eye).logabsdet.mean()


def pairwise_repulsion(attention: Tensor) -> Tensor:
    """Mean cosine of all pairs of different maps [b, n_q, n]: the ablation of the DPP."""
    directions = F.normalize(attention.float(), dim=-1)
    return mean_cosine(directions)


def mean_cosine(unit: Tensor) -> Tensor:
    """Mean cosine of all pairs of different vectors [b, n_q, d] of length 1; 1 is collapse."""
    count = unit.shape[1]
    total = unit.sum(dim=1).square().sum(-1) - count
    return (total / max(count * (count - 1), 1)).mean()


def repulsion(
    attention: Sequence[Tensor], kind: str, *, epsilon: float, normalised: bool
) -> Tensor:
    """Mean over layers of "dpp" or "pairwise"."""
    losses = [
        dpp(maps, epsilon=epsilon, normalised=normalised)
        if kind == "dpp"
        else pairwise_repulsion(maps)
        for maps in attention
    ]
    return torch.stack(losses).mean()


def report_writing(logits: Tensor, ids: Tensor, there: Tensor) -> Tensor:
    """Cross-entropy of each next word of the reports (BLIP-2's ITG).

    Parameters
    ----------
    logits : Tensor [b, t, vocabulary]
    ids : Tensor [b, t] int64
    there : Tensor [b, t] bool
        What is no padding.
    """
    wanted = ids[:, 1:].masked_fill(~there[:, 1:], -100)
    return F.cross_entropy(
        logits[:, :-1].float().flatten(0, 1), wanted.flatten(), label_smoothing=SMOOTHING
    )
