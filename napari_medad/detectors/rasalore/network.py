"""The network of RASALoRE: LoRE, image encoder, refiner, RASA and mask decoder."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

SIZE = 128
"""Rows and columns of the input; the map has twice as many."""
TOKENS = 64
"""Rows and columns of the feature maps that points attend to."""


class Output(NamedTuple):
    """What the network says of a batch.

    Attributes
    ----------
    logits : Tensor [b, 1, 2 size, 2 size]
        Mask before the sigmoid.
    activations : Tensor [b, k]
        Probability that each point lies on a lesion.
    embedding : Tensor [b, k, d]
        Region-aware embedding of each point.
    """

    logits: Tensor
    activations: Tensor
    embedding: Tensor


def random_embedding(
    side: int, width: int, kind: Literal["fixed", "reference"], generator: torch.Generator
) -> Tensor:
    """Location-based random embeddings (LoRE) [side * side, width] of a grid of points.

    A point c in [-1, 1]^2 becomes [sin 2 pi cG, cos 2 pi cG] plus one vector common to all.
    With the published integer G, points half an image apart get the same embedding, so that
    only a quarter of the rows are distinct; "fixed" leaves G real, and all rows differ.
    """
    line = torch.arange(side, dtype=torch.float32) / side * 2 - 1
    points = torch.cartesian_prod(line, line)
    projection = torch.randn(2, width // 2, generator=generator) * 128
    if kind == "reference":
        projection = projection.floor()
    phase = 2 * torch.pi * points @ projection
    common = torch.randn(width, generator=generator)
    return torch.cat([phase.sin(), phase.cos()], dim=1) + common


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of [b, c, h, w]."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise every pixel's channels.

        Written out along the channels: torch's kernel goes through rows of contiguous
        numbers, which are slow to make of few channels.
        """
        x = x.float()
        x = x - x.mean(1, keepdim=True)
        x = x * (x.square().mean(1, keepdim=True) + self.eps).rsqrt()
        return x * self.weight[:, None, None] + self.bias[:, None, None]


Norm = Literal["channel", "batch"]


def encoder_stage(channels_in: int, channels: int, dropout: float, norm: Norm) -> nn.Sequential:
    """Two 3x3 convolutions, normalisation and dropout; keeps the size."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.ReLU(),
        ChannelNorm(channels, eps=1e-6) if norm == "channel" else nn.BatchNorm2d(channels),
        nn.Dropout2d(dropout),
    )


class ImageEncoder(nn.Module):
    """Image [b, 1, 128, 128] -> first features [b, w, 128, 128] and last [b, 8w, 64, 64].

    As released: it pools once, after stage 3, and so sees little of the surroundings.
    """

    def __init__(self, width: int, norm: Norm, dropout: float) -> None:
        super().__init__()
        self.stage1 = encoder_stage(1, width, dropout, norm)
        self.stage2 = encoder_stage(width, 2 * width, dropout, norm)
        self.stage3 = encoder_stage(2 * width, 4 * width, dropout, norm)
        self.stage4 = encoder_stage(4 * width, 8 * width, dropout, norm)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Features after stages 1 and 4."""
        first = self.stage1(image)
        return first, self.stage4(F.max_pool2d(self.stage3(self.stage2(first)), 2))


