"""AnoVL over the slices of a study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from napari_medad.backbones.clip.catalogue import RANDOM, Shape
from napari_medad.backbones.clip.prompts import Ensemble
from napari_medad.detectors.anovl import CARD
from napari_medad.detectors.anovl.adaptation import Start, adapted
from napari_medad.detectors.anovl.network import (
    BACKBONE,
    Prompts,
    chances,
    glance,
    look,
    map_of,
    read_prompts,
    views,
)
from napari_medad.detectors.anovl.settings import AnovlSettings
from napari_medad.detectors.clip_detector import Adapters, ClipDetector, View
from napari_medad.detectors.detector import Case
from napari_medad.results.run_record import WeightsRecord, WeightsState
from napari_medad.weights.installed import find_weights, installed_weights


class AnovlDetector(ClipDetector):
    """Anomaly map = P(abnormal) of each patch, after an adaptation to the slice."""

    card = CARD
    settings: AnovlSettings
    backbone = BACKBONE
    image_size = 240
    interpolation = "bilinear"

    def load(self, weights: str) -> None:
        """Load CLIP, whose weights are the only ones: added ones, or those of the CLIP folder."""
        self.adapters = Adapters({}, None, {})
        chosen = self.settings.backbone_weights or self.settings.backbone != "auto"
        if weights == "auto" and (chosen or not installed_weights(CARD.name)):
            clip = self.clip
            files = [str(file.path) for file in clip.backbone.files]
            path = self.settings.backbone_weights or next(iter(files), None)
            known: WeightsState = "untrained" if self.backbone_name in RANDOM else "released"
            self.weights = WeightsRecord(state=known, name="auto", path=path, sha256=clip.sha256)
            return
        found = find_weights(CARD.name, weights, CARD.weights)
        self.weights = found.record()
        if found.path is not None:
            folder = found.path.is_dir()
            self.clip_file = str(found.path / "weights.safetensors" if folder else found.path)
            self.clip  # noqa: B018  # loaded now, so that a wrong file is refused now

    def build(self, shape: Shape, settings: Mapping[str, Any]) -> nn.Module:
        """Nothing is learned beforehand."""
        return nn.Module()

    def read_text(self) -> Prompts:
        """Features of the states and of all their sentences."""
        asked = self.settings
        words = Ensemble.read(CARD.package).changed_by_file(asked.prompts)
        words = words.changed(asked.normal, asked.abnormal, asked.templates)
        spoken = words.in_domain(asked.domain)
        read = read_prompts(self.clip, spoken, asked.object)
        return Prompts(*(features.to(self.device.name) for features in read))

    def judge(self, pictures: Tensor, text: Prompts) -> tuple[Tensor, Tensor]:
        """P(abnormal) of adapted patches, and of the whole picture."""
        feature, local = look(self.clip, pictures)
        scores = chances(feature.float(), text.states)[:, 1]
        if self.settings.views:
            turned = [feature, *(glance(self.clip, view) for view in views(pictures)[1:])]
            scores = torch.stack([chances(f.float(), text.states)[:, 1] for f in turned]).mean(0)
        tokens = self._adapted(local.tokens, text) if self.settings.steps else local.tokens
        return map_of(tokens.float(), local.grid, text.states, pictures.shape[-1]), scores

    def _adapted(self, tokens: Tensor, text: Prompts) -> Tensor:
        """Adapted tokens; gradients are needed for a moment, in full precision."""
        asked, kind = self.settings, self.device.name.split(":")[0]
        with torch.inference_mode(False), torch.enable_grad(), torch.autocast(kind, enabled=False):
            plain = Prompts(*(features.clone() for features in text))
            start = Start.drawn(plain, tokens.shape[1], asked.adapter)
            own = tokens.float().clone()
            return adapted(own, plain, start, asked.adapter, asked.steps, asked.learning_rate)

    def notes(self, case: Case, state: View) -> tuple[str, ...]:
        """Which prompts, and what the map's values are."""
        return (
            *super().notes(case, state),
            f"The prompts speak of {self.settings.domain} images of '{self.settings.object}'.",
            "Map values lie close to 0.5: they rank patches and are no probabilities.",
        )
