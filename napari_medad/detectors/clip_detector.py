"""What detectors on a frozen CLIP have in common: slices to pictures, and maps back."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from napari_medad.backbones.clip.catalogue import RANDOM, Shape, backbone
from napari_medad.backbones.clip.load import Activation, Clip, shared_clip
from napari_medad.backbones.clip.pictures import maps_on, pictures_of, unseen
from napari_medad.backbones.clip.untrained import fill
from napari_medad.detectors.card import Card
from napari_medad.detectors.clip_settings import ClipSettings
from napari_medad.detectors.detector import Case, Prediction, SliceBatch, SliceDetector
from napari_medad.detectors.needs import sentence
from napari_medad.errors import MedadError
from napari_medad.volumes.intensity import IntensityRange, shown_range
from napari_medad.weights.checkpoint import load_into, read_tensors
from napari_medad.weights.installed import find_weights, installed_weights
from napari_medad.weights.model_folder import ModelFolder


@dataclass(frozen=True, eq=False)
class Adapters:
    """What was learned for a CLIP: settings, tensors and facts; nothing where it is untrained."""

    settings: Mapping[str, Any]
    tensors: Mapping[str, Tensor] | None
    facts: Mapping[str, Any]

    @classmethod
    def read(cls, card: Card, path: Path | None) -> Adapters:
        """From a model folder of ours or a checkpoint of the authors; for None, none.

        Raises
        ------
        MedadError
            If the file is neither.
        """
        if path is None:
            return cls({}, None, {})
        if (path / "model.json").is_file():
            model = ModelFolder.read(path, card.name)
            return cls(model.settings, model.tensors(), model.facts)
        settings, tensors = card.convert(read_tensors(path))
        return cls(settings, tensors, {})


@dataclass(frozen=True, eq=False)
class View:
    """What holds for a whole case: what is black and what white, and the prompts' features."""

    scale: IntensityRange
    text: Any


