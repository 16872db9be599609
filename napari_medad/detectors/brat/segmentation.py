"""Where lesions are: a U-Net on brat's DenseNet, taught by masks as nnU-Net teaches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from einops import reduce
from monai.losses import DiceCELoss
from scipy import ndimage
from torch import Tensor, nn

from napari_medad.detectors.brat.downstream import Downstream
from napari_medad.detectors.brat.heads import Outliner
from napari_medad.detectors.brat.recipe import Scans
from napari_medad.detectors.example_masks import mask_of
from napari_medad.errors import MedadError
from napari_medad.volumes.study import Study

MOMENTUM = 0.99
DECAY_POWER = 0.9
"""Of nnU-Net's optimiser and schedule."""
THRESHOLDS = np.arange(1, 20) / 20
"""Probabilities that may become the threshold."""


class OutlinedScans(Scans):
    """Framed scans, each with the share of every voxel that is lesion."""

    def more(self, index: int, study: Study, to_image: np.ndarray) -> dict[str, Tensor]:
        """`share` [1, depth, side, side] in 0..1.

        Raises
        ------
        MedadError
            If an abnormal example has no mask.
        """
        mask = mask_of(self.examples[index], study)
        if mask is None and self.examples[index].label != 0:
            raise MedadError(
                f"{study.name} is not normal and has no mask; give it a mask, or the label 0."
            )
        if mask is None:
            return {"share": torch.zeros(1, *self.shape.size)}
        return {"share": torch.from_numpy(shares(mask, to_image, self.shape.size))[None]}


def shares(mask: np.ndarray, to_image: np.ndarray, size: tuple[int, int, int]) -> np.ndarray:
    """The share of each of the image's voxels that a mask covers.

    Parameters
    ----------
    mask : ndarray [z, y, x] bool
        On the study's grid.
    to_image : ndarray [4, 4]
        From a voxel of the study to the image's, see `Framed`.
    size : tuple of int
        Of the image.

    Returns
    -------
    ndarray `size` float32
    """
    back = np.linalg.inv(to_image)
    parts = np.maximum(1, np.ceil(np.abs(back[:3, :3]).max(axis=0))).astype(int)
    finer = np.diag([*1 / parts, 1.0])
    finer[:3, 3] = (1 / parts - 1) / 2
    matrix = back @ finer
    fine = ndimage.affine_transform(
        mask.astype(np.float32),
        matrix[:3, :3],
        matrix[:3, 3],
        tuple(np.multiply(size, parts)),
        order=1,
    )
    pattern = "(z a) (y b) (x c) -> z y x"
    return reduce(fine, pattern, "mean", a=parts[0], b=parts[1], c=parts[2])


class Segmentation(Downstream):
    """Dice and cross-entropy, SGD with Nesterov momentum and polynomial decay (nnU-Net)."""

    network_type = Outliner
    free = ("task",)
    resizable = ("depth", "side")

    def dataset(self, *, held_out: bool) -> OutlinedScans:
        """Scans with masks; those labelled normal may have none.

        Raises
        ------
        MedadError
            If none has a mask.
        """
        if all(example.mask is None for example in self.chosen(held_out=False)):
            raise MedadError(
                "No example to learn from has a mask; add a column 'mask' to the manifest."
            )
        return OutlinedScans(self, self.shape(), held_out=held_out)

    def losses(self, network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Soft Dice over the batch plus cross-entropy."""
        logits = network(batch["image"]).float()
        loss = DiceCELoss(sigmoid=True, batch=True, smooth_nr=1e-5, smooth_dr=1e-5)
        with torch.no_grad():
            found, true = logits > 0, batch["share"] >= 0.5
            both = (found & true).sum().float()
            dice = 2 * both / (found.sum() + true.sum()).clamp(min=1)
        return {"loss": loss(logits, batch["share"]), "dice": dice}

    def optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        """SGD as nnU-Net's."""
        return torch.optim.SGD(
            self.learning(network),
            lr=self.rate(1e-2),
            momentum=MOMENTUM,
            nesterov=True,
            weight_decay=self.options.weight_decay,
        )

    def schedule(
        self, optimiser: torch.optim.Optimizer, steps: int
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """Polynomial to zero."""
        return torch.optim.lr_scheduler.PolynomialLR(optimiser, steps, DECAY_POWER)

    def calibrate(self, network: nn.Module) -> dict[str, Any]:
        """The threshold of the best Dice over all held-out voxels, and that Dice."""
        samples = self.dataset(held_out=True)
        counts = np.zeros((len(THRESHOLDS), 3))
        device = self.computing_device(network)
        with torch.inference_mode():
            for item in self.watched((samples[n] for n in range(len(samples))), len(samples)):
                chance = network(item["image"][None].to(device))[0].float().sigmoid().cpu()
                true = item["share"] >= 0.5
                for row, value in enumerate(THRESHOLDS):
                    found = chance > value
                    counts[row] += [int(m.sum()) for m in (found & true, found, true)]
        if not counts[0, 2]:
            return {"held_out_studies": len(samples)}
        dice = 2 * counts[:, 0] / counts[:, 1:].sum(axis=1)
        best = int(dice.argmax())
        return {
            "threshold": float(THRESHOLDS[best]),
            "held_out_dice": round(float(dice[best]), 4),
            "held_out_studies": len(samples),
        }
