"""Detectors over slices whose network is rebuilt from the folder that training wrote."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from napari_medad.detectors.detector import Case, SliceBatch, SliceDetector
from napari_medad.detectors.device import Device
from napari_medad.detectors.framing import Scale, scale_of, scaled, to_square
from napari_medad.detectors.slice_settings import SliceShape
from napari_medad.errors import MedadError
from napari_medad.weights.checkpoint import load_into
from napari_medad.weights.installed import find_weights
from napari_medad.weights.model_folder import ModelFolder


class TrainedDetector(SliceDetector):
    """A method states its card, what shapes its network, and how to build it."""

    settings: Any
    network: nn.Module
    shape_type: ClassVar[type[SliceShape]]
    batch_size = 32
    facts: Mapping[str, Any] = {}
    """What training found out besides the weights."""

    @classmethod
    @abstractmethod
    def build(cls, shape: Any) -> nn.Module:
        """The network of an instance of `shape_type`, with random weights."""

    def load(self, weights: str) -> None:
        """Build the network of a model folder, or a random one when untrained is asked for.

        Raises
        ------
        MedadError
            If there are no such weights, or they are of another method or shape.
        """
        name = self.card.name
        found = find_weights(name, weights, self.card.weights)
        self.weights = found.record()
        if found.path is None:
            self.use(self.build(self.settings))
            return
        if not found.path.is_dir():
            raise MedadError(
                f"{found.path} is not a model folder; {name} has no published checkpoints, so "
                "give a folder that medad train wrote."
            )
        model = ModelFolder.read(found.path, name)
        shape = self.shape_type.parse(model.settings, str(found.path))
        self.settings = self.settings.model_copy(update=shape.model_dump())
        self.facts = model.facts
        network = self.build(shape)
        load_into(network, model.tensors(), f"The model {found.name}")
        self.use(network)

    @classmethod
    def around(cls, network: nn.Module, settings: Any, device: Device) -> Self:
        """A detector around a network that is being trained."""
        detector = cls.__new__(cls)
        detector.settings, detector.device = settings, device
        detector.use(network)
        return detector

    def use(self, network: nn.Module) -> None:
        """Look through this network from now on."""
        self.network = network.eval().to(self.device.name)

    def prepare(self, case: Case) -> Scale:
        """Intensity scale of the scan."""
        return scale_of(self.settings.intensity, case.volume.array, case.foreground)

    def images_of(self, batch: SliceBatch, scale: Scale) -> Tensor:
        """Slices [b, 1, size, size] in 0..1 on the device."""
        pixels = scaled(scale, batch.pixels(), batch.foreground)
        return to_square(pixels, self.settings.size).to(self.device.name)

    def notes(self, case: Case, state: Scale) -> tuple[str, ...]:
        """Whether it never saw this kind of volume."""
        known, given = self.facts.get("modalities", ()), case.volume.modality
        if not known or given is None or given in known:
            return ()
        return (f"It learned from {', '.join(known)}, but looked at {given}.",)
