"""What RASALoRE minimises: L = L_dec + L_PA + L_struct (+ lambda L_align)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import Tensor

ALPHA = BETA = 0.6
"""Weights of the false-positive and the background term (Eq. 1)."""
NARROW, WIDE = 10.0, 15.0
"""Standard deviation in pixels of the weights inside the masks and outside."""


def proximity(mask: np.ndarray, sigma: float) -> np.ndarray:
    """G_sigma(mask): the mask [h, w] blurred and scaled to a maximum of 1; 0 where it is empty."""
    blurred = gaussian_filter(mask.astype(np.float32), sigma)
    return blurred / max(float(blurred.max()), 1e-12)


def dice(a: Tensor, b: Tensor, counts: Tensor | None = None) -> Tensor:
    """Soft Dice overlap [n] of maps [n, ...], weighted by `counts`; 1 where both are empty."""
    both, either = (a * b, a + b) if counts is None else (a * b * counts, (a + b) * counts)
    return (2 * both.flatten(1).sum(1) + 1e-7) / (either.flatten(1).sum(1) + 1e-7)


def tversky(prediction: Tensor, target: Tensor, missed: float = 0.3) -> Tensor:
    """Soft Tversky index [n]: misses weigh `missed`, false alarms the rest."""
    p, t = prediction.flatten(1), target.flatten(1)
    hit = (p * t).sum(1)
    miss = ((1 - p) * t).sum(1)
    false = (p * (1 - t)).sum(1)
    return hit / (hit + missed * miss + (1 - missed) * false + 1e-6)


def exponential_log(overlap: Tensor) -> Tensor:
    """EL(t) = min((-ln t)^0.3, 2).

    t is kept off 0 and 1, where the published form has no gradient and an infinite one.
    """
    return (-overlap.clamp(1e-6, 1 - 1e-6).log()).pow(0.3).clamp(max=2)


def decoder_loss(
    mask: Tensor,
    weak: Tensor,
    refined: Tensor,
    weights: Tensor,
    variant: Literal["paper", "code"] = "paper",
) -> Tensor:
    """L_dec (Eq. 1).

    Parameters
    ----------
    mask : Tensor [n, h, w]
        Predicted probabilities P.
    weak, refined : Tensor [n, h, w]
        The weak mask D and its refinement S, 0 or 1. An empty D or S drops its term.
    weights : Tensor [n, 3, h, w]
        `proximity` of D, of S, and of 1 - D.
    variant : {"paper", "code"}
        Overlap of the first two terms: Dice, or the Tversky index of the released trainer.
    """
    overlap = dice if variant == "paper" else tversky
    near_weak, near_refined, near_background = weights.unbind(1)
    inside = exponential_log(overlap(mask, weak * near_weak))
    edges = exponential_log(overlap(mask, refined * (1 - near_refined)))
    agreement = dice(refined, weak)
    outside = 1 - weak
    false = (mask * outside).flatten(1).mean(1)
    background = exponential_log(dice((1 - mask) * outside, outside * near_background))
    loss = (
        inside * _present(weak)
        + agreement * edges * _present(refined)
        + ALPHA * false
        + BETA * background
    )
    return loss.mean()


def point_loss(activations: Tensor, targets: Tensor) -> Tensor:
    """L_PA: activations [n, k] against the weak mask at the points [n, k]."""
    return (exponential_log(dice(activations, targets)) * _present(targets)).mean()


def structure_loss(embedding: Tensor, targets: Tensor) -> Tensor:
    """L_struct: embeddings [n, k, d] of points on a lesion near +1, the others near -1."""
    to_active = (embedding - 1).square().mean(-1)
    to_inactive = (embedding + 1).square().mean(-1)
    inactive = 1 - targets
    active_term = (to_active * targets).sum(1) / targets.sum(1).clamp(min=1)
    inactive_term = (to_inactive * inactive).sum(1) / inactive.sum(1).clamp(min=1)
    return (active_term + inactive_term).mean()


def alignment_loss(embedding: Tensor, bridge: Tensor) -> Tensor:
    """L_align of one modality: mean squared distance to the frozen bridge's embeddings."""
    return F.mse_loss(embedding, bridge.detach())


def exact_loss(logits: Tensor, truth: Tensor, importance: Tensor | None = None) -> Tensor:
    """What takes the place of L_dec where masks are exact, on logits and truth [n, h, w].

    Cross-entropy, and one minus the soft Dice overlap where there is a lesion. L_dec is made
    to forgive the errors of weak masks, which exact ones do not have.

    Parameters
    ----------
    logits, truth : Tensor [n, h, w]
    importance : Tensor [n, h, w], optional
        How much each pixel counts in both terms; default 1.
    """
    counts = torch.ones_like(truth) if importance is None else importance
    overlap = 1 - dice(logits.sigmoid(), truth, counts)
    entropy = F.binary_cross_entropy_with_logits(logits, truth, counts, reduction="sum")
    return entropy / counts.sum().clamp(min=1) + (overlap * _present(truth)).mean()


def points_of(mask: Tensor, side: int) -> Tensor:
    """M_PA: a mask [n, h, w] at the grid's points, [n, side * side], row first."""
    step = mask.shape[-1] // side
    return (mask[:, ::step, ::step] > 0).flatten(1).to(mask.dtype)


def _present(mask: Tensor) -> Tensor:
    return (mask.flatten(1).amax(1) > 0).to(torch.float32)
