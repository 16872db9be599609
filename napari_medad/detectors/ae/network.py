"""Convolutions, a code of few numbers, and the way back."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from napari_medad.detectors.ae.settings import AeShape

CHANNELS = (16, 32, 64, 64)


class AutoEncoder(nn.Module):
    """Image [b, 1, size, size] -> code -> reconstruction [b, 1, size, size]."""

    def __init__(self, shape: AeShape) -> None:
        super().__init__()
        side = shape.size // 2 ** len(CHANNELS)
        flat = CHANNELS[-1] * side**2
        down = [
            layer
            for inputs, outputs in pairwise((1, *CHANNELS))
            for layer in _normalised(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False), outputs)
        ]
        up = [
            layer
            for inputs, outputs in pairwise(CHANNELS[::-1])
            for layer in _normalised(
                nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), outputs
            )
        ]
        self.encoder = nn.Sequential(*down, nn.Flatten(), *_dense(flat, shape.hidden, shape.code))
        self.decoder = nn.Sequential(
            *_dense(shape.code, shape.hidden, flat),
            nn.Unflatten(1, (CHANNELS[-1], side, side)),
            *up,
            nn.ConvTranspose2d(CHANNELS[0], 1, 4, 2, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """The reconstruction."""
        return self.decoder(self.encoder(image))


def _normalised(convolution: nn.Module, channels: int) -> list[nn.Module]:
    return [convolution, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]


def _dense(inputs: int, hidden: int, outputs: int) -> list[nn.Module]:
    return [
        nn.Linear(inputs, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, outputs),
    ]
