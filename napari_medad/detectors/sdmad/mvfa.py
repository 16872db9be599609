"""MVFA (pixel level): two adapters after each of four blocks, one to segment and one to detect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from napari_medad.backbones.clip.catalogue import Shape
from napari_medad.backbones.clip.load import Activation, Clip
from napari_medad.backbones.clip.pictures import enlarged
from napari_medad.backbones.clip.similarity import cosine
from napari_medad.backbones.clip.vision import Stage
from napari_medad.detectors.sdmad.network import POSITIONS, Adapter, check_layers, vit_of
from napari_medad.detectors.sdmad.scores import SCALE, category_scores

ACTIVATION: Activation = "gelu"
"""The authors run OpenAI's weights with GELU, though these were trained with QuickGELU."""
KEPT, ADDED = 0.8, 0.1
"""Shares of the frozen tokens, and of either adapter's, in what goes on."""


class Output(NamedTuple):
    """What the network says of images.

    Attributes
    ----------
    feature : Tensor [b, joint]
        Unit image features, after all adapters.
    seg, det : list of Tensor [b, 1 + h * w, joint]
        Adapters' tokens m for each layer, the class token first.
    grid : (int, int)
        h and w.
    """

    feature: Tensor
    seg: list[Tensor]
    det: list[Tensor]
    grid: tuple[int, int]

    def patches(self, which: Sequence[Tensor]) -> list[Stage]:
        """Tokens without the class token."""
        return [Stage(m[:, 1:], self.grid) for m in which]

    def whole(self) -> list[Stage]:
        """Tokens of both kinds of adapter with the class token, as the memory holds them."""
        return [Stage(m, self.grid) for m in (*self.seg, *self.det)]


class Mvfa(nn.Module):
    """x <- 0.8 x + 0.1 o_seg + 0.1 o_det after each layer.

    Parameters
    ----------
    shape : Shape
        Of the CLIP it is for.
    layers : sequence of int
        Counted from 1.
    bank_patches : int
        Tokens of normal shots that are remembered for each adapter; 0: none.

    Attributes
    ----------
    bank : Tensor [2 * layers, bank_patches, joint]
        Of the seg adapters, then of the det adapters; zeros where there were no normal shots.
    """

    bank: Tensor

    def __init__(self, shape: Shape, layers: Sequence[int], bank_patches: int = 0) -> None:
        super().__init__()
        self.layers = check_layers(shape, layers)
        self.seg = nn.ModuleList([Adapter(shape.width, shape.joint) for _ in self.layers])
        self.det = nn.ModuleList([Adapter(shape.width, shape.joint) for _ in self.layers])
        empty = torch.zeros(2 * len(self.layers), bank_patches, shape.joint, dtype=torch.float16)
        self.register_buffer("bank", empty)

    @property
    def first(self) -> int:
        """Blocks that run before anything depends on an adapter."""
        return self.layers[0] - 1

    def begin(self, clip: Clip, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Tokens [b, 1 + h * w, c] as far as no adapter acts, and the grid."""
        with torch.no_grad():
            return vit_of(clip).begin(images, POSITIONS, self.first)

    def forward(self, clip: Clip, tokens: Tensor, grid: tuple[int, int]) -> Output:
        """Go on with what `begin` gives."""
        seg: list[Tensor] = []
        det: list[Tensor] = []

        def adapt(block: int, before: Tensor, after: Tensor) -> Tensor:
            if block + 1 not in self.layers:
                return after
            i = self.layers.index(block + 1)
            (m_seg, o_seg), (m_det, o_det) = self.seg[i](after), self.det[i](after)
            seg.append(m_seg)
            det.append(m_det)
            return KEPT * after + ADDED * o_seg + ADDED * o_det

        feature = vit_of(clip).go_on(tokens, self.first, adapt)
        return Output(F.normalize(feature.float(), dim=-1), seg, det, grid)

    def remember(self, outputs: Sequence[Output]) -> None:
        """Fill the bank with tokens of normal images, spread evenly over them all."""
        rows = self.bank.shape[1]
        for i, stages in enumerate(zip(*(output.whole() for output in outputs), strict=True)):
            known = torch.cat([stage.tokens.flatten(0, 1) for stage in stages])
            if rows:
                few = torch.arange(rows) % len(known)
                at = few if len(known) < rows else _evenly(len(known), rows)
                self.bank[i] = F.normalize(known[at].float(), dim=-1).to(self.bank.dtype)


def logits(stage: Stage, text: Tensor) -> Tensor:
    """100 cos(m, t) [b, k, h, w] of patches and unit features [k, joint]."""
    h, w = stage.grid
    return rearrange(SCALE * cosine(stage.tokens, text), "b (h w) k -> b k h w", h=h, w=w)


def abnormal_maps(stages: Sequence[Stage], text: Tensor, size: int) -> Tensor:
    """P(normal) and P(abnormal) of each layer at the picture's size, [layers, b, 2, s, s].

    Parameters
    ----------
    text : Tensor [2, joint]
        Unit features of the normal and the abnormal prompts.
    """
    return torch.stack([enlarged(logits(stage, text), size).softmax(1) for stage in stages])


def image_chance(stages: Sequence[Stage], text: Tensor) -> Tensor:
    """Mean over patches of P(abnormal) for each layer, [layers, b]."""
    return torch.stack([logits(s, text).softmax(1)[:, 1].mean((1, 2)) for s in stages])


def category_maps(
    stages: Sequence[Stage],
    signs: Tensor,
    anchor: Tensor,
    owner: Tensor,
    kept: Tensor,
    count: int,
    size: int,
) -> Tensor:
    """P(category) against the anchor and the other categories, mean over layers, [b, K, s, s].

    Each category is its nearest kept sign. Ours: the paper prints scores of whole images only.
    """
    total = []
    for stage in stages:
        near = cosine(stage.tokens, torch.cat([signs, anchor[None]]))
        flat = near.flatten(0, 1)
        best = category_scores(flat[:, :-1], owner, kept, count)
        chances = torch.cat([SCALE * flat[:, -1:], SCALE * best], 1).softmax(1)[:, 1:]
        h, w = stage.grid
        maps = rearrange(chances, "(b h w) k -> b k h w", h=h, w=w)
        total.append(enlarged(maps, size))
    return torch.stack(total).mean(0)


def _evenly(count: int, wanted: int) -> Tensor:
    return torch.linspace(0, count - 1, wanted).round().long()
