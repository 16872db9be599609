"""The network of RASALoRE: LoRE, image encoder, refiner, RASA and mask decoder."""

from __future__ import annotations

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
        """Normalise every pixel's channels."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def encoder_stage(channels_in: int, channels: int) -> nn.Sequential:
    """Two 3x3 convolutions, normalisation and dropout; keeps the size."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.ReLU(),
        ChannelNorm(channels, eps=1e-6),
        nn.Dropout2d(0.1),
    )


class ImageEncoder(nn.Module):
    """Image [b, 1, 128, 128] -> first features [b, w, 128, 128] and last [b, 8w, 64, 64].

    The published encoder passes stages 1 and 2 on unpooled, so it pools once.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stage1 = encoder_stage(1, width)
        self.stage2 = encoder_stage(width, 2 * width)
        self.stage3 = encoder_stage(2 * width, 4 * width)
        self.stage4 = encoder_stage(4 * width, 8 * width)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Features after stages 1 and 4."""
        first = self.stage1(image)
        third = self.stage3(self.stage2(first))
        return first, self.stage4(F.max_pool2d(third, 2))


class Refiner(nn.Module):
    """First features [b, w, 128, 128] -> what points look at, [b, 8w, 64, 64]."""

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
        """Widen, add the skip, pool."""
        return F.avg_pool2d(self.widen(first) + self.skip(first), 4, stride=2, padding=1)


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
        """Activations [b, k] and embeddings [b, k, d] of points with LoRE [k, d]."""
        tokens = rearrange(refined, "b d h w -> b (h w) d")
        query = self._heads(self.query(lore)[None]).expand(len(tokens), -1, -1, -1)
        key = self._heads(self.key(tokens))
        value = self._heads(self.value(tokens + self.position))
        gathered = F.scaled_dot_product_attention(query, key, value)
        embedding = self.project(rearrange(gathered, "b n k d -> b k (n d)")) + lore
        return self.point_head(embedding).squeeze(-1), embedding

    def _heads(self, x: Tensor) -> Tensor:
        return rearrange(x, "b k (n d) -> b n k d", n=self.heads)


class MaskDecoder(nn.Module):
    """Points' embeddings and last features -> logits [b, 1, 256, 256]."""

    def __init__(self, width: int, points: int) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.randn(1, width, TOKENS, TOKENS))
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.dropout = nn.Dropout(0.1)
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
        features = rearrange(last, "b d h w -> b (h w) d")
        placed = rearrange(last + self.position, "b d h w -> b (h w) d")
        attended, _ = self.attention(embedding, features, placed, need_weights=False)
        query = self.query_norm(self.dropout(attended) + embedding)
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
    ) -> None:
        super().__init__()
        self.scaled = scaled
        self.modalities = tuple(modalities)
        self.width = width
        self.side = side
        self.encoder = ImageEncoder(width)
        self.refiner = Refiner(width)
        self.attention = nn.ModuleList(RegionAwareAttention(8 * width) for _ in modalities)
        self.decoder = MaskDecoder(8 * width, side * side)
        generator = torch.Generator().manual_seed(seed)
        draws = [random_embedding(side, 8 * width, lore, generator) for _ in modalities]
        self.register_buffer("lore", torch.stack(draws))
        self.apply(_kaiming)
        if scaled:
            nn.init.uniform_(self.encoder.stage1.get_parameter("0.bias"), -1, 1)
            nn.init.normal_(self.decoder.upsample.get_parameter("4.weight"), std=0.1)

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
