"""Shared encoder, prompt encoder, router and experts: tensors in, tensors out."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from einops import einsum, rearrange
from torch import Tensor, nn

from napari_medad.detectors.moe.settings import MoeArchitecture

CODE = 16
"""Width of v and of tau."""
TEXT = 512
"""Width of the text features."""
CHANNELS = (16, 32, 64, 64)


class MoeOutput(NamedTuple):
    """What one forward pass gives.

    Attributes
    ----------
    reconstruction : Tensor [b, 1, size, size]
        x_hat, Eq. 2.
    hallucination : Tensor [b, 1, size, size]
        u, Eq. 3.
    router : Tensor [b, n]
        softmax before TopK: what the router loss sees.
    """

    reconstruction: Tensor
    hallucination: Tensor
    router: Tensor


class Encoder(nn.Module):
    """Image [b, 1, size, size] -> v [b, 16]. Four strided convolutions, two FC layers."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip((1, *CHANNELS[:-1]), CHANNELS, strict=True):
            layers += [
                nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
        self.convolutions = nn.Sequential(*layers)
        self.to_code = nn.Sequential(
            nn.Flatten(),
            nn.Linear(CHANNELS[-1] * (size // 16) ** 2, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, CODE),
        )

    def forward(self, image: Tensor) -> Tensor:
        """V = f(x)."""
        return self.to_code(self.convolutions(image))


def expand(size: int, hidden: int, direct: bool) -> nn.Sequential:
    """Layers from v [b, 16] to the smallest feature map [b, 64, size/16, size/16]."""
    flat = CHANNELS[-1] * (size // 16) ** 2
    shape = nn.Unflatten(1, (CHANNELS[-1], size // 16, size // 16))
    if direct:
        return nn.Sequential(nn.Linear(CODE, flat), shape)
    return nn.Sequential(
        nn.Linear(CODE, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, flat),
        shape,
    )


class Expert(nn.Module):
    """Decoder from v (or the shared feature map) to mu and sigma [b, 2, size, size]."""

    def __init__(self, architecture: MoeArchitecture) -> None:
        super().__init__()
        shared = architecture.decoder_fc == "shared"
        self.expand = (
            nn.Identity()
            if shared
            else expand(architecture.size, architecture.hidden, architecture.decoder_fc == "direct")
        )
        widths = CHANNELS[::-1]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [
                nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
        layers.append(nn.ConvTranspose2d(widths[-1], 2, 4, stride=2, padding=1, bias=False))
        self.deconvolutions = nn.Sequential(*layers)

    def forward(self, code: Tensor) -> Tensor:
        """mu, sigma."""
        return self.deconvolutions(self.expand(code))


class MixtureOfExperts(nn.Module):
    """The whole network.

    Parameters
    ----------
    architecture : MoeArchitecture
    experts : int
        N, the number of tasks (the router loss ties each expert to a task).
    """

    error_scale: Tensor
    median_error: Tensor
    steps: Tensor

    def __init__(self, architecture: MoeArchitecture, experts: int) -> None:
        super().__init__()
        self.architecture = architecture
        self.encoder = Encoder(architecture.size, architecture.hidden)
        self.prompt = nn.Linear(TEXT, CODE)
        self.router = nn.Linear(2 * CODE, experts)
        self.shared = (
            expand(architecture.size, architecture.hidden, direct=False)
            if architecture.decoder_fc == "shared"
            else nn.Identity()
        )
        self.experts = nn.ModuleList(Expert(architecture) for _ in range(experts))
        self.register_buffer("error_scale", torch.ones(()))
        self.register_buffer("median_error", torch.zeros(()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, image: Tensor, text: Tensor | None = None) -> MoeOutput:
        """Reconstruct images.

        Parameters
        ----------
        image : Tensor [b, 1, size, size], 0..1
        text : Tensor [b, 512], optional
            Prompt features; None or a row of zeros stands for no prompt (tau = 0).
        """
        code = self.encoder(image)
        probability = self.route(code, text)
        weights = self.top_k(probability)
        features = self.shared(code)
        # Eq. 2 and 3; experts that no image of the batch selects are not run
        used = [k for k in range(len(self.experts)) if self.training or weights[:, k].any()]
        decoded = torch.stack([self.experts[k](features) for k in used])
        if self.architecture.sigma == "abs":
            decoded = torch.cat([decoded[:, :, :1], decoded[:, :, 1:].abs()], dim=2)
        mixed = einsum(decoded, weights[:, used].to(decoded), "k b c h w, b k -> b c h w")
        return MoeOutput(mixed[:, :1], mixed[:, 1:], probability)

    def route(self, code: Tensor, text: Tensor | None) -> Tensor:
        """softmax([v, tau] W + b) [b, n], Eq. 1 before TopK."""
        tau = code.new_zeros(code.shape[0], CODE)
        if text is not None and self.architecture.prompted:
            given = text.abs().sum(dim=1, keepdim=True) > 0
            tau = self.prompt(text) * given
        return torch.softmax(self.router(torch.cat([code, tau.to(code)], dim=1)).float(), dim=1)

    def top_k(self, probability: Tensor) -> Tensor:
        """s: the K largest router weights, the others 0; not renormalised (Eq. 1)."""
        k = self.architecture.top_k
        if k == 0 or k >= probability.shape[1]:
            return probability
        values, indices = probability.topk(k, dim=1)
        return torch.zeros_like(probability).scatter(1, indices, values)

    def anomaly(self, image: Tensor, output: MoeOutput) -> Tensor:
        """Signed a = sign(e) (c e)^2 exp(-u^2), e = x - x_hat, [b, 1, size, size] (Section 3.5).

        Its absolute value is the paper's map; the sign says whether the image is brighter
        or darker than expected.
        """
        error = (image - output.reconstruction).float()
        scaled = self.error_scale * error
        return error.sign() * scaled.square() * torch.exp(-self.variance(output))

    def variance(self, output: MoeOutput) -> Tensor:
        """The exponent that damps errors: u^2 (Eq. 5), u itself (log variance), or 0 without."""
        u = output.hallucination.float()
        if not self.architecture.hallucination:
            return torch.zeros_like(u)
        return u.square() if self.architecture.likelihood == "squared" else u


def trainable_parameters(network: nn.Module) -> int:
    """Number of parameters that training changes."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def router_table(probability: Tensor, task: Tensor, tasks: int) -> Tensor:
    """Mean router weights [tasks, experts] of images with known tasks (the paper's Fig. 6)."""
    one_hot = nn.functional.one_hot(task, tasks).to(probability)
    total = einsum(one_hot, probability, "b t, b n -> t n")
    return total / rearrange(one_hot.sum(0).clamp(min=1), "t -> t 1")
