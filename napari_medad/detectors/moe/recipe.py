"""How the mixture is taught: normal images of several tasks, Eq. 6, Adam."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.utils.data import Dataset

from napari_medad.backbones.prompt.ngrams import paraphrase
from napari_medad.detectors.framing import from_square, scale_of, scaled, to_square
from napari_medad.detectors.moe.calibration import calibrated
from napari_medad.detectors.moe.losses import objective
from napari_medad.detectors.moe.network import MixtureOfExperts
from napari_medad.detectors.moe.samples import (
    NormalSlices,
    TaskVolume,
    synthetic_tasks,
    volumes_of,
)
from napari_medad.detectors.moe.settings import MoeArchitecture
from napari_medad.detectors.moe.text import TextEncoder, text_encoder
from napari_medad.detectors.recipe import Example, Recipe, TrainingOptions
from napari_medad.detectors.training_slices import (
    refuse_abnormal,
    synthetic_seeds,
    usable_slices,
)
from napari_medad.errors import MedadError
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.phantom.contrast import contrasts
from napari_medad.volumes.volume import Volume

WORDINGS = 64
"""Wordings of each task's prompt that a run learns from."""
CALIBRATION_VOLUMES = 2
"""Volumes of each task that thresholds are taken from; single slices count as one."""
SYNTHETIC_SPACING = 1.5
"""Voxel size of synthetic training brains, mm."""


class MoeOptions(TrainingOptions, MoeArchitecture):
    """The paper's defaults, and what it leaves open."""

    epochs: int = Field(250, ge=1, title="Epochs")
    batch_size: int = Field(64, ge=2, title="Batch size")
    alpha: float = Field(1.0, ge=0, title="Weight of the router loss")
    beta: float = Field(1.0, ge=0, title="Weight of the reconstruction loss")
    warm_up: int = Field(
        200,
        ge=1,
        title="Warm-up",
        description="Steps without the hallucination head, after which the error scale is set",
        json_schema_extra={"unit": "steps"},
    )
    corruption: float = Field(
        0.0,
        ge=0,
        le=1,
        title="Corruption",
        description="Share of training slices whose input carries synthetic blobs that the target "
        "lacks, so that lesions are not reconstructed; 0 in the paper",
    )
    balanced: bool = Field(
        False, title="Balance tasks", description="Show every task equally often"
    )
    slices_per_volume: int = Field(48, ge=1, title="Slices of each volume")
    brains: int = Field(
        60, ge=1, title="Synthetic brains", description="For --data synthetic; a tenth is held out"
    )
    rehearsal: int = Field(
        0,
        ge=0,
        title="Rehearsal",
        description="Synthetic brains learned beside your own scans, half of all slices, so that "
        "what was known is not forgotten",
    )
    text: str = Field(
        "auto",
        title="Text encoder",
        description="auto: CLIP where its weights are installed; n-grams; or a CLIP ViT-B/32 file",
    )


