"""The vision backbones: a volume becomes tokens, each of one cell of the image."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from monai.networks.nets import DenseNet, ResNetFeatures, ViT
from torch import Tensor, nn

from napari_medad.detectors.brat.settings import BratShape

DENSENETS = {
    "densenet121": (64, 32, (6, 12, 24, 16)),
    "densenet169": (64, 32, (6, 12, 32, 32)),
    "small": (16, 8, (2, 2, 2, 2)),
}
"""First features, growth rate and layers of the dense blocks."""


class Seen(NamedTuple):
    """Vision tokens.

    Attributes
    ----------
    tokens : Tensor [b, n, w]
    cells : tuple of int (cz, cy, cx)
        n = cz cy cx; the first axis is slowest.
    """

    tokens: Tensor
    cells: tuple[int, int, int]


class DenseNetEncoder(nn.Module):
    """The features of MONAI's DenseNet, averaged over depth, through a leaky ReLU.

    At the published size the depth has one cell left, so the mean changes nothing.
    """

    def __init__(self, shape: BratShape) -> None:
        super().__init__()
        first, growth, blocks = DENSENETS[shape.backbone]
        whole = DenseNet(
            spatial_dims=3,
            in_channels=shape.channels,
            out_channels=1,
            init_features=first,
            growth_rate=growth,
            block_config=blocks,
        )
        self.features = whole.features
        self.width = len(self.features.get_parameter("norm5.weight"))

    def forward(self, image: Tensor) -> Seen:
        """Image [b, c, z, y, x] -> tokens of cells [1, y / 32, x / 32]."""
        found = F.leaky_relu(self.features(image).mean(dim=2, keepdim=True))
        return Seen(rearrange(found, "b w z y x -> b (z y x) w"), _cells(found))

    def stages(self, image: Tensor) -> list[Tensor]:
        """Features after the stem's convolution and after each dense block, finest first.

        What the decoder of a segmentation is fed with: strides 2, 4, 8, 16 and 32.
        """
        stages = []
        for name, layer in self.features.named_children():
            image = layer(image)
            if name == "relu0" or name.startswith("denseblock"):
                stages.append(image)
        return stages


class ResNetEncoder(nn.Module):
    """The last stage of MONAI's ResNet-50."""

    width = 2048

    def __init__(self, shape: BratShape) -> None:
        super().__init__()
        self.resnet = ResNetFeatures(
            "resnet50", pretrained=False, spatial_dims=3, in_channels=shape.channels
        )

    def forward(self, image: Tensor) -> Seen:
        """Image [b, c, z, y, x] -> tokens of cells [1, y / 32, x / 32]."""
        found = self.resnet(image)[-1]
        return Seen(rearrange(found, "b w z y x -> b (z y x) w"), _cells(found))


class VitEncoder(nn.Module):
    """MONAI's ViT with patches of 16 voxels; its class token is left out at the end."""

    patch = 16
    width = 768

    def __init__(self, shape: BratShape) -> None:
        super().__init__()
        with warnings.catch_warnings():  # MONAI calls torch.meshgrid in a way that torch dislikes
            warnings.filterwarnings("ignore", "torch.meshgrid", UserWarning)
            self.vit = ViT(
                in_channels=shape.channels,
                img_size=shape.size,
                patch_size=self.patch,
                proj_type="conv",
                pos_embed_type="sincos",
                classification=True,
            )
        del self.vit.classification_head
        z, y, x = (edge // self.patch for edge in shape.size)
        self.cells = (z, y, x)

    def forward(self, image: Tensor) -> Seen:
        """Image [b, c, z, y, x] -> tokens of cells [z / 16, y / 16, x / 16]."""
        patches = self.vit.patch_embedding(image)
        tokens = torch.cat([self.vit.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        for block in self.vit.blocks:
            tokens = block(tokens)
        return Seen(self.vit.norm(tokens)[:, 1:], self.cells)


def _cells(found: Tensor) -> tuple[int, int, int]:
    """Extent of features [b, w, z, y, x]."""
    z, y, x = found.shape[2:]
    return z, y, x


def encoder_of(shape: BratShape) -> DenseNetEncoder | ResNetEncoder | VitEncoder:
    """The backbone of a shape, with random weights."""
    if shape.backbone == "resnet50":
        return ResNetEncoder(shape)
    return VitEncoder(shape) if shape.backbone == "vit" else DenseNetEncoder(shape)
