"""What SD-MAD learns from: a list of signs and a few named slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.utils.data import Dataset

from napari_medad.backbones.clip.load import Clip
from napari_medad.backbones.clip.losses import dice_loss, focal_loss
from napari_medad.backbones.clip.pictures import maps_on, pictures_of
from napari_medad.backbones.clip.similarity import cosine
from napari_medad.detectors.clip_recipe import BackboneOptions, BackboneRecipe
from napari_medad.detectors.recipe import Example
from napari_medad.detectors.sdmad.losses import sign_loss
from napari_medad.detectors.sdmad.mvfa import ACTIVATION, Mvfa, Output, abnormal_maps, image_chance
from napari_medad.detectors.sdmad.network import (
    BACKBONE,
    Nonlinearity,
    Sentences,
    ShiftAdapters,
    vit_of,
)
from napari_medad.detectors.sdmad.shots import NamedSlice, check, named_slices
from napari_medad.detectors.sdmad.signs import SignList
from napari_medad.detectors.sdmad.text import (
    frozen_features,
    pairs_of,
    prompt_features,
    shifted_features,
)
from napari_medad.volumes.intensity import IntensityRange


class SdmadOptions(BackboneOptions):
    """The paper's, or where it is silent MVFA's; METHOD.md lists every gap."""

    level: Literal["image", "pixel"] = Field(
        "image", title="Level", description="Which slices show a category, or also where (MVFA)"
    )
    signs: str = Field("brain-fastmri", title="Signs", description="A shipped list, or a YAML file")
    categories: tuple[str, ...] = Field(
        (),
        title="Categories",
        description="Of the signs that are learned; empty: all",
        json_schema_extra={"advanced": True},
    )
    image_size: int = Field(240, ge=32, le=1036, title="Image size")
    layers: tuple[int, ...] = Field(
        (),
        title="Adapted layers",
        description="Blocks of the image encoder, counted from 1; empty: the ends of its quarters "
        "(6, 12, 18, 24 of ViT-L; the paper prints 6, 8, 18, 24)",
    )
    keep: float = Field(
        0.9,
        ge=0,
        le=1,
        title="Lambda",
        description="Share of the frozen layer's output (image level)",
    )
    bottleneck: int = Field(
        768, ge=1, le=4096, title="Bottleneck", json_schema_extra={"advanced": True}
    )
    nonlinearity: Nonlinearity = Field(
        "leaky_relu",
        title="Nonlinearity",
        description="Of the adapters (image level)",
        json_schema_extra={"advanced": True},
    )
    bias: bool = Field(
        False,
        title="Bias",
        description="Of the adapters' linear layers (image level)",
        json_schema_extra={"advanced": True},
    )
    beta1: float = Field(
        0.5,
        ge=0,
        lt=1,
        title="First beta of Adam",
        description="The second is 0.999",
        json_schema_extra={"advanced": True},
    )
    normalised: Literal["auto", "yes", "no"] = Field(
        "auto",
        title="CLIP's mean and spread",
        description="Of the pictures; auto: at the image level, not at the pixel level",
        json_schema_extra={"advanced": True},
    )
    image_text_weight: float = Field(1.0, ge=0, title="Weight of image and text")
    anchor_weight: float = Field(1.0, ge=0, title="Weight of the anchor")
    sign_weight: float = Field(
        1.0, ge=0, title="Weight of the signs", description="Beside MVFA's losses (pixel level)"
    )
    object: str = Field(
        "", title="Object", description="In MVFA's prompts; empty: the organ of the signs"
    )
    augmented: bool = Field(
        False, title="Eleven versions", description="Of each shot: turned, shifted, flipped"
    )
    bank_patches: int = Field(
        2048,
        ge=0,
        le=65536,
        title="Remembered patches",
        description="Of normal shots for each adapter (pixel level); the paper keeps all",
        json_schema_extra={"advanced": True},
    )
    epochs: int = Field(50, ge=1, title="Epochs")
    batch_size: int = Field(64, ge=1, title="Batch size", description="The paper: all shots")
    learning_rate: float = Field(1e-3, gt=0, title="Learning rate")
    seed: int = Field(111, ge=0, title="Random seed")
    held_out_share: float = Field(0.0, ge=0, le=0.5, title="Held-out share")


class Shots(Dataset[dict[str, Tensor]]):
    """Named slices as far as frozen blocks look at them.

    An item has `tokens` [n, c], `labels` [K], `mask` [s, s], and `masked`, which tells whether
    the mask is known.
    """

    def __init__(self, slices: Sequence[NamedSlice], tokens: Sequence[Tensor]) -> None:
        self.slices, self.tokens = slices, tokens

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        held = self.slices[index]
        side = held.picture.shape[-1]
        return {
            "tokens": self.tokens[index],
            "labels": held.labels,
            "mask": torch.zeros(side, side) if held.mask is None else held.mask,
            "masked": torch.tensor(held.mask is not None),
        }


class SdmadRecipe(BackboneRecipe):
    """L = L_img-text + L_anchor; at the pixel level beside MVFA's BCE, focal and Dice."""

    Options = SdmadOptions
    options: SdmadOptions
    backbone = BACKBONE
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "pixel": {"level": "pixel", "batch_size": 1, "augmented": True}
    }
    lesson: ClassVar[Mapping[str, Any]] = {"epochs": 20}

    def __init__(self, options: SdmadOptions, examples: Sequence[Example]) -> None:
        super().__init__(options, examples)
        self.signs = SignList.read(options.signs).only(options.categories)
        self.pixel_level = options.level == "pixel"
        self.activation = ACTIVATION if self.pixel_level else "trained"
        self.masks = False
        self._shots: dict[bool, Shots] = {}
        check([e for e in examples if not e.held_out], self.signs.names)

    @property
    def normalised(self) -> bool:
        """Whether pictures have CLIP's mean and spread."""
        chosen = self.options.normalised
        return chosen == "yes" or (chosen == "auto" and not self.pixel_level)

    def network(self) -> nn.Module:
        """Random adapters."""
        o = self.options
        if self.pixel_level:
            return Mvfa(self.clip.shape, o.layers, o.bank_patches)
        return ShiftAdapters(self.clip.shape, o.layers, **self._adapters())

    def _adapters(self) -> dict[str, Any]:
        """What shapes the adapters of the image level."""
        return self.options.model_dump(include={"bottleneck", "keep", "bias", "nonlinearity"})

    def dataset(self, *, held_out: bool) -> Shots:
        """The shots, looked at by the frozen blocks once."""
        if held_out not in self._shots:
            self._shots[held_out] = self._look(held_out)
        return self._shots[held_out]

    def _look(self, held_out: bool) -> Shots:
        own = [e for e in self.examples if e.held_out == held_out]
        size = self.options.image_size
        watched = self.watched(own, len(own))
        slices = named_slices(watched, self.signs.names, size, normalised=self.normalised)
        if self.options.augmented and not held_out:
            slices = [version for held in slices for version in held.versions()]
        self.masks = self.masks or any(s.mask is not None and s.labels.any() for s in slices)
        network = self.network()
        tokens = [self._begin(network, held.picture) for held in self.watched(slices, len(slices))]
        return Shots(slices, tokens)

    def _begin(self, network: nn.Module, picture: Tensor) -> Tensor:
        """Tokens [n, c] of a picture [3, s, s] before the first adapter."""
        if isinstance(network, Mvfa):
            return network.begin(self.clip, picture[None])[0][0]
        assert isinstance(network, ShiftAdapters)
        return network.begin(self.clip, picture[None])[0]

    @property
    def grid(self) -> tuple[int, int]:
        """Patches of a picture, down and across."""
        side = self.options.image_size // self.clip.backbone.patch
        return side, side

    @cached_property
    def pairs(self) -> tuple[Tensor, Tensor]:
        """Category [n] of each sign, and which signs are the same [n, n]."""
        pairs = pairs_of(self.signs)
        return pairs.owner, pairs.same()

    @cached_property
    def read(self) -> Sentences:
        """Signs and anchor before the text adapter."""
        return Sentences.read(self.clip, [*pairs_of(self.signs).texts, self.signs.normal])

    @cached_property
    def frozen(self) -> Tensor:
        """Features [n + 1, joint] of signs and anchor, as CLIP has them."""
        return frozen_features(self.clip, self.signs)

    @cached_property
    def prompts(self) -> Tensor:
        """MVFA's normal and abnormal prompts, [2, joint]."""
        return prompt_features(self.clip, self.options.object or self.signs.organ)

    def losses(self, network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The terms, and their weighted sum."""
        device = batch["tokens"].device
        clip = self.clip_on(batch["tokens"])
        if isinstance(network, Mvfa):
            said = network(clip, batch["tokens"], self.grid)
            terms = self._pixel_terms(said, batch)
            text, weight = self.frozen.to(device), self.options.sign_weight
            features, labels = _with_regions(said, batch)
            base = terms["pixel"] + terms["image"]
        else:
            assert isinstance(network, ShiftAdapters)
            features, labels = network.feature(clip, batch["tokens"]), batch["labels"]
            text, weight = network.sentences(clip, self.read.to(device)), 1.0
            terms, base = {}, torch.zeros((), device=device)
        owner, same = (held.to(device) for held in self.pairs)
        with torch.autocast(device.type, enabled=False):
            parts = sign_loss(features, text[:-1], text[-1], owner, same, labels)
        o = self.options
        signs = o.image_text_weight * parts.image_text + o.anchor_weight * parts.anchor
        terms |= {"image-text": parts.image_text, "anchor": parts.anchor}
        return {"loss": base + weight * signs, **terms}

    def _pixel_terms(self, said: Output, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """MVFA's losses: sums over the layers."""
        text = self.prompts.to(batch["tokens"].device)
        abnormal = (batch["labels"].sum(1) > 0).float()
        chances = image_chance(said.patches(said.det), text).float()
        # The authors give a probability where a logit belongs; it is kept for fidelity.
        image = [F.binary_cross_entropy_with_logits(chance, abnormal) for chance in chances]
        known = batch["masked"]
        pixel = [torch.zeros((), device=abnormal.device)]
        if known.any():
            masks = batch["mask"][known]
            maps = abnormal_maps(said.patches(said.seg), text, self.options.image_size)[:, known]
            pixel += [focal_loss(m, masks) + dice_loss(m[:, 1], masks) for m in maps.float()]
        return {"image": torch.stack(image).sum(), "pixel": torch.stack(pixel).sum()}

    def optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        """Adam with the betas of MVFA."""
        rate = self.options.learning_rate
        return torch.optim.Adam(network.parameters(), lr=rate, betas=(self.options.beta1, 0.999))

    def calibrate(self, network: nn.Module) -> dict[str, Any]:
        """How alike shots and signs are before and after; and the memory of normal shots."""
        shots = self.dataset(held_out=False)
        device = next(network.parameters()).device
        clip = self.clip.to(device)
        before, after, normal = [], [], []
        with torch.inference_mode():
            text = self._features(network, clip)
            for held, tokens in self.watched(zip(shots.slices, shots.tokens), len(shots)):
                x = tokens[None].to(device)
                if isinstance(network, Mvfa):
                    said = network(clip, x, self.grid)
                    feature = said.feature
                    if not held.labels.any():
                        normal.append(said)
                else:
                    assert isinstance(network, ShiftAdapters)
                    feature = network.feature(clip, x)
                plain = _plain(clip, x, network)
                before.append(cosine(plain, self.frozen.to(device))[0])
                after.append(cosine(feature, text)[0])
            if isinstance(network, Mvfa) and normal:
                network.remember(normal)
        return {"similarity": self._similarity(shots.slices, before, after)}

    def _features(self, network: nn.Module, clip: Clip) -> Tensor:
        """Features [n + 1, joint] of signs and anchor as the network has them."""
        if isinstance(network, ShiftAdapters):
            return shifted_features(network, clip, self.signs)
        return self.frozen.to(next(network.parameters()).device)

    def _similarity(
        self, slices: Sequence[NamedSlice], before: list[Tensor], after: list[Tensor]
    ) -> dict[str, Any]:
        """Cosines of shots and signs, the anchor last; of the eleven versions the first."""
        step = len(slices[0].versions()) if self.options.augmented else 1
        names = np.array(self.signs.names)
        rows = [", ".join(names[s.labels.bool().numpy()]) or "normal" for s in slices[::step]]
        return {
            "shots": rows,
            "signs": [*pairs_of(self.signs).texts, self.signs.normal],
            "before": [[round(v, 4) for v in row.tolist()] for row in before[::step]],
            "after": [[round(v, 4) for v in row.tolist()] for row in after[::step]],
        }

    def preview(self, network: nn.Module, pixels: np.ndarray) -> np.ndarray | None:
        """The prompts' map of a slice; at the image level there is none."""
        if not isinstance(network, Mvfa):
            return None
        low, high = float(pixels.min()), float(pixels.max())
        grey = IntensityRange(low, high).apply(pixels)[None]
        size = self.options.image_size
        device = next(network.parameters()).device
        picture = pictures_of(grey, size, normalised=self.normalised).to(device)
        clip = self.clip_on(picture)
        with torch.inference_mode():
            said = network(clip, *network.begin(clip, picture))
            maps = abnormal_maps(said.patches(said.seg), self.prompts.to(device), size)
            return maps_on(maps[:, :, 1].mean(0), (pixels.shape[0], pixels.shape[1]))[0]

    def model_settings(self) -> dict[str, Any]:
        """The CLIP, the level, the shape of the adapters, and the signs in full."""
        o = self.options
        shared = {
            "backbone": self.backbone_name,
            "activation": self.activation,
            "image_size": o.image_size,
            "level": o.level,
            "layers": list(o.layers),
            "normalised": self.normalised,
            "axis": next((e.axis for e in self.examples), "axial"),
            "signs": self.signs.to_dict(),
        }
        if self.pixel_level:
            own = {"bank_patches": o.bank_patches, "masks": self.masks, "object": o.object}
        else:
            own = self._adapters()
        return shared | own


def _plain(clip: Clip, tokens: Tensor, network: nn.Module) -> Tensor:
    """Unit features [b, joint] of tokens before the first adapter, by the frozen CLIP alone."""
    assert isinstance(network, Mvfa | ShiftAdapters)
    frozen = vit_of(clip).go_on(tokens, network.first, lambda block, before, after: after)
    return F.normalize(frozen.float(), dim=-1)


def _with_regions(said: Output, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Features and labels of images and, where lesions are outlined, of these by layer (ours)."""
    h, w = said.grid
    inside = F.adaptive_avg_pool2d(batch["mask"][:, None], (h, w)).flatten(1)
    there = (inside.sum(1) > 0) & (batch["labels"].sum(1) > 0)
    if not there.any():
        return said.feature, batch["labels"]
    share = (inside / inside.sum(1, keepdim=True).clamp(min=1e-6))[there]
    own = batch["labels"][there]
    regions = [
        F.normalize(torch.einsum("bn,bnd->bd", share, F.normalize(m[there, 1:].float(), dim=-1)))
        for m in said.seg
    ]
    features = torch.cat([said.feature, *regions])
    return features, torch.cat([batch["labels"], own.repeat(len(regions), 1)])
