"""MONAI's VQ-VAE, as a network that gives a reconstruction."""

from __future__ import annotations

from monai.networks.nets.vqvae import VQVAE
from torch import Tensor, nn

from napari_medad.detectors.vqvae.settings import VqvaeShape


class Vqvae(nn.Module):
    """Image [b, 1, size, size] -> grid of codes -> reconstruction [b, 1, size, size]."""

    def __init__(self, shape: VqvaeShape) -> None:
        super().__init__()
        widths = tuple(shape.width * 2**stage for stage in range(shape.stages))
        self.coder = VQVAE(
            spatial_dims=2,
            in_channels=1,
            out_channels=1,
            channels=widths,
            num_res_layers=2,
            num_res_channels=widths,
            downsample_parameters=((2, 4, 1, 1),) * shape.stages,
            upsample_parameters=((2, 4, 1, 1, 0),) * shape.stages,
            num_embeddings=shape.codes,
            embedding_dim=shape.code_width,
            commitment_cost=shape.commitment,
        )

    def with_commitment(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The reconstruction and beta |sg[e] - z|^2; codes follow a running mean when training."""
        # distances to codes are differences of large numbers, which bf16 does not resolve
        quantised, loss = self.coder.quantize(self.coder.encode(image).float())
        return self.coder.decode(quantised), loss

    def forward(self, image: Tensor) -> Tensor:
        """The reconstruction."""
        return self.with_commitment(image)[0]
