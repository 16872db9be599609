"""AnomalyCLIP: object-agnostic prompts learned around a frozen CLIP (ICLR 2024)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from napari_medad.backbones.clip.catalogue import Shape
from napari_medad.backbones.clip.load import Clip
from napari_medad.backbones.clip.positions import Resize
from napari_medad.backbones.clip.similarity import cosine

BACKBONE = "vit-l-14-336"
POSITIONS: Resize = "bilinear"
TEMPERATURE = 0.07
STATES = ("object", "damaged object")
"""What follows the learned context of the normal and of the abnormal prompt."""
BY_VALUES = 19
"""Blocks with V-V attention, of 24; the first that has it is the same share of other depths."""


class Output(NamedTuple):
    """What the network says of images.

    Attributes
    ----------
    logits : Tensor [b, 2]
        Of the image being normal and abnormal.
    maps : list of Tensor [b, 2, h, w]
        Probability of normal and abnormal by patch, one for each layer asked.
    """

    logits: Tensor
    maps: list[Tensor]


class AnomalyClip(nn.Module):
    """The learned part: two contexts of words, and tokens put into deeper text blocks.

    Parameters
    ----------
    shape : Shape
        Of the CLIP it is for.
    context : int
        Learned words E of each prompt (paper: 12).
    deep, depth : int
        Learned tokens of a deeper block, and blocks with such (paper: 4 and 8).

    Attributes
    ----------
    start : Tensor [text width]
        Embedding of CLIP's start token, by which the right CLIP is known again.
    """

    start: Tensor

    def __init__(self, shape: Shape, context: int = 12, deep: int = 4, depth: int = 8) -> None:
        super().__init__()
        width = shape.text_width
        self.normal = nn.Parameter(0.02 * torch.randn(context, width))
        self.abnormal = nn.Parameter(0.02 * torch.randn(context, width))
        self.deep = nn.Parameter(0.02 * torch.randn(depth, deep, width))
        self.register_buffer("start", torch.zeros(width))

    def bind(self, clip: Clip) -> None:
        """Remember the CLIP that is learned for."""
        self.start = clip.text.embed(clip.text.tokens(["object"]))[0, 0].detach().clone()

    def fits(self, clip: Clip) -> bool:
        """Whether this is the CLIP that it was learned for."""
        start = clip.text.embed(clip.text.tokens(["object"]))[0, 0]
        return bool(torch.allclose(start.cpu(), self.start.cpu(), atol=1e-3))

    def text(self, clip: Clip) -> Tensor:
        """Unit features [2, joint] of the normal and the abnormal prompt."""
        length = len(self.normal)
        ids = clip.text.tokens([" ".join(["X"] * length) + f" {state}." for state in STATES])
        with torch.no_grad():
            words = clip.text.embed(ids)
        context = torch.stack([self.normal, self.abnormal])
        prompts = torch.cat([words[:, :1], context, words[:, 1 + length :]], 1)
        return F.normalize(clip.text.encode(prompts, ids, self._deepen), dim=-1)

    def _deepen(self, block: int, x: Tensor) -> Tensor:
        """Overwrite the first words before blocks 1 to `depth`; the first block sees them plain.

        The authors round the learned tokens to half precision.
        """
        if not 1 <= block <= len(self.deep):
            return x
        tokens = repeat(self.deep[block - 1].half().to(x.dtype), "n d -> b n d", b=len(x))
        return torch.cat([x[:, :1], tokens, x[:, 1 + tokens.shape[1] :]], 1)

    def forward(
        self, clip: Clip, images: Tensor, layers: tuple[int, ...], text: Tensor | None = None
    ) -> Output:
        """Compare images with the prompts.

        Parameters
        ----------
        clip : Clip
        images : Tensor [b, 3, s, s]
        layers : tuple of int
            Blocks, counted from 1, whose local tokens become a map each.
        text : Tensor [2, joint], optional
            Features of the prompts, where they are known.
        """
        with torch.no_grad():
            seen = clip.vision.look_by_values(
                images, layers, POSITIONS, first=first_by_values(clip.shape), norm_feature=False
            )
        text = self.text(clip) if text is None else text
        logits = cosine(seen.feature, text) / TEMPERATURE
        maps = []
        for tokens, (h, w) in seen.stages:
            similarity = cosine(tokens, text) / TEMPERATURE
            maps.append(rearrange(similarity.softmax(-1), "b (h w) c -> b c h w", h=h, w=w))
        return Output(logits, maps)


def first_by_values(shape: Shape) -> int:
    """First block, from 0, with V-V attention: 5 of 24."""
    return round(shape.depth * (24 - BY_VALUES) / 24)


def layers_of(shape: Shape, variant: str) -> tuple[int, ...]:
    """Blocks, from 1, whose maps are added up; until April 2025 the authors' were all the last."""
    if variant == "paper":
        return shape.quarters()
    return (shape.depth,) * (4 if variant == "before-2025-04" else 1)


def enlarged(maps: Tensor, size: int) -> Tensor:
    """Probabilities [b, 2, h, w] at the picture's size."""
    return F.interpolate(maps.float(), (size, size), mode="bilinear", align_corners=False)
