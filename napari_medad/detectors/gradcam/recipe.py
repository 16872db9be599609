"""How the classifier behind Grad-CAM is taught: slices that someone called normal or abnormal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import numpy as np
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from napari_medad.detectors.calibration import whole_map
from napari_medad.detectors.device import Device
from napari_medad.detectors.gradcam.detector import GradcamDetector
from napari_medad.detectors.gradcam.network import classifier
from napari_medad.detectors.gradcam.samples import (
    LabelledSlices,
    LabelledVolume,
    labelled,
    synthetic_patients,
)
from napari_medad.detectors.gradcam.settings import GradcamSettings
from napari_medad.detectors.recipe import Recipe
from napari_medad.detectors.slice_labels import refuse_one_kind
from napari_medad.detectors.slice_settings import SliceShape
from napari_medad.detectors.training_slices import SliceOptions, synthetic_seeds
from napari_medad.volumes.volume import Volume

SYNTHETIC_SPACING = 1.5
"""Voxel size of synthetic brains, mm."""


class GradcamOptions(SliceOptions, SliceShape):
    """Usual values."""

    epochs: int = Field(30, ge=1, title="Epochs")
    batch_size: int = Field(32, ge=2, title="Batch size")
    learning_rate: float = Field(1e-4, gt=0, title="Learning rate")


class GradcamRecipe(Recipe):
    """Slice labels in, cross-entropy, Adam."""

    Options = GradcamOptions
    options: GradcamOptions
    synthetic = True

    def network(self) -> nn.Module:
        """A new classifier."""
        return classifier()

    def dataset(self, *, held_out: bool) -> LabelledSlices:
        """The labelled slices, kept in memory.

        Raises
        ------
        MedadError
            If all slices to learn from have one label, or a label is of no slice.
        """
        o = self.options
        volumes = self._volumes(held_out=held_out)
        slices = LabelledSlices(volumes, o.size, o.intensity, vary=not held_out)
        if not held_out:
            refuse_one_kind(slices.labels)
        return slices

    def _volumes(self, *, held_out: bool) -> Iterator[LabelledVolume]:
        """The examples' volumes, or those of synthetic patients."""
        if self.examples:
            examples = [e for e in self.examples if e.held_out == held_out]
            return self.watched(labelled(examples), len(examples))
        o = self.options
        seeds = synthetic_seeds(o.brains, o.seed, held_out=held_out)
        made = synthetic_patients(seeds, o.contrasts, SYNTHETIC_SPACING, o.slices_per_volume)
        return self.watched(made, len(seeds) * len(o.contrasts))

    def losses(self, network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Cross-entropy of the logit with the label."""
        logit, label = network(batch["image"])[:, 0].float(), batch["label"]
        right = ((logit > 0) == (label > 0.5)).float().mean()
        return {"loss": binary_cross_entropy_with_logits(logit, label), "accuracy": right}

    def preview(self, network: nn.Module, pixels: np.ndarray) -> np.ndarray:
        """Grad-CAM over its maximum, not gated."""
        settings = GradcamSettings(**self.model_settings(), gate_at=0)
        device = Device(str(next(network.parameters()).device))
        # a copy, whose hooks and frozen parameters the training does not see
        detector = GradcamDetector.around(deepcopy(network), settings, device)
        return whole_map(detector, Volume(pixels[None], np.eye(4)))[0][0]

    def model_settings(self) -> dict[str, Any]:
        """What shapes the input."""
        return self.options.model_dump(mode="json", include=set(SliceShape.model_fields))
