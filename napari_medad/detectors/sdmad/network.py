"""Shift adapters (SD-MAD, image level): a frozen CLIP moved a little towards the signs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_medad.backbones.clip.catalogue import Shape
from napari_medad.backbones.clip.load import Clip
from napari_medad.backbones.clip.positions import Resize
from napari_medad.backbones.clip.vision import Vit
from napari_medad.errors import MedadError

BACKBONE = "vit-l-14-336"
POSITIONS: Resize = "bicubic-antialias"
Nonlinearity = Literal["leaky_relu", "relu", "gelu"]
"""Of the adapters; LeakyReLU has a slope of 0.01, as in MVFA."""


class Adapter(nn.Module):
    """Two linear layers, each with a nonlinearity a.

    Parameters
    ----------
    width, bottleneck : int
    bias : bool
    nonlinearity : {"leaky_relu", "relu", "gelu"}
    """

    def __init__(
        self,
        width: int,
        bottleneck: int,
        *,
        bias: bool = False,
        nonlinearity: Nonlinearity = "leaky_relu",
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, bottleneck, bias=bias)
        self.fc2 = nn.Linear(bottleneck, width, bias=bias)
        self.act = getattr(F, nonlinearity)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give m = a(W1 x) [..., bottleneck] and a(W2 m) [..., width]."""
        m = self.act(self.fc1(x))
        return m, self.act(self.fc2(m))


class Sentences(NamedTuple):
    """Sentences as far as frozen layers read them.

    Attributes
    ----------
    before : Tensor [n, length, c]
        Tokens before the last block.
    ids : Tensor [n, context]
    """

    before: Tensor
    ids: Tensor

    @classmethod
    def read(cls, clip: Clip, texts: Sequence[str]) -> Self:
        """Let the frozen layers read."""
        ids = clip.text.tokens(texts)
        with torch.no_grad():
            return cls(clip.text.before_last(ids), ids)

    def to(self, device: str | torch.device) -> Self:
        """Both on a device."""
        return type(self)(self.before.to(device), self.ids.to(device))


class ShiftAdapters(nn.Module):
    """f_out = lambda layer(f_in) + (1 - lambda) a(W2 a(W1 f_in)), in both encoders.

    Parameters
    ----------
    shape : Shape
        Of the CLIP it is for.
    layers : sequence of int
        Blocks of the image encoder with an adapter, counted from 1; the text encoder has one,
        at its last block.
    bottleneck : int
    keep : float
        lambda: how much of the frozen layer's output is kept.
    **adapter
        `bias` and `nonlinearity` of the adapters.

    Raises
    ------
    MedadError
        If the CLIP has no such blocks.
    """

    def __init__(
        self,
        shape: Shape,
        layers: Sequence[int],
        bottleneck: int = 768,
        keep: float = 0.9,
        **adapter: Any,
    ) -> None:
        super().__init__()
        self.layers, self.keep = check_layers(shape, layers), keep
        self.image = nn.ModuleList(
            [Adapter(shape.width, bottleneck, **adapter) for _ in self.layers]
        )
        self.text = Adapter(shape.text_width, bottleneck, **adapter)

    @property
    def first(self) -> int:
        """Blocks that run before the first adapter."""
        return self.layers[0] - 1

    def begin(self, clip: Clip, images: Tensor) -> Tensor:
        """Tokens [b, n, c] of images [b, 3, s, s] as far as no adapter acts."""
        with torch.no_grad():
            return vit_of(clip).begin(images, POSITIONS, self.first)[0]

    def feature(self, clip: Clip, tokens: Tensor) -> Tensor:
        """Unit image features [b, joint] of what `begin` gives."""

        def shift(block: int, before: Tensor, after: Tensor) -> Tensor:
            if block + 1 not in self.layers:
                return after
            adapter = self.image[self.layers.index(block + 1)]
            return self._mixed(adapter, before, after)

        return F.normalize(vit_of(clip).go_on(tokens, self.first, shift).float(), dim=-1)

    def sentences(self, clip: Clip, read: Sentences) -> Tensor:
        """Unit features [n, joint] of sentences."""

        def shift(block: int, before: Tensor, after: Tensor) -> Tensor:
            return self._mixed(self.text, before, after)

        return F.normalize(clip.text.last(*read, shift).float(), dim=-1)

    def _mixed(self, adapter: nn.Module, before: Tensor, after: Tensor) -> Tensor:
        _, shifted = adapter(before)
        return self.keep * after + (1 - self.keep) * shifted


def check_layers(shape: Shape, layers: Sequence[int]) -> tuple[int, ...]:
    """The layers in order; where none are given, the ends of four quarters of the depth.

    Raises
    ------
    MedadError
        If one is not there, or the CLIP has no transformer blocks.
    """
    if shape.kind != "vit":
        raise MedadError(
            "sdmad adapts the blocks of a vision transformer, but this CLIP is a ResNet; use "
            "vit-l-14-336, vit-b-16-plus-240 or biomedclip."
        )
    chosen = tuple(sorted(set(layers))) or tuple(dict.fromkeys(shape.quarters()))
    wrong = next((layer for layer in chosen if not 1 <= layer <= shape.depth), None)
    if wrong is not None:
        raise MedadError(
            f"There is no layer {wrong} to adapt; the CLIP has layers 1 to {shape.depth}. Correct "
            "the option 'layers'."
        )
    return chosen


def vit_of(clip: Clip) -> Vit:
    """The CLIP's vision transformer; that it is one was checked with the layers."""
    assert isinstance(clip.vision, Vit)
    return clip.vision
