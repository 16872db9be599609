"""The objective, Eq. 4 to 6, with the error scale that makes the hallucination head work."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_medad.detectors.moe.network import MixtureOfExperts, MoeOutput

FIRES = 0.1
"""|u| above which a pixel counts as a hallucination, for the log."""


def router_loss(probability: Tensor, task: Tensor) -> Tensor:
    """L_rn, Eq. 4: cross-entropy of the router with the task, before TopK.

    Parameters
    ----------
    probability : Tensor [b, n]
    task : Tensor [b] of int
    """
    return -torch.log(probability.gather(1, task[:, None]).clamp(min=1e-8)).mean()


def reconstruction_loss(
    error: Tensor,
    u: Tensor,
    scale: Tensor | float = 1.0,
    likelihood: str = "squared",
    importance: Tensor | None = None,
) -> Tensor:
    """L_re, Eq. 5, with an error scale c: mean of (c e)^2 exp(-u^2) + u^2.

    With intensities in 0..1 and c = 1 every squared error is at most 1, where the optimum is
    u = 0: the head has no reason to fire. c is therefore set so that the median error is
    about 1. `likelihood="log variance"` replaces u^2 by a free u (AE-U). `importance` weighs
    the pixels.
    """
    exponent = u.square() if likelihood == "squared" else u
    return _mean((scale * error).square() * torch.exp(-exponent) + exponent, importance)


def _mean(values: Tensor, importance: Tensor | None) -> Tensor:
    """Mean of [b, 1, h, w], weighted by the importance of the pixels."""
    if importance is None:
        return values.mean()
    return (values * importance).sum() / importance.sum().clamp(min=1)


def objective(
    network: MixtureOfExperts,
    image: Tensor,
    foreground: Tensor,
    output: MoeOutput,
    task: Tensor,
    *,
    alpha: float,
    beta: float,
    warm_up: int,
    importance: Tensor | None = None,
) -> dict[str, Tensor]:
    """L = alpha L_rn + beta L_re, Eq. 6, and what is worth plotting beside it.

    For the first `warm_up` steps u is left out and the median error inside the foreground
    is followed; then c becomes its inverse and stays. `importance` [b, 1, h, w] weighs the
    pixels of L_re.
    """
    error = (image - output.reconstruction).float()
    routing = router_loss(output.router, task)
    warming = network.training and bool(network.steps < warm_up)
    if network.training:
        _follow(network, error, foreground, warm_up)
    if warming or not network.architecture.hallucination:
        scale = 1.0 if warming else network.error_scale
        u = torch.zeros_like(error)
        reconstruction = _mean((scale * error).square(), importance)
        reconstruction = reconstruction * (100.0 if warming else 1.0)
    else:
        u = output.hallucination.float()
        reconstruction = reconstruction_loss(
            error, u, network.error_scale, network.architecture.likelihood, importance
        )
    inside = foreground > 0
    return {
        "loss": alpha * routing + beta * reconstruction,
        "router": routing.detach(),
        "reconstruction": reconstruction.detach(),
        "mean error": error.detach()[inside].abs().mean(),
        "hallucinating": (u.detach()[inside].abs() > FIRES).float().mean(),
    }


@torch.no_grad()
def _follow(network: MixtureOfExperts, error: Tensor, foreground: Tensor, warm_up: int) -> None:
    """Running median of |e| inside the foreground; c = 1 / median when the warm-up ends."""
    network.steps += 1
    if network.steps > warm_up:
        return
    inside = error[foreground > 0].abs()
    median = inside.median() if inside.numel() else error.abs().median()
    network.median_error.lerp_(median.to(network.median_error), 0.1)
    share = 1 - 0.9 ** float(network.steps)  # the running mean started from 0
    network.error_scale.copy_(share / network.median_error.clamp(min=1e-4))
