"""AnoVL: V-V attention, domain-aware prompts and adaptation to each image (2023).

Nothing is trained beforehand.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from napari_medad.backbones.clip.load import Clip
from napari_medad.backbones.clip.positions import Resize
from napari_medad.backbones.clip.prompts import Ensemble
from napari_medad.backbones.clip.similarity import cosine
from napari_medad.backbones.clip.text_cache import normalised_mean, text_features
from napari_medad.backbones.clip.vision import Stage

BACKBONE = "vit-b-16-plus-240"
POSITIONS: Resize = "bicubic-antialias"


class Prompts(NamedTuple):
    """Features of the prompts.

    Attributes
    ----------
    states : Tensor [2, joint]
        T: unit means of the normal and the abnormal sentences, taken before any are normalised.
    sentences : Tensor [n, joint]
        E: every sentence's unit feature, normal ones first.
    """

    states: Tensor
    sentences: Tensor


def read_prompts(clip: Clip, ensemble: Ensemble, word: str) -> Prompts:
    """Features of an ensemble about an object."""
    sides = [text_features(clip, side) for side in ensemble.sentences(word, "by template")]
    states = torch.stack([normalised_mean(side, each=False) for side in sides])
    return Prompts(states, F.normalize(torch.cat(sides), dim=-1))


def look(clip: Clip, images: Tensor) -> tuple[Tensor, Stage]:
    """Image features [b, joint] and local tokens in the joint space, of the last block.

    All blocks have V-V attention.
    """
    seen = clip.vision.look_by_values(
        images, (clip.shape.depth,), POSITIONS, first=0, norm_feature=True
    )
    return seen.feature, seen.stages[0]


def glance(clip: Clip, images: Tensor) -> Tensor:
    """Image features [b, joint] alone, the same as `look` gives."""
    return clip.vision.look(images, (), POSITIONS).feature


def chances(tokens: Tensor, states: Tensor) -> Tensor:
    """P(normal) and P(abnormal) [..., 2] of tokens [..., joint], at temperature one."""
    return cosine(tokens, states).softmax(-1)


def map_of(tokens: Tensor, grid: tuple[int, int], states: Tensor, size: int) -> Tensor:
    """P(abnormal) [b, s, s], averaged over 3 x 3 patches before it is enlarged."""
    h, w = grid
    abnormal = rearrange(chances(tokens, states)[..., 1], "b (h w) -> b 1 h w", h=h, w=w)
    mean = F.avg_pool2d(F.pad(abnormal, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return F.interpolate(mean, (size, size), mode="bilinear", align_corners=True)[:, 0]


def views(images: Tensor) -> Tensor:
    """22 versions [22, b, 3, s, s] of images: turned, shifted, mirrored and grey.

    Angles of 11.25 to 45 degrees and quarter turns; shifts of a tenth and a twentieth of the
    width; borders reflected. Grey is made of normalised colours, as published.
    """
    fixed = []
    for eighth in (-4, -3, -2, -1, 1, 2, 3, 4):
        angle = eighth * math.pi / 16
        cos, sin = math.cos(angle), math.sin(angle)
        fixed.append([[cos, -sin, 0.0], [sin, cos, 0.0]])
    for shift in (0.2, 0.1):
        fixed += [[[1.0, 0, a], [0, 1.0, b]] for a in (-shift, shift) for b in (-shift, shift)]
    moved = [_moved(images, torch.tensor(matrix)) for matrix in fixed]
    weights = torch.tensor([0.299, 0.587, 0.114], device=images.device)[:, None, None]
    grey = (images * weights).sum(1, keepdim=True).expand_as(images)
    turned = [images.rot90(quarter, (2, 3)) for quarter in (1, 2, 3)]
    return torch.stack([images, *moved, images.flip(-1), grey, *turned])


def _moved(images: Tensor, matrix: Tensor) -> Tensor:
    theta = matrix.to(images)[None].expand(len(images), -1, -1)
    grid = F.affine_grid(theta, list(images.shape), align_corners=True)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=True)