class UNetEncoder(nn.Module):
    """Image [b, 1, 128, 128] -> first features [b, w, 64, 64] and last [b, 8w, 64, 64].

    The U-Net that the paper speaks of: it pools after every stage down to 8 x 8, where a
    pixel knows most of the slice, and comes back up to the size of the tokens. Of stage 1,
    whose pixels are half as wide, four neighbours become the channels of one.
    """

    def __init__(self, width: int, norm: Norm, dropout: float) -> None:
        super().__init__()
        down = [1, width, 2 * width, 4 * width, 8 * width, 8 * width]
        up = [16 * width, 12 * width, 14 * width]
        self.stage1 = encoder_stage(down[0], down[1], dropout, norm)
        self.down = nn.ModuleList(encoder_stage(a, b, dropout, norm) for a, b in pairwise(down[1:]))
        self.up = nn.ModuleList(encoder_stage(a, 8 * width, dropout, norm) for a in up)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features of stage 1, and those of the last stage on the way up."""
        fine = self.stage1(image)
        first = F.max_pool2d(fine, 2)
        levels = [self.down[0](first)]
        for stage in self.down[1:]:
            levels.append(stage(F.max_pool2d(levels[-1], 2)))
        last = levels.pop()
        levels[0] = torch.cat([levels[0], F.pixel_unshuffle(fine, 2)], dim=1)
        for stage in self.up:
            last = stage(torch.cat([F.interpolate(last, scale_factor=2.0), levels.pop()], dim=1))
        return first, last


class Refiner(nn.Module):
    """First features [b, w, s, s] -> what points look at, [b, 8w, 64, 64]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.widen = nn.Sequential(
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, 4 * width, 3, padding=1),
            nn.BatchNorm2d(4 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(4 * width, 8 * width, 3, padding=1),
            nn.BatchNorm2d(8 * width),
            nn.ReLU(),
        )
        self.skip = nn.Conv2d(width, 8 * width, 1)

    def forward(self, first: Tensor) -> Tensor:
        """Widen, add the skip, and pool what is larger than the tokens."""
        refined = self.widen(first) + self.skip(first)
        if refined.shape[-1] == TOKENS:
            return refined
        return F.avg_pool2d(refined, 4, stride=2, padding=1)


