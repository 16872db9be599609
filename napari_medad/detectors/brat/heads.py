"""Networks that stand on a pre-trained brat: a classifier of studies and a decoder of lesions."""

from __future__ import annotations

from typing import ClassVar

import torch
from monai.networks.nets.flexible_unet import UNetDecoder
from torch import Tensor, nn

from napari_medad.detectors.brat.encoders import DENSENETS, DenseNetEncoder, Seen, encoder_of
from napari_medad.detectors.brat.network import Brat
from napari_medad.detectors.brat.settings import BratShape
from napari_medad.errors import MedadError

HIDDEN = 256
"""Width between the classifier's two layers, which the paper leaves open."""
DECODER = (256, 128, 64, 32, 16)
"""Channels of the decoder from coarse to fine: those of MONAI's FlexibleUNet."""
STRIDE = 32
"""Edge of the encoder's coarsest cells, voxels."""


class Head(nn.Module):
    """Part of brat and a head of its own; parts from brat are called as they are there.

    Parameters
    ----------
    shape : BratShape
    """

    own: ClassVar[tuple[str, ...]]
    """Names of the parts that brat has not."""

    def __init__(self, shape: BratShape) -> None:
        super().__init__()
        self.shape = shape
        self.frozen = False

    def take_over(self, brat: Brat) -> None:
        """Copy from a brat of the same shape everything but the head."""
        given = brat.state_dict()
        wanted = {k: given[k] for k in self.state_dict() if k.split(".")[0] not in self.own}
        self.load_state_dict(wanted, strict=False)

    def freeze(self) -> None:
        """Leave everything but the head as it is from now on, running statistics included."""
        self.frozen = True
        for name, part in self.named_parameters():
            part.requires_grad_(name.split(".")[0] in self.own)
        self.train(self.training)

    def train(self, mode: bool = True) -> Head:
        """As usual, but what is frozen stays in evaluation mode."""
        super().train(mode)
        for name, part in self.named_children():
            if self.frozen and name not in self.own:
                part.eval()
        return self


class Classifier(Head):
    """A two-layer MLP over the mean of the vision tokens, or of the queries' views."""

    own = ("head",)

    def __init__(self, shape: BratShape) -> None:
        super().__init__(shape)
        if shape.features == "views":
            whole = Brat(shape.model_copy(update={"vocabulary": max(1, shape.vocabulary)}))
            self.visual_encoder, self.ln_vision = whole.visual_encoder, whole.ln_vision
            self.query_tokens, self.qformer = whole.query_tokens, whole.qformer
            width = shape.width
        else:
            self.visual_encoder = encoder_of(shape)
            width = int(self.visual_encoder.width)
        self.head = nn.Sequential(
            nn.Linear(width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, len(shape.classes))
        )

    def see(self, image: Tensor) -> Seen:
        """Image [b, c, z, y, x] in 0..1 -> vision tokens."""
        return self.visual_encoder(image.contiguous(memory_format=torch.channels_last_3d))

    def judge(self, tokens: Tensor) -> Tensor:
        """Vision tokens [b, n, w] -> logits [b, classes]."""
        if self.shape.features == "views":
            tokens = self.qformer(
                query_embeds=self.query_tokens.expand(len(tokens), -1, -1),
                encoder_hidden_states=self.ln_vision(tokens),
            ).last_hidden_state
        return self.head(tokens.mean(dim=1))

    def forward(self, image: Tensor) -> Tensor:
        """Image [b, c, z, y, x] in 0..1 -> logits [b, classes] of classes that exclude others."""
        return self.judge(self.see(image).tokens)


class Outliner(Head):
    """A U-Net whose encoder is brat's DenseNet.

    Its skips are the features after the stem's convolution and after each dense block, before
    the transitions; the decoder is that of MONAI's FlexibleUNet with nnU-Net's normalisation.

    Raises
    ------
    MedadError
        If the backbone is no DenseNet, or the image no multiple of its coarsest cells.
    """

    own = ("decoder", "outline")

    def __init__(self, shape: BratShape) -> None:
        super().__init__(shape)
        if shape.backbone not in DENSENETS:
            raise MedadError(
                f"A segmentation stands on a DenseNet, not on {shape.backbone}, which has no fine "
                f"features; use {', '.join(DENSENETS)}, or weights of one."
            )
        if any(edge % STRIDE for edge in shape.size):
            raise MedadError(
                f"For a segmentation depth and side must be multiples of {STRIDE}, not "
                f"{shape.depth} and {shape.side}."
            )
        encoder = encoder_of(shape)
        assert isinstance(encoder, DenseNetEncoder)
        self.visual_encoder = encoder
        self.decoder = UNetDecoder(
            spatial_dims=3,
            encoder_channels=(shape.channels, *stage_widths(shape)),
            decoder_channels=DECODER,
            act=("leakyrelu", {"inplace": True, "negative_slope": 0.01}),
            norm=("instance", {"affine": True}),
            dropout=0.0,
            bias=True,
            upsample="deconv",
            pre_conv=None,
            interp_mode="nearest",
            align_corners=None,
            is_pad=False,
        )
        self.outline = nn.Conv3d(DECODER[-1], 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Image [b, c, z, y, x] in 0..1 -> logits [b, 1, z, y, x] of a lesion."""
        image = image.contiguous(memory_format=torch.channels_last_3d)
        return self.outline(self.decoder(self.visual_encoder.stages(image)))


def stage_widths(shape: BratShape) -> tuple[int, ...]:
    """Channels of `DenseNetEncoder.stages`: 64, 256, 512, 1024, 1024 for DenseNet-121."""
    first, growth, blocks = DENSENETS[shape.backbone]
    width, widths = first, [first]
    for layers in blocks:
        width += layers * growth
        widths.append(width)
        width //= 2
    return tuple(widths)