class MoeRecipe(Recipe):
    """Normal images of one or more tasks; one expert a task."""

    Options = MoeOptions
    options: MoeOptions
    synthetic = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "starter": {
            "size": 64,
            "hidden": 512,
            "decoder_fc": "direct",
            "epochs": 20,
            "batch_size": 32,
            "learning_rate": 2e-3,
            "corruption": 0.7,
            "brains": 40,
            "text": "n-grams",
        }
    }
    lesson: ClassVar[Mapping[str, Any]] = {"epochs": 4, "learning_rate": 3e-4, "rehearsal": 3}

    def __init__(self, options: TrainingOptions, examples: Sequence[Example]) -> None:
        super().__init__(options, examples)
        refuse_abnormal(examples, "moe", masked=True)
        strange = next((e.task for e in examples if e.task not in self.tasks), None)
        if self.options.rehearsal and strange is not None:
            raise MedadError(
                f"A scan of the task '{strange}' cannot be rehearsed with synthetic ones, which "
                f"are of {', '.join(self.tasks)}; give it one of these tasks."
            )

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """One prompt a task, in the experts' order."""
        if self.examples and not self.options.rehearsal:
            return tuple(sorted({e.task or "Image" for e in self.examples}))
        return tuple(table["task"] for table in contrasts().values())

    @cached_property
    def encoder(self) -> TextEncoder:
        """What turns prompts into features."""
        return text_encoder(self.options.text)

    def network(self) -> MixtureOfExperts:
        """A new mixture with as many experts as tasks."""
        return MixtureOfExperts(self.options, len(self.tasks))

    def volumes(
        self, *, held_out: bool, spacing: float = SYNTHETIC_SPACING
    ) -> Iterator[TaskVolume]:
        """The examples' volumes, or synthetic ones."""
        own = [e for e in self.examples if e.held_out == held_out]
        count = self.options.rehearsal if self.examples else self.options.brains
        seeds = synthetic_seeds(count, self.options.seed, held_out=held_out) if count else range(0)
        brains = synthetic_tasks(seeds, self.tasks, spacing)
        both = chain(volumes_of(own, self.tasks), brains)
        return self.watched(both, len(own) + len(seeds) * len(self.tasks))

    def dataset(self, *, held_out: bool) -> Dataset[Any]:
        """Slices of the volumes, kept in memory."""
        rng = np.random.default_rng(self.options.seed)
        wordings = [
            [task, *(paraphrase(task, rng) for _ in range(WORDINGS - 1))] for task in self.tasks
        ]
        prompts = np.stack([self.encoder.encode(words) for words in wordings])
        return NormalSlices(
            self.volumes(held_out=held_out),
            self.options.size,
            self.options.intensity,
            self.options.slices_per_volume,
            prompts,
            vary=not held_out,
            corruption=self.options.corruption,
        )

    def order(self, size: int, generator: np.random.Generator) -> np.ndarray:
        """A permutation, or draws that show every task, or own and rehearsed, equally often."""
        if self.options.rehearsal and self.examples:
            own = np.arange(size) < self._own_slices
            share = np.where(own, 0.5 / max(own.sum(), 1), 0.5 / max((~own).sum(), 1))
            return generator.choice(size, size, p=share / share.sum())
        if not self.options.balanced or not self.examples:
            return generator.permutation(size)
        numbers = self._numbers
        share = 1 / np.bincount(numbers, minlength=len(self.tasks))[numbers]
        return generator.choice(size, size, p=share / share.sum())

    @cached_property
    def _numbers(self) -> np.ndarray:
        """Task of every training slice."""
        counted = self.dataset(held_out=False)
        assert isinstance(counted, NormalSlices)
        return counted.tasks.numpy()

    @cached_property
    def _own_slices(self) -> int:
        """How many training slices are the user's; they come first."""
        own = (e.study().volume() for e in self.examples if not e.held_out)
        most = self.options.slices_per_volume
        return sum(len(usable_slices(foreground_of(volume), most)) for volume in own)

    def losses(self, network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Eq. 6 with its parts."""
        assert isinstance(network, MixtureOfExperts)
        output = network(batch["input"], batch["text"])
        return objective(
            network,
            batch["image"],
            batch["foreground"],
            output,
            batch["task"],
            alpha=self.options.alpha,
            beta=self.options.beta,
            warm_up=self.options.warm_up,
            importance=batch["importance"],
        )

    def schedule(
        self, optimiser: torch.optim.Optimizer, steps: int
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """Constant as in the paper, with a linear end over the last fifth of the steps."""
        tail = max(1, steps // 5)
        return torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: min(1.0, (steps - step + 1) / tail)
        )

    def calibrate(self, network: nn.Module) -> dict[str, Any]:
        """Tasks, text encoder, and thresholds from held-out healthy volumes."""
        assert isinstance(network, MixtureOfExperts)
        where, volumes = "held-out", self._first_volumes(held_out=True)
        if not volumes:
            where, volumes = "training", self._first_volumes(held_out=False)
        found = calibrated(network, volumes, self.tasks, self.encoder, self.options)
        return {
            "tasks": list(self.tasks),
            "text_encoder": self.encoder.name,
            "thresholds_from": f"{len(volumes)} {where} normal images",
            **found,
        }

    def _first_volumes(self, *, held_out: bool) -> list[TaskVolume]:
        """Up to `CALIBRATION_VOLUMES` of every task, at 1 mm where they are synthetic."""
        kept: list[TaskVolume] = []
        for item in self.volumes(held_out=held_out, spacing=1.0):
            if sum(k.task == item.task for k in kept) < CALIBRATION_VOLUMES:
                kept.append(item)
            elif not self.examples:
                break
        return kept

    def preview(self, network: nn.Module, pixels: np.ndarray) -> np.ndarray:
        """Magnitude of the anomaly map of one slice, routed by the image alone."""
        assert isinstance(network, MixtureOfExperts)
        volume = Volume(pixels[None], np.eye(4))
        foreground = foreground_of(volume)
        scale = scale_of(self.options.intensity, volume.array, foreground)
        image = to_square(scaled(scale, np.nan_to_num(volume.array), foreground), self.options.size)
        image = image.to(next(network.parameters()).device)
        with torch.inference_mode():
            anomaly = network.anomaly(image, network(image)).abs()
        return from_square(anomaly, *pixels.shape)[0] * foreground[0]

    def model_settings(self) -> dict[str, Any]:
        """The architecture."""
        return self.options.model_dump(mode="json", include=set(MoeArchitecture.model_fields))
