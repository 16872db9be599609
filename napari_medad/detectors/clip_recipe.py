"""What adapters of CLIP are trained on: slices with masks or labels, and how they are shown."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.utils.data import Dataset

from napari_medad.backbones.clip.load import Activation, Clip, load_clip
from napari_medad.backbones.clip.pictures import maps_on, pictures_of
from napari_medad.detectors.example_masks import importance_of, mask_of
from napari_medad.detectors.recipe import Example, Recipe, TrainingOptions
from napari_medad.errors import MedadError
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.intensity import IntensityRange, shown_range
from napari_medad.volumes.study import Study

PIXELS = 2_000_000
"""Pixels that a threshold is chosen from, at most."""


class BackboneOptions(TrainingOptions):
    """Which CLIP is trained for, and how large its pictures are."""

    backbone: str = Field(
        "auto", title="CLIP", description="As the detector's setting; auto: the paper's"
    )
    backbone_weights: str = Field("", title="CLIP weights", description="File of CLIP's weights")
    image_size: int = Field(518, ge=32, le=1036, title="Image size")


class ClipOptions(BackboneOptions):
    """What recipes share that learn from masked slices."""

    normal_share: float = Field(
        1.0,
        ge=0,
        title="Normal slices",
        description="Slices without a lesion for each one with a lesion, in abnormal scans",
    )


@dataclass(frozen=True, eq=False)
class Slice:
    """A slice to learn from.

    Attributes
    ----------
    pixels : ndarray [h, w] or [h, w, 3]
        In 0..1, kept in half precision.
    label : int
    mask : ndarray [h, w] bool, optional
    importance : ndarray [h, w] float16, optional
        How much each pixel counts.
    """

    pixels: np.ndarray
    label: int
    mask: np.ndarray | None
    importance: np.ndarray | None = None


class MaskedSlices(Dataset[dict[str, Tensor]]):
    """Axial slices, their labels and masks.

    An item has `image` [3, s, s], `mask` [s, s] float of 0 and 1, `importance` [s, s], `label`,
    and `masked`, which tells whether the mask is known.
    """

    def __init__(
        self, examples: Sequence[Example], size: int, normal_share: float, how: str = "bicubic"
    ) -> None:
        self.size, self.how = size, how
        self.slices = [s for e in examples for s in slices_of(e, normal_share)]

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        held = self.slices[index]
        mask = torch.zeros(self.size, self.size)
        if held.mask is not None and held.mask.any():
            whole = torch.from_numpy(held.mask)[None, None].float()
            resized = F.interpolate(whole, mask.shape, mode="bilinear", antialias=True)
            mask = (resized[0, 0] > 0.5).float()
        counts = torch.ones_like(mask)
        if held.importance is not None:
            planes = torch.from_numpy(held.importance)[None, None].float()
            counts = F.interpolate(planes, mask.shape, mode="bilinear", antialias=True)[0, 0]
        return {
            "image": pictures_of(held.pixels[None], self.size, self.how)[0],
            "mask": mask,
            "importance": counts,
            "label": torch.tensor(held.label),
            "masked": torch.tensor(held.mask is not None),
        }


def slices_of(example: Example, normal_share: float) -> list[Slice]:
    """Every abnormal slice of an example, and normal ones that a person saw or spread evenly.

    Raises
    ------
    MedadError
        If nothing says where an abnormal image is abnormal, or its mask lies elsewhere.
    """
    study = example.study()
    volume = study.volume()
    foreground = foreground_of(volume)
    mask = mask_of(example, study)
    labels = _labels(example, study, mask, np.asarray(foreground.any(axis=(1, 2))))
    counts = importance_of(example, study)
    decided = [] if counts is None else np.flatnonzero(counts.max(axis=(1, 2)) > 1).tolist()
    abnormal = [z for z, label in labels.items() if label]
    normal = [z for z, label in labels.items() if not label]
    if abnormal:
        count = min(len(normal), round(normal_share * len(abnormal)))
        spread = np.linspace(0, len(normal) - 1, count).round().astype(int)
        normal = sorted({normal[i] for i in spread} | set(decided) & set(normal))
    scale = shown_range(volume, foreground)
    source = volume.array if volume.rgb is None else volume.rgb

    def pixels(z: int) -> np.ndarray:
        plane = np.nan_to_num(source[z].astype(np.float32), posinf=scale.high)
        return scale.apply(plane).astype(np.float16)

    nothing = np.zeros(volume.array.shape[1:], bool)
    return [
        Slice(
            pixels(z),
            labels[z],
            nothing if not labels[z] else None if mask is None else mask[z],
            None if counts is None else counts[z].astype(np.float16),
        )
        for z in sorted(abnormal + normal)
    ]


def _labels(
    example: Example, study: Study, mask: np.ndarray | None, inside: np.ndarray
) -> dict[int, int]:
    """Label of each slice that can be learned from."""
    given = dict(example.slices or {})
    beyond = next((z for z in given if not 0 <= z < len(inside)), None)
    if beyond is not None:
        raise MedadError(
            f"{study.name} has a label for slice {beyond}, but only slices 0 to {len(inside) - 1}; "
            "correct the label."
        )
    if mask is not None:
        return {int(z): int(mask[z].any()) for z in np.flatnonzero(inside)} | given
    if given:
        return given
    if example.label == 0:
        return {int(z): 0 for z in np.flatnonzero(inside)}
    raise MedadError(
        f"{study.name} is abnormal, but nothing says where; give a mask, or label its slices."
    )


class BackboneRecipe(Recipe):
    """Around a frozen CLIP, which stays out of the network and its checkpoints."""

    options: BackboneOptions
    backbone: ClassVar[str]
    activation: Activation = "trained"

    @cached_property
    def clip(self) -> Clip:
        """The frozen CLIP."""
        return load_clip(
            self.backbone_name, activation=self.activation, weights=self.options.backbone_weights
        )

    @property
    def backbone_name(self) -> str:
        """The user's CLIP, or the paper's."""
        return self.backbone if self.options.backbone == "auto" else self.options.backbone

    def clip_on(self, images: Tensor) -> Clip:
        """The CLIP on the device of the images."""
        return self.clip.to(images.device)


class ClipRecipe(BackboneRecipe):
    """Adapters of a CLIP that are taught by masked slices."""

    options: ClipOptions
    lesson: ClassVar[Mapping[str, Any]] = {"epochs": 5, "learning_rate": 2e-4, "batch_size": 4}
    interpolation: ClassVar[str] = "bicubic"
    needs_masks: ClassVar[bool] = False

    def dataset(self, *, held_out: bool) -> MaskedSlices:
        """Slices of the examples.

        Raises
        ------
        MedadError
            If a mask is missing that the method cannot do without.
        """
        wanted = [e for e in self.examples if e.held_out == held_out]
        share = self.options.normal_share
        slices = MaskedSlices(wanted, self.options.image_size, share, self.interpolation)
        if self.needs_masks and any(s.mask is None for s in slices.slices):
            raise MedadError(
                "Slices are labelled abnormal but have no mask, which this method learns from; "
                "paint masks, or train anomalyclip, which needs none."
            )
        return slices

    @abstractmethod
    def maps(self, network: nn.Module, images: Tensor) -> Tensor:
        """Anomaly maps [b, s, s] of pictures [b, 3, s, s], as the detector would make them."""

    def calibrate(self, network: nn.Module) -> dict[str, Any]:
        """The threshold of the best F1 on held-out slices; nothing where none is abnormal."""
        slices = self.dataset(held_out=True)
        known = [i for i, s in enumerate(slices.slices) if s.mask is not None]
        if not any(slices.slices[i].label for i in known):
            return {}
        device = next(network.parameters()).device
        step = max(1, len(known) * self.options.image_size**2 // PIXELS)
        scores, truths = [], []
        with torch.inference_mode():
            for i in known:
                item = slices[i]
                anomaly = self.maps(network, item["image"][None].to(device))[0]
                scores.append(anomaly.float().cpu().ravel()[::step].numpy())
                truths.append(item["mask"].ravel()[::step].numpy())
        threshold, f1 = best_f1(np.concatenate(scores), np.concatenate(truths) > 0)
        return {"threshold": threshold, "held_out_f1": f1}

    def preview(self, network: nn.Module, pixels: np.ndarray) -> np.ndarray:
        """Anomaly map of one slice, on its own range of grey."""
        low, high = float(pixels.min()), float(pixels.max())
        grey = IntensityRange(low, high).apply(pixels)[None]
        device = next(network.parameters()).device
        images = pictures_of(grey, self.options.image_size, self.interpolation).to(device)
        with torch.inference_mode():
            return maps_on(self.maps(network, images), (pixels.shape[0], pixels.shape[1]))[0]

    def model_settings(self) -> dict[str, Any]:
        """Which CLIP the adapters are for, and the size they were trained at."""
        return {"backbone": self.backbone_name, "image_size": self.options.image_size}


def best_f1(scores: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Threshold (score >= t is abnormal) of the best F1, and that F1.

    Parameters
    ----------
    scores : ndarray [n] float
    truth : ndarray [n] bool
        With at least one True.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    hits = np.cumsum(truth[order])
    last_of_ties = np.append(np.flatnonzero(np.diff(ranked)), ranked.size - 1)
    f1 = 2 * hits[last_of_ties] / (last_of_ties + 1 + truth.sum())
    best = int(np.argmax(f1))
    return float(ranked[last_of_ties[best]]), float(f1[best])
