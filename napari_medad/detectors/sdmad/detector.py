"""SD-MAD over the slices of a study: which abnormalities, and at the pixel level where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_medad.backbones.clip.catalogue import Shape
from napari_medad.backbones.clip.pictures import maps_on, pictures_of, smoothed
from napari_medad.backbones.clip.similarity import cosine
from napari_medad.backbones.clip.vision import Stage
from napari_medad.detectors.clip_detector import View
from napari_medad.detectors.clip_memory import Memory, RememberingDetector
from napari_medad.detectors.detector import Case, Prediction, SliceBatch
from napari_medad.detectors.sdmad import CARD
from napari_medad.detectors.sdmad.mvfa import (
    ACTIVATION,
    Mvfa,
    Output,
    abnormal_maps,
    category_maps,
    image_chance,
)
from napari_medad.detectors.sdmad.network import BACKBONE, ShiftAdapters
from napari_medad.detectors.sdmad.scores import category_chances, slice_score
from napari_medad.detectors.sdmad.settings import SdmadSettings
from napari_medad.detectors.sdmad.signs import SignList
from napari_medad.detectors.sdmad.text import (
    SignText,
    frozen_features,
    prompt_features,
    shifted_features,
    sign_text,
)
from napari_medad.results.outputs import category

UNTRAINED = "brain-fastmri"
"""Signs that an untrained network is shown with."""


@dataclass(frozen=True, eq=False)
class Words:
    """Features of what is compared with.

    Attributes
    ----------
    signs : SignText or None
        None for MVFA's released weights, which know no categories.
    prompts : Tensor [2, joint] or None
        Normal and abnormal, at the pixel level.
    """

    signs: SignText | None
    prompts: Tensor | None


@dataclass(frozen=True, eq=False)
class PixelView(View):
    """With both maps of the pixel level apart, where they are scaled over the whole case."""

    parts: dict[str, np.ndarray] = field(default_factory=dict)


class SdmadDetector(RememberingDetector):
    """Scores and decisions for every category; at the pixel level maps also."""

    card = CARD
    settings: SdmadSettings
    network: ShiftAdapters | Mvfa
    backbone = BACKBONE
    image_size = 240

    def build(self, shape: Shape, settings: Mapping[str, Any]) -> nn.Module:
        """Shift adapters, or MVFA's."""
        layers = tuple(settings.get("layers", ()))
        if settings.get("level") == "pixel":
            self.activation = settings.get("activation", ACTIVATION)
            return Mvfa(shape, layers, settings.get("bank_patches", 0))
        self.activation = settings.get("activation", "trained")
        self.threshold_source = "where a sign is as near as the normal sentence"
        shaping = ("bottleneck", "keep", "bias", "nonlinearity")
        return ShiftAdapters(shape, layers, **{k: settings[k] for k in shaping if k in settings})

    @property
    def pixel_level(self) -> bool:
        """Whether it tells where."""
        return isinstance(self.network, Mvfa)

    @cached_property
    def signs(self) -> SignList | None:
        """The user's signs, else those it was taught, else none."""
        if self.settings.signs:
            return SignList.read(self.settings.signs)
        taught = self.adapters.settings.get("signs")
        if taught:
            return SignList.from_dict(taught, f"of the weights '{self.weights.name}'")
        return SignList.read(UNTRAINED) if self.untrained else None

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the categories."""
        return self.signs.names if self.signs else ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """The anomaly map, and at the pixel level one for each category."""
        maps = tuple(category(name).name for name in self.categories)
        return ("anomaly", *maps) if self.pixel_level else ("anomaly",)

    @property
    def word(self) -> str:
        """What the images show, in MVFA's prompts."""
        taught = self.adapters.settings.get("object") or (self.signs.organ if self.signs else "")
        return self.settings.object or taught or "brain"

    def read_text(self) -> Words:
        """Features of the signs, selected, and of MVFA's prompts."""
        clip, network, signs = self.clip, self.network, None
        with torch.inference_mode():  # in fp32: signs differ by a few thousandths
            if self.signs is not None:
                features = (
                    shifted_features(network, clip, self.signs)
                    if isinstance(network, ShiftAdapters)
                    else frozen_features(clip, self.signs).to(self.device.name)
                )
                signs = sign_text(self.signs, features, selected=self.settings.select_signs)
            prompts = prompt_features(clip, self.word) if self.pixel_level else None
        return Words(signs, None if prompts is None else prompts.to(self.device.name))

    def prepare(self, case: Case) -> View:
        """Grey scale, sentences, normal scans; and room for two maps where they are scaled."""
        if isinstance(self.network, Mvfa) and self.memory is None and self.network.bank.any():
            self.memory = Memory(tuple(self.network.bank.float()), slices=0)
        view = super().prepare(case)
        if self.settings.scaling == "none" or self.memory is None:
            return view
        shape = case.volume.array.shape
        parts = {name: np.zeros(shape, np.float32) for name in ("prompts", "memory")}
        return PixelView(view.scale, view.text, parts)

    @property
    def remembered(self) -> int:
        """Slices that were given to `remember`, not by the settings or the training."""
        return super().remembered if self.memory and self.memory.slices else 0

    def pictures(self, slices: np.ndarray) -> Tensor:
        """With CLIP's mean and spread, or as they are: as in training."""
        normalised = self.adapters.settings.get("normalised", True)
        shown = pictures_of(slices, self.size, self.interpolation, normalised=normalised)
        return shown.to(self.device.name)

    def stages_of(self, pictures: Tensor) -> list[Stage]:
        """Both adapters' tokens, class tokens included; at the image level nothing."""
        if not isinstance(self.network, Mvfa):
            return []
        return self.network(self.clip, *self.network.begin(self.clip, pictures)).whole()

    def judge(self, pictures: Tensor, text: Any) -> tuple[Tensor, Tensor]:
        """Image level: the slice's score everywhere. See `predict` for the rest."""
        feature = self._feature(pictures)
        assert text.signs is not None
        cosines = cosine(feature, text.signs.all)
        chance = slice_score(text.signs.judge(cosines)[0], cosines[:, -1])
        size = pictures.shape[-1]
        return chance[:, None, None].expand(-1, size, size), chance

    def _feature(self, pictures: Tensor) -> Tensor:
        network = self.network
        assert isinstance(network, ShiftAdapters)
        return network.feature(self.clip, network.begin(self.clip, pictures))

    def predict(self, batch: SliceBatch, state: View) -> Prediction:
        """Maps, slice scores, and scores and decisions for every category."""
        slices, inside = self._slices(batch, state.scale)
        pictures = self.pictures(slices)
        shape = (slices.shape[1], slices.shape[2])
        words: Words = state.text

        def on_slices(maps: Tensor) -> np.ndarray:
            return maps_on(maps, shape)[:, inside[0], inside[1]]

        with self.device.computing():
            if isinstance(self.network, Mvfa):
                said = self.network(self.clip, *self.network.begin(self.clip, pictures))
                maps, scores = self._pixel_maps(said, words, batch, state, on_slices)
                feature = said.feature
            else:
                feature = self._feature(pictures)
                maps, scores = {}, None
            if words.signs is None:
                return Prediction(maps, scores)
            cosines = cosine(feature, words.signs.all)
            near, present = words.signs.judge(cosines)
            chances = category_chances(near, cosines[:, -1])
            if scores is None:
                scores = slice_score(near, cosines[:, -1]).cpu().numpy()
                whole = np.broadcast_to(scores[:, None, None], batch.foreground.shape)
                maps = {"anomaly": whole.astype(np.float32)}
        names = words.signs.pairs.categories
        return Prediction(
            maps,
            scores,
            categories=dict(zip(names, near.float().cpu().numpy().T, strict=True)),
            chances=dict(zip(names, chances.float().cpu().numpy().T, strict=True)),
            present=dict(zip(names, present.cpu().numpy().T, strict=True)),
        )

    def _pixel_maps(
        self, said: Output, words: Words, batch: SliceBatch, state: View, on_slices: Any
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The anomaly map, half of it from memory where there is one, and category maps."""
        assert words.prompts is not None
        count, size = len(said.seg), self.size
        seg, det = said.patches(said.seg), said.patches(said.det)
        prompted = smoothed(
            abnormal_maps(seg, words.prompts, size)[:, :, 1].mean(0), self.settings.sigma
        )
        anomaly = on_slices(prompted)
        chance = image_chance(det, words.prompts).mean(0)
        if self.memory is not None:
            near, far = (
                Memory(banks, self.memory.slices).distance(stages, size) / count
                for banks, stages in (
                    (self.memory.banks[:count], seg),
                    (self.memory.banks[count:], det),
                )
            )
            remembered = on_slices(smoothed(near, self.settings.sigma))
            self._keep_apart(batch, state, anomaly, remembered)
            anomaly = 0.5 * anomaly + 0.5 * remembered
            chance = 0.5 * chance + 0.5 * far.mean((1, 2))
        maps = {"anomaly": anomaly}
        if words.signs is not None:
            text = words.signs
            owner, kept = text.pairs.owner.to(chance.device), text.selection.kept
            found = category_maps(
                seg, text.signs, text.anchor, owner, kept.to(chance.device), text.count, size
            )
            names = text.pairs.categories
            maps |= {category(n).name: on_slices(found[:, c]) for c, n in enumerate(names)}
        if self.adapters.settings.get("masks", False):
            return maps, (anomaly * batch.foreground).max(axis=(1, 2))
        return maps, chance.float().cpu().numpy()

    def _keep_apart(
        self, batch: SliceBatch, state: View, prompts: np.ndarray, memory: np.ndarray
    ) -> None:
        if isinstance(state, PixelView):
            for name, values in (("prompts", prompts), ("memory", memory)):
                shown = np.where(batch.foreground, values, 0)
                batch.plan.view(state.parts[name])[batch.indices] = shown

    def finish(self, maps: Mapping[str, np.ndarray], case: Case, state: View) -> None:
        """Where asked, scale both maps to 0..1 over the case, and take their mean."""
        if not isinstance(state, PixelView):
            return
        inside = case.foreground
        total = np.zeros(inside.sum(), np.float32)
        for part in state.parts.values():
            values = part[inside]
            total += (values - values.min()) / max(float(np.ptp(values)), 1e-12)
        maps["anomaly"][inside] = total / 2

    def threshold(self, case: Case, state: View) -> float | None:
        """A half at the image level: there a sign is as near as the anchor."""
        return super().threshold(case, state) if self.pixel_level else 0.5

    def evidence(self, case: Case, state: View) -> Mapping[str, Any]:
        """The anchor, every sign with its distances, and the training's similarities."""
        text: SignText | None = state.text.signs
        if text is None or self.signs is None:
            return {}
        return {
            "anchor": self.signs.normal,
            "signs": text.selection.facts(text.pairs),
            "similarity": self.adapters.facts.get("similarity", {}),
            "whole_slices": not self.pixel_level,
        }

    def notes(self, case: Case, state: View) -> tuple[str, ...]:
        """What the map is, and which rules had to be stretched."""
        notes = [*super().notes(case, state)]
        text: SignText | None = state.text.signs
        if not self.pixel_level:
            notes.append(
                "The model judges whole slices: the map holds each slice's score, not where in "
                "the slice something lies, so that a finding's volume says nothing."
            )
        elif self.memory is None:
            notes.append("No normal scans are remembered: the map is that of the prompts alone.")
        if text is None:
            notes.append("These weights know no signs: normal and abnormal are told apart only.")
        elif text.selection.restored:
            names = ", ".join(text.selection.restored)
            notes.append(f"Selection would have left no sign of {names}: all of theirs are kept.")
        taught = self.adapters.settings.get("axis", case.axis)
        if taught != case.axis:
            notes.append(f"It was taught {taught} slices, but looked at {case.axis} ones.")
        return tuple(notes)
