"""VAND (APRIL-GAN): patch tokens brought to CLIP's prompts by linear layers (CVPR 2023)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from napari_medad.backbones.clip.catalogue import Shape
from napari_medad.backbones.clip.load import Activation, Clip
from napari_medad.backbones.clip.pictures import enlarged
from napari_medad.backbones.clip.positions import Resize
from napari_medad.backbones.clip.prompts import Ensemble
from napari_medad.backbones.clip.similarity import cosine
from napari_medad.backbones.clip.text_cache import normalised_mean, text_features
from napari_medad.backbones.clip.vision import Stage

BACKBONE = "vit-l-14-336"
ACTIVATION: Activation = "gelu"
"""The authors run OpenAI's weights with GELU, though these were trained with QuickGELU."""
POSITIONS: Resize = "bicubic-antialias"
SCALE = 100.0


class Output(NamedTuple):
    """What the network says of images.

    Attributes
    ----------
    logits : Tensor [b, 2]
        Of the image being normal and abnormal, from CLIP alone.
    maps : list of Tensor [b, 2, h, w]
        The same by patch, for each of four stages.
    stages : list of Stage
        The raw tokens.
    """

    logits: Tensor
    maps: list[Tensor]
    stages: list[Stage]


class Vand(nn.Module):
    """One linear layer for each of four stages of a frozen CLIP.

    Parameters
    ----------
    shape : Shape
        Of the CLIP it is for.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        widths = [shape.stage_width(stage) for stage in shape.quarters()]
        self.fc = nn.ModuleList([nn.Linear(width, shape.joint) for width in widths])

    def forward(self, clip: Clip, images: Tensor, text: Tensor) -> Output:
        """Compare images [b, 3, s, s] with the prompts' unit features [2, joint]."""
        with torch.no_grad():
            seen = clip.vision.look(images, clip.shape.quarters(), POSITIONS)
        logits = SCALE * cosine(seen.feature, text)
        maps = []
        for layer, (tokens, (h, w)) in zip(self.fc, seen.stages):
            similarity = SCALE * cosine(layer(tokens), text)
            maps.append(rearrange(similarity, "b (h w) c -> b c h w", h=h, w=w))
        return Output(logits, maps, seen.stages)


def prompt_features(clip: Clip, ensemble: Ensemble, word: str) -> Tensor:
    """Unit features [2, joint] of the normal and the abnormal ensemble of an object."""
    sides = ensemble.sentences(word)
    return torch.stack([normalised_mean(text_features(clip, side)) for side in sides])


def probabilities(maps: Tensor, size: int) -> Tensor:
    """Softmax [b, 2, s, s] of logits [b, 2, h, w], taken after they are enlarged."""
    return enlarged(maps, size).softmax(1)
