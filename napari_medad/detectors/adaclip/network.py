"""AdaCLIP: static and dynamic prompts in both encoders of a frozen CLIP (ECCV 2024)."""

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
from napari_medad.backbones.clip.positions import Resize
from napari_medad.backbones.clip.similarity import cosine
from napari_medad.backbones.clip.vision import Prompting

BACKBONE = "vit-l-14-336"
ACTIVATION: Activation = "gelu"
"""The authors run OpenAI's weights with GELU, though these were trained with QuickGELU."""
POSITIONS: Resize = "bicubic"
SCALE = 100.0


class Sentences(NamedTuple):
    """Token numbers [n, context] of the normal and of the abnormal sentences."""

    normal: Tensor
    abnormal: Tensor


class Output(NamedTuple):
    """What the network says of images.

    Attributes
    ----------
    text : Tensor [b, 2, joint]
        Unit features of the prompts, which are made for each image.
    feature : Tensor [b, joint]
        Unit feature of the image.
    tokens : list of Tensor [b, n, joint]
        Unit features of the patches, for each of four stages.
    maps : list of Tensor [b, 2, h, w]
        Logits of normal and abnormal by patch.
    """

    text: Tensor
    feature: Tensor
    tokens: list[Tensor]
    maps: list[Tensor]


class Generator(nn.Module):
    """Dynamic prompts: one linear layer for each, from the plain image feature.

    Parameters
    ----------
    joint, width : int
    length : int
        Prompts.
    """

    def __init__(self, joint: int, width: int, length: int) -> None:
        super().__init__()
        self.head = nn.ModuleList([nn.Linear(joint, width) for _ in range(length)])

    def forward(self, feature: Tensor) -> Tensor:
        """Prompts [b, length, width] of features [b, joint]."""
        return torch.stack([head(feature) for head in self.head], 1)


class AdaClip(nn.Module):
    """The learned part.

    Parameters
    ----------
    shape : Shape
        Of the CLIP it is for.
    length, depth : int
        Prompts in a block, and blocks with their own (paper: 5 and 4).
    """

    def __init__(self, shape: Shape, length: int = 5, depth: int = 4) -> None:
        super().__init__()
        text, joint, stages = shape.text_width, shape.joint, shape.quarters()
        self.text_static = nn.Parameter(0.02 * torch.randn(depth, length, text))
        self.text_dynamic = Generator(joint, text, length)
        self.sees = shape.kind == "vit"
        if self.sees:
            self.visual_static = nn.Parameter(0.02 * torch.randn(depth, length, shape.width))
            self.visual_dynamic = Generator(joint, shape.width, length)
        widths = [shape.stage_width(stage) for stage in stages]
        self.patch = nn.ModuleList([nn.Linear(width, joint) for width in widths])
        self.image = nn.Linear(joint, joint)

    def forward(self, clip: Clip, images: Tensor, sentences: Sentences) -> Output:
        """Look twice at images [b, 3, s, s]: for their prompts, and with these."""
        layers = clip.shape.quarters()
        with torch.no_grad():
            plain = clip.vision.look(images, () if self.sees else layers, POSITIONS)
        seen = plain
        if self.sees:
            prompts = self.visual_dynamic(plain.feature)
            prompting = appended(prompts, self.visual_static)
            seen = clip.vision.look(images, layers, POSITIONS, prompting)
        text = self.text(clip, self.text_dynamic(plain.feature), sentences)
        tokens, maps = [], []
        for head, (raw, (h, w)) in zip(self.patch, seen.stages):
            unit = F.normalize(head(raw), dim=-1)
            logits = SCALE * cosine(unit, text)
            tokens.append(unit)
            maps.append(rearrange(logits, "b (h w) c -> b c h w", h=h, w=w))
        return Output(text, F.normalize(self.image(seen.feature), dim=-1), tokens, maps)

    def text(self, clip: Clip, dynamic: Tensor, sentences: Sentences) -> Tensor:
        """Unit features [b, 2, joint] of the sentences, given each image's [b, length, c]."""
        ids, images = torch.cat(sentences), len(dynamic)
        prompting = overwritten(dynamic.repeat_interleave(len(ids), 0), self.text_static)
        each = ids.repeat(images, 1)
        features = clip.text.encode(clip.text.embed(each), each, prompting)
        sides = F.normalize(features, dim=-1).unflatten(0, (images, len(ids)))
        means = [side.mean(1) for side in sides.split([len(side) for side in sentences], 1)]
        return F.normalize(torch.stack(means, 1), dim=-1)


def appended(dynamic: Tensor, static: Tensor) -> Prompting:
    """Append prompts before the first block, and exchange them before the next ones.

    Parameters
    ----------
    dynamic : Tensor [b, length, c]
    static : Tensor [depth, length, c]
    """
    length = dynamic.shape[1]

    def prompting(block: int, x: Tensor) -> Tensor:
        if block >= len(static):
            return x
        kept = x if block == 0 else x[:, :-length]
        return torch.cat([kept, rounded(dynamic + static[block], x)], 1)

    return prompting


def overwritten(dynamic: Tensor, static: Tensor) -> Prompting:
    """Overwrite the first words before blocks 1 to depth - 1; the first block sees them plain.

    Parameters
    ----------
    dynamic : Tensor [n, length, c]
    static : Tensor [depth, length, c]
    """

    def prompting(block: int, x: Tensor) -> Tensor:
        if not 1 <= block < len(static):
            return x
        prompts = rounded(dynamic + static[block], x)
        return torch.cat([x[:, :1], prompts, x[:, 1 + prompts.shape[1] :]], 1)

    return prompting


def rounded(prompts: Tensor, like: Tensor) -> Tensor:
    """Prompts rounded to half precision, as the authors do."""
    return prompts.half().to(like.dtype)


def map_of(maps: Sequence[Tensor], size: int) -> Tensor:
    """P(abnormal) [b, s, s]: the softmax of the stages' mean logits."""
    return torch.stack([enlarged(m, size) for m in maps]).mean(0).softmax(1)[:, 1]


def image_chances(feature: Tensor, text: Tensor) -> Tensor:
    """P(normal) and P(abnormal) [b, 2] of unit features [b, joint]."""
    return (SCALE * torch.einsum("bd,bcd->bc", feature.float(), text.float())).softmax(-1)
