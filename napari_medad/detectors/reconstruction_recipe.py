"""How methods that reconstruct normal slices are taught."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from napari_medad.detectors.calibration import healthy_level, thinned, whole_map
from napari_medad.detectors.device import Device
from napari_medad.detectors.recipe import Example, Recipe, TrainingOptions
from napari_medad.detectors.reconstruction_detector import ReconstructionDetector
from napari_medad.detectors.slice_labels import normal_volume
from napari_medad.detectors.training_slices import (
    FramedSlices,
    SliceOptions,
    framed,
    refuse_abnormal,
    synthetic_seeds,
    synthetic_volumes,
)
from napari_medad.volumes.volume import Volume

CALIBRATION_SLICES = 300
"""Thresholds are taken from so many slices, in whole volumes: two of 1 mm, or many pictures."""
LEARNING_SPACING, CALIBRATION_SPACING = 1.5, 1.0
"""Voxel size of synthetic brains, mm."""
POLARITIES = ("both", "bright", "dark")


class ReconstructionRecipe(Recipe):
    """Normal images, or the slices of others that are labelled normal."""

    options: SliceOptions
    detector_type: ClassVar[type[ReconstructionDetector]]
    synthetic = True

    def __init__(self, options: TrainingOptions, examples: Sequence[Example]) -> None:
        super().__init__(options, examples)
        refuse_abnormal(examples, self.detector_type.card.name)

    def network(self) -> nn.Module:
        """A new network."""
        return self.detector_type.build(self.options)

    def volumes(self, *, held_out: bool, spacing: float) -> Iterator[Volume]:
        """The examples' volumes, or synthetic ones."""
        if self.examples:
            examples = [e for e in self.examples if e.held_out == held_out]
            read = map(normal_volume, examples)
            return self.watched(read, len(examples))
        o = self.options
        seeds = synthetic_seeds(o.brains, o.seed, held_out=held_out)
        made = synthetic_volumes(seeds, o.contrasts, spacing)
        return self.watched(made, len(seeds) * len(o.contrasts))

    def dataset(self, *, held_out: bool) -> Dataset[Any]:
        """Slices of the volumes, kept in memory."""
        o = self.shape
        volumes = self.volumes(held_out=held_out, spacing=LEARNING_SPACING)
        slices = framed(volumes, o.size, o.intensity, self.options.slices_per_volume)
        return FramedSlices(slices, o.size, vary=not held_out)

    @property
    def shape(self) -> Any:
        """Those options that shape the network."""
        kind = self.detector_type.shape_type
        return kind(**self.options.model_dump(include=set(kind.model_fields)))

    @abstractmethod
    def losses(self, network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The method's objective; `image` and `foreground` are [b, 1, size, size]."""

    def calibrate(self, network: nn.Module) -> dict[str, Any]:
        """Healthy levels of the map by polarity, from held-out volumes, else from those learned."""
        where, volumes = "held-out", self._first_volumes(held_out=True)
        if not volumes:
            where, volumes = "training", self._first_volumes(held_out=False)
        levels = {}
        for polarity in POLARITIES:
            detector = self._detector(network, polarity=polarity)
            watched = self.watched(volumes, len(volumes))
            maps = (whole_map(detector, volume) for volume in watched)
            levels[polarity] = healthy_level(thinned(m[0], m[1]) for m in maps)
        return {
            "thresholds": levels,
            "thresholds_from": f"{len(volumes)} {where} normal images",
            "modalities": sorted({v.modality for v in volumes if v.modality}),
        }

    def _first_volumes(self, *, held_out: bool) -> list[Volume]:
        kept: list[Volume] = []
        for volume in self.volumes(held_out=held_out, spacing=CALIBRATION_SPACING):
            kept.append(volume)
            if sum(len(v.array) for v in kept) >= CALIBRATION_SLICES:
                break
        return kept

    def _detector(self, network: nn.Module, **settings: Any) -> ReconstructionDetector:
        """A detector around the network, in full precision on its device."""
        kind = self.detector_type
        parsed = kind.card.settings_type()(**self.model_settings(), **settings)
        return kind.around(network, parsed, Device(str(next(network.parameters()).device)))

    def preview(self, network: nn.Module, pixels: np.ndarray) -> np.ndarray:
        """Anomaly map of one slice, errors of both signs."""
        detector = self._detector(network, median=1)
        with torch.inference_mode():
            return whole_map(detector, Volume(pixels[None], np.eye(4)))[0][0]

    def model_settings(self) -> dict[str, Any]:
        """What shapes the network."""
        return self.shape.model_dump(mode="json")
