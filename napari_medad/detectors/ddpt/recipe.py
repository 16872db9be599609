"""What DDPT learns from: slices that someone called normal or abnormal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision.transforms import InterpolationMode, v2

from napari_medad.detectors.ddpt import losses
from napari_medad.detectors.ddpt.network import Ddpt, load_clip
from napari_medad.detectors.ddpt.pictures import (
    SIDE,
    grey_levels,
    maps_of,
    normalised,
    pictures_of,
    squared,
)
from napari_medad.detectors.recipe import Example, Recipe, TrainingOptions
from napari_medad.detectors.slice_labels import labels_of, refuse_one_kind

WARM_UP = 1e-5
"""Learning rate while an optimiser warms up."""


class DdptOptions(TrainingOptions):
    """Published defaults."""

    epochs: int = Field(60, ge=1, title="Epochs")
    batch_size: int = Field(32, ge=1, title="Batch size")
    learning_rate: float = Field(0.01, gt=0, title="Learning rate of visual prompts")
    text_learning_rate: float = Field(0.002, gt=0, title="Learning rate of the text prompt")
    guidance_epochs: int = Field(
        30, ge=0, title="Guidance epochs", description="Epochs that keep either side near CLIP"
    )
    backbone_weights: str = Field(
        "",
        title="CLIP weights",
        description="File of ViT-B/32; empty: OpenAI's, 'random': only to try things out",
    )


class LabelledSlices(Dataset[dict[str, Tensor]]):
    """Axial slices and their labels.

    Raises
    ------
    MedadError
        If all slices have one label, or a label is of a slice that is not there.
    """

    def __init__(self, examples: Sequence[Example], *, held_out: bool) -> None:
        self.varied = not held_out
        pictures, labels, held = [], [], []
        for example in examples:
            slices, found = labelled_slices(example)
            pictures += list(slices)
            labels += found
            held += [example.held_out] * len(found)
        refuse_one_kind(labels)
        kept = [i for i in range(len(labels)) if held[i] == held_out]
        self.pictures = [pictures[i] for i in kept]
        self.labels = [labels[i] for i in kept]
        self.vary = v2.Compose(
            [
                v2.RandomResizedCrop(SIDE, (0.08, 1.0), interpolation=InterpolationMode.BICUBIC),
                v2.RandomHorizontalFlip(),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        picture = self.pictures[index]
        if self.varied:
            cropped = self.vary(torch.from_numpy(picture)[None]).float() / 255
            image = normalised(cropped.expand(3, -1, -1))
        else:
            image = pictures_of(picture[None])[0]
        return {"image": image, "label": torch.tensor(self.labels[index])}


def labelled_slices(example: Example) -> tuple[np.ndarray, list[int]]:
    """Square slices [n, s, s] uint8 and their labels."""
    study = example.study()
    labels = labels_of(example, study)
    array = study.volume().array[list(labels)]
    slices = np.nan_to_num(array.astype(np.float32), posinf=0, neginf=0)
    return squared(grey_levels(slices)), list(labels.values())


class DdptRecipe(Recipe):
    """Slice labels in, prompts out."""

    Options = DdptOptions
    options: DdptOptions
    _clock: torch.optim.lr_scheduler.LRScheduler | None = None
    _steps_per_epoch = 1

    def network(self) -> nn.Module:
        """Random prompts around a frozen CLIP."""
        return Ddpt(load_clip(self.options.backbone_weights))

    def dataset(self, *, held_out: bool) -> LabelledSlices:
        """The labelled slices."""
        return LabelledSlices(self.examples, held_out=held_out)

    def losses(self, network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """CE(z), guided in the first epochs, + 0.3 L_ca."""
        output, labels = network(batch["image"]), batch["label"]
        plain = nn.functional.cross_entropy(output.logits.float(), labels)
        guided = self._epoch() < self.options.guidance_epochs
        main = losses.guided_loss(output, labels) if guided else plain
        auxiliary = losses.class_aware_loss(output, labels)
        right = (output.logits.argmax(-1) == labels).float().mean()
        return {
            "loss": main + losses.ETA * auxiliary,
            "class": plain,
            "auxiliary": auxiliary,
            "accuracy": right,
        }

    def _epoch(self) -> int:
        return self._clock.last_epoch // self._steps_per_epoch if self._clock else 0

    def optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        """SGD; the text prompt has its own rate."""
        assert isinstance(network, Ddpt)
        text = list(network.text_prompt.parameters())
        visual = [network.visual_prompts, *network.class_prompt.parameters()]
        groups: list[dict[str, Any]] = [
            {"params": visual},
            {"params": text, "lr": self.options.text_learning_rate},
        ]
        return torch.optim.SGD(
            groups, lr=self.options.learning_rate, momentum=0.9, weight_decay=5e-4
        )

    def schedule(
        self, optimiser: torch.optim.Optimizer, steps: int
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """Constant warm-up of 9 epochs (text: 1), then a cosine over all epochs."""
        epochs = self.options.epochs
        per_epoch = self._steps_per_epoch = max(1, steps // epochs)

        def factor(warm_up: int, rate: float, step: int) -> float:
            epoch = step // per_epoch
            if epoch < warm_up:
                return WARM_UP / rate
            return 0.5 * (1 + math.cos(math.pi * (epoch - warm_up) / epochs))

        visual, text = self.options.learning_rate, self.options.text_learning_rate
        self._clock = torch.optim.lr_scheduler.LambdaLR(
            optimiser, [lambda s: factor(9, visual, s), lambda s: factor(1, text, s)]
        )
        return self._clock

    def preview(self, network: nn.Module, pixels: np.ndarray) -> np.ndarray:
        """Attention over its maximum, not gated."""
        device = next(network.parameters()).device
        with torch.inference_mode():
            pictures = pictures_of(grey_levels(pixels[None].astype(np.float32)))
            output = network(pictures.to(device))
        return maps_of(output.attention.float().cpu(), pixels.shape, quantised=False)[0]

    def model_settings(self) -> dict[str, Any]:
        """The CLIP weights that the prompts were learned for."""
        return {"backbone_weights": self.options.backbone_weights}
