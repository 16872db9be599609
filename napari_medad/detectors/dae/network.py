"""MONAI's basic U-Net, from a noisy image to a clean one."""

from __future__ import annotations

from monai.networks.nets.basic_unet import BasicUNet

from napari_medad.detectors.dae.settings import DaeShape

GROUPS = 4
"""Channels are normalised together in so many groups, which leaves a slice its brightness."""


def unet(shape: DaeShape) -> BasicUNet:
    """Image [b, 1, size, size] -> clean image; four pools, skips, normalised by group."""
    w = shape.width
    return BasicUNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=1,
        features=(w, w, 2 * w, 4 * w, 8 * w, w),
        norm=("group", {"num_groups": GROUPS}),
        upsample="nontrainable",
    )