class ClipDetector(SliceDetector):
    """Learned adapters around a frozen CLIP, which is loaded when it is first needed."""

    settings: ClipSettings
    batch_size = 8
    threshold_source = "best F1 on the held-out slices of the training"
    backbone: ClassVar[str]
    """The paper's CLIP."""
    activation: Activation = "trained"
    """How the authors run it."""
    image_size: ClassVar[int] = 518
    """The paper's."""
    interpolation: ClassVar[str] = "bicubic"
    """How slices are resized."""
    clip_file: str = ""
    """A file of CLIP's weights other than the one in the weights folder."""

    def load(self, weights: str) -> None:
        """Load the adapters. CLIP's own weights follow with the first case."""
        if weights == "auto" and not installed_weights(self.card.name):
            raise MedadError(
                f"'{self.card.name}' {sentence(self.card)}; or pass --weights untrained to look at "
                "its shapes only."
            )
        found = find_weights(self.card.name, weights, self.card.weights)
        self.weights = found.record()
        self.adapters = Adapters.read(self.card, found.path)
        if self.backbone_name in RANDOM:
            self.weights = self.weights.model_copy(update={"state": "untrained"})
        network = self.build(backbone(self.backbone_name).shape, self.adapters.settings)
        if self.adapters.tensors is None:
            fill(network, f"{self.card.name}.")
        else:
            self._fill(network, str(found.path))
        self.network = network.eval().requires_grad_(False).to(self.device.name)

    def _fill(self, network: nn.Module, path: str) -> None:
        """Load the adapters' tensors; another CLIP than theirs is named if they do not fit."""
        assert self.adapters.tensors is not None
        try:
            load_into(network, self.adapters.tensors, path)
        except MedadError as misfit:
            own = self._own_backbone()
            if own in (None, self.backbone_name):
                raise
            raise MedadError(
                f"The weights '{self.weights.name}' of {self.card.name} were learned for the CLIP "
                f"{own}, not for {self.backbone_name}; leave the setting 'backbone' at auto, or "
                f"train for that CLIP. ({misfit})"
            ) from None

    def _own_backbone(self) -> str | None:
        """The CLIP that the adapters were learned for, as far as they say."""
        return self.adapters.settings.get("backbone")

    @abstractmethod
    def build(self, shape: Shape, settings: Mapping[str, Any]) -> nn.Module:
        """The adapters for a CLIP of a shape."""

    @abstractmethod
    def read_text(self) -> Any:
        """Features of the prompts, computed once for a case."""

    @abstractmethod
    def judge(self, pictures: Tensor, text: Any) -> tuple[Tensor, Tensor]:
        """Anomaly maps [b, s, s] and image scores [b] of pictures [b, 3, s, s]."""

    @property
    def untrained(self) -> bool:
        """Whether weights are random, CLIP's included."""
        return self.weights.state == "untrained"

    @property
    def backbone_name(self) -> str:
        """The user's CLIP, else the adapters', else the paper's; untrained a tiny one."""
        if self.settings.backbone != "auto":
            return self.settings.backbone
        paper = "tiny" if self.untrained else self.backbone
        return self.adapters.settings.get("backbone", paper)

    @property
    def size(self) -> int:
        """Side of the pictures."""
        return self.settings.image_size or self.adapters.settings.get("image_size", self.image_size)

    @cached_property
    def clip(self) -> Clip:
        """The frozen CLIP on the detector's device.

        Raises
        ------
        MedadError
            If its weights are not on this machine.
        """
        chosen = self.settings.activation
        return shared_clip(
            self.backbone_name,
            activation=self.activation if chosen == "auto" else chosen,
            weights=self.settings.backbone_weights or self.clip_file,
            untrained=self.untrained,
            device=self.device.name,
            bf16=self.device.precision == "bf16",
        )

    @property
    def looks_through(self) -> Clip:
        """The CLIP, whose passes over the same pictures are shared."""
        return self.clip

    def prepare(self, case: Case) -> View:
        """The grey scale of the whole foreground, and the prompts' features."""
        self.check()
        return View(shown_range(case.volume, case.foreground), self.read_text())

    def check(self) -> None:
        """Raise MedadError where settings cannot be: a picture smaller than CLIP's patches."""
        patch = backbone(self.backbone_name).patch
        if self.size < 2 * patch:
            raise MedadError(
                f"The setting 'image_size' is {self.size}, but {self.backbone_name} needs at least "
                f"{2 * patch} pixels (two patches)."
            )

    def predict(self, batch: SliceBatch, state: View) -> Prediction:
        """Maps and scores of a batch."""
        slices, inside = self._slices(batch, state.scale)
        pictures = self.pictures(slices)
        with self.device.computing():
            maps, scores = self.judge(pictures, state.text)
        anomaly = maps_on(maps, (slices.shape[1], slices.shape[2]))[:, inside[0], inside[1]]
        return Prediction({"anomaly": anomaly}, scores.float().cpu().numpy())

    def pictures(self, slices: np.ndarray) -> Tensor:
        """What CLIP is shown of slices [b, h, w(, 3)] in 0..1."""
        return pictures_of(slices, self.size, self.interpolation).to(self.device.name)

    def _slices(
        self, batch: SliceBatch, scale: IntensityRange
    ) -> tuple[np.ndarray, tuple[slice, slice]]:
        """Slices [b, h, w(, 3)] in 0..1 to show, and where in them the batch's pixels lie."""
        volume, plan = batch.case.volume, batch.plan
        whole = self.settings.frame == "slice"
        box = plan.box if whole else (slice(None), slice(None))
        source = volume.array if volume.rgb is None else volume.rgb
        stacked = np.moveaxis(source, plan.axis, 0)
        stacked = stacked if whole else stacked[:, plan.box[0], plan.box[1]]
        slices = stacked[batch.indices].astype(np.float32)
        slices = np.nan_to_num(slices, nan=scale.low, posinf=scale.high, neginf=scale.low)
        if self.settings.intensity == "slice":
            low = slices.min(axis=(1, 2), keepdims=True)
            width = slices.max(axis=(1, 2), keepdims=True) - low
            return (slices - low) / np.where(width > 0, width, 1), box
        return scale.apply(slices), box

    def threshold(self, case: Case, state: View) -> float | None:
        """From the training's held-out slices, where there were any."""
        return self.adapters.facts.get("threshold")

    def notes(self, case: Case, state: View) -> tuple[str, ...]:
        """Which CLIP looked, and what it did not see."""
        clip = self.clip
        known = f"sha256 {clip.sha256}" if clip.sha256 else "random weights"
        notes = [f"CLIP: {clip.backbone.name}, {clip.activation}, {known}.", *sorted(clip.remarks)]
        own = self._own_backbone()
        if own not in (None, self.backbone_name):
            notes.append(f"The adapters were learned for the CLIP {own}, which is another name.")
        rest = unseen(self.size, clip.backbone.patch) if clip.shape.kind == "vit" else 0
        if rest:
            notes.append(
                f"{self.size} pixels are no multiple of CLIP's patch of {clip.backbone.patch}: the "
                f"last {rest} rows and columns of each picture are not seen, and the map is "
                "stretched over them, as published."
            )
        return tuple(notes)
