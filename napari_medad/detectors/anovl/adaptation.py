"""AnoVL's test-time adaptation: a small adapter learned on the very slice that is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_medad.detectors.anovl.network import Prompts, chances

NOISE = 0.055
"""Standard deviation of what makes a token abnormal (0.05 x 1.1)."""

Noise = Callable[[int], Tensor]
"""Gives the noise [n, joint] of a step."""


@dataclass(frozen=True, eq=False)
class Start:
    """Where every slice's adapter begins: weight [m, joint], bias [m], and the noise to come."""

    weight: Tensor
    bias: Tensor
    noise: Noise

    @classmethod
    def drawn(cls, prompts: Prompts, patches: int, kind: str, seed: int = 0) -> Start:
        """The default draw of a linear layer, the same for every slice.

        Parameters
        ----------
        prompts : Prompts
        patches : int
            Tokens n of a slice.
        kind : {"text", "linear"}
        seed : int
        """
        joint = prompts.states.shape[1]
        outputs = len(prompts.sentences) if kind == "text" else joint
        generator = torch.Generator().manual_seed(seed)
        bound = joint**-0.5
        weight = (2 * torch.rand(outputs, joint, generator=generator) - 1) * bound
        bias = (2 * torch.rand(outputs, generator=generator) - 1) * bound

        def noise(_: int) -> Tensor:
            return NOISE * torch.randn(patches, joint, generator=generator)

        return cls(weight, bias, noise)


def adapted(
    tokens: Tensor, prompts: Prompts, start: Start, kind: str, steps: int, rate: float
) -> Tensor:
    """Tokens [b, n, joint] after each slice's own adapter has learned, in fp32.

    The slices' adapters are independent: a batch gives what one slice after another does.

    Parameters
    ----------
    kind : {"text", "linear"}
        A(x) = tanh(W x / |x| + b) E, or W x / |x| + b.
    steps : int
    rate : float
        Learning rate of AdamW.
    """
    weight = start.weight.to(tokens).expand(len(tokens), -1, -1).clone().requires_grad_()
    bias = start.bias.to(tokens).expand(len(tokens), 1, -1).clone().requires_grad_()
    optimiser = torch.optim.AdamW([weight, bias], lr=rate)

    def adapter(x: Tensor) -> Tensor:
        answer = F.normalize(x, dim=-1) @ weight.transpose(1, 2) + bias
        if kind == "text":
            answer = answer.tanh() @ prompts.sentences
        return 0.5 * x + 0.5 * answer

    for step in range(steps):
        clean = chances(adapter(tokens), prompts.states)
        noisy = chances(adapter(tokens + start.noise(step).to(tokens)), prompts.states)
        optimiser.zero_grad()
        adaptation_loss(clean, noisy).sum().backward()
        optimiser.step()
    with torch.no_grad():
        return adapter(tokens)


def adaptation_loss(clean: Tensor, noisy: Tensor) -> Tensor:
    """Entropy of what is clean, and half of: clean is normal, noisy is abnormal; [b].

    Parameters
    ----------
    clean, noisy : Tensor [b, n, 2]
        P(normal) and P(abnormal) of a slice's tokens, and of these with noise.
    """
    entropy = -(clean * clean.log()).sum(-1).mean(-1)
    pseudo = (-noisy[..., 1].log() - clean[..., 0].log()).mean(-1)
    return entropy + 0.5 * pseudo