class RegionAwareAttention(nn.Module):
    """RASA: every point's embedding gathers the image regions that concern it.

    Each of the four heads has the full width d. The table added to the values is learned
    (the paper calls it noise).
    """

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, heads * width)
        self.key = nn.Linear(width, heads * width)
        self.value = nn.Linear(width, heads * width)
        self.project = nn.Linear(heads * width, width)
        self.position = nn.Parameter(torch.randn(TOKENS * TOKENS, width))
        self.point_head = nn.Sequential(
            nn.Linear(width, width // 2),
            nn.ReLU(),
            nn.LayerNorm(width // 2),
            nn.Linear(width // 2, width // 4),
            nn.ReLU(),
            nn.LayerNorm(width // 4),
            nn.Linear(width // 4, 1),
            nn.Sigmoid(),
        )

    def forward(self, refined: Tensor, lore: Tensor) -> tuple[Tensor, Tensor]:
        """Activations [b, k] and embeddings [b, k, d] of points with LoRE [k, d].

        q(E) k(R)^T = (q(E) W_k) R^T up to a constant per point, which the softmax ignores,
        and A v(R + N) = (A (R + N)) W_v^T + b_v. So all heads attend to the tokens
        themselves, and neither keys nor values of 4096 tokens are made for each of them.
        """
        tokens = rearrange(refined, "b d h w -> b 1 (h w) d")
        query = rearrange(self.query(lore), "k (n d) -> n k d", n=self.heads) @ self._of(self.key)
        query = rearrange(query, "n k d -> 1 1 (n k) d").expand(len(tokens), -1, -1, -1)
        key, value = (t.to(query.dtype).contiguous() for t in (tokens, tokens + self.position))
        gathered = F.scaled_dot_product_attention(query, key, value)
        gathered = rearrange(gathered, "b 1 (n k) d -> b n k d", n=self.heads)
        values = gathered @ self._of(self.value).transpose(1, 2)
        values = rearrange(values, "b n k d -> b k (n d)") + self.value.bias
        embedding = self.project(values) + lore
        return self.point_head(embedding).squeeze(-1), embedding

    def _of(self, linear: nn.Linear) -> Tensor:
        """Weights of a projection by head [n, d, d]."""
        return rearrange(linear.weight, "(n d) e -> n d e", n=self.heads)


class MaskDecoder(nn.Module):
    """Points' embeddings and last features -> logits [b, 1, 256, 256]."""

    def __init__(self, width: int, points: int, dropout: float) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.randn(1, width, TOKENS, TOKENS))
        self.attention = nn.MultiheadAttention(width, 4)
        self.dropout = nn.Dropout(dropout)
        self.query_norm = nn.LayerNorm(width)
        self.product_norm = nn.LayerNorm(points)
        self.upsample = nn.Sequential(
            nn.ConvTranspose2d(points, width // 2, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(width // 2, width // 4, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width // 4, 1, 1),
        )

    def forward(self, embedding: Tensor, last: Tensor) -> Tensor:
        """Cross-attend, compare every pixel with every point, upsample."""
        features = rearrange(last, "b d h w -> b (h w) d").contiguous()
        # Contiguous with the sequence first, torch's projections are single matrix products.
        attended, _ = self.attention(
            rearrange(embedding, "b k d -> k b d").contiguous(),
            rearrange(last, "b d h w -> (h w) b d").contiguous(),
            rearrange(last + self.position, "b d h w -> (h w) b d").contiguous(),
            need_weights=False,
        )
        query = self.query_norm(self.dropout(attended.transpose(0, 1)) + embedding)
        product = self.product_norm(features @ query.transpose(1, 2))
        return self.upsample(rearrange(product, "b (h w) k -> b k h w", h=TOKENS))


class Rasalore(nn.Module):
    """RASALoRE for one modality or several.

    Encoder, refiner and decoder are shared; each modality has its own LoRE and RASA. The
    embedding is a buffer, so that it is stored with the weights, which are useless without.

    Parameters
    ----------
    width : int
        Channels of the first stage, w (paper: 32). Embeddings have d = 8 w.
    side : int
        Points per row; k = side * side (paper: 32).
    modalities : sequence of str
        One branch each.
    lore : {"fixed", "reference"}
        See `random_embedding`.
    seed : int
        Draw of the embedding.
    scaled : bool
        Whether grey values are centred first. The published network takes them as 0..255
        with biases near 0; its channel normalisation then removes brightness from even
        tissue, and biases take very long to grow large enough to bring it back.
    encoder_kind : {"code", "unet"}
        The released encoder, or the U-Net that the paper speaks of.
    norm : {"channel", "batch"}
        What follows each stage of the encoder (published: "channel", over the channels of
        each pixel, which makes grey values alike that lie far from the middle).
    dropout : float
        While training, of whole channels in the encoder and of values in the decoder.
    """

    lore: Tensor

    def __init__(
        self,
        width: int = 32,
        side: int = 32,
        modalities: tuple[str, ...] = ("any",),
        lore: Literal["fixed", "reference"] = "fixed",
        seed: int = 0,
        scaled: bool = False,
        encoder_kind: Literal["code", "unet"] = "code",
        norm: Norm = "channel",
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.scaled = scaled
        self.encoder_kind = encoder_kind
        self.norm = norm
        self.modalities = tuple(modalities)
        self.width = width
        self.side = side
        kind = UNetEncoder if encoder_kind == "unet" else ImageEncoder
        self.encoder = kind(width, norm, dropout)
        self.refiner = Refiner(width)
        self.attention = nn.ModuleList(RegionAwareAttention(8 * width) for _ in modalities)
        self.decoder = MaskDecoder(8 * width, side * side, dropout)
        generator = torch.Generator().manual_seed(seed)
        draws = [random_embedding(side, 8 * width, lore, generator) for _ in modalities]
        self.register_buffer("lore", torch.stack(draws))
        self.apply(_kaiming)
        if scaled:
            nn.init.uniform_(self.encoder.stage1.get_parameter("0.bias"), -1, 1)
            nn.init.normal_(self.decoder.upsample.get_parameter("4.weight"), std=0.1)
        self.to(memory_format=torch.channels_last)  # faster on processors

    def forward(self, image: Tensor, branch: int = 0) -> Output:
        """Look at slices [b, 1, 128, 128] of grey values 0..255 of one modality."""
        if self.scaled:
            image = (image - 96) / 32
        first, last = self.encoder(image)
        activations, embedding = self.attention[branch](self.refiner(first), self.lore[branch])
        return Output(self.decoder(embedding, last), activations, embedding)


def _kaiming(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
