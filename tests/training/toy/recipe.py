"""What the toy learns: y = w . x with known w, from points drawn anew every epoch."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import nn
from torch.utils.data import Dataset

from napari_medad.detectors.detector import Prediction, SliceDetector
from napari_medad.detectors.recipe import Recipe, TrainingOptions
from napari_medad.detectors.settings import Settings
from napari_medad.errors import MedadError
from napari_medad.weights.checkpoint import load_into
from napari_medad.weights.model_folder import ModelFolder

TRUE = torch.tensor([[2.0, -1.0]])


class ToySettings(Settings):
    width: int = Field(2, ge=1, title="Inputs")


class ToyDetector(SliceDetector):
    def load(self, weights: str) -> None:
        self.network = nn.Linear(2, 1)
        load_into(self.network, ModelFolder.read(weights, "toy").tensors(), weights)

    def predict(self, batch: Any, state: Any) -> Prediction:
        return Prediction({"anomaly": np.abs(batch.pixels())})


class ToyOptions(TrainingOptions):
    epochs: int = Field(4, ge=1, title="Epochs")
    batch_size: int = Field(8, ge=1, title="Batch size")
    learning_rate: float = Field(0.05, gt=0, title="Learning rate")
    precision: str = Field("fp32", title="Precision")
    width: int = Field(2, ge=1, title="Inputs")
    points: int = Field(40, ge=1, title="Points")
    fits: int = Field(1000, ge=0, title="Largest batch that fits into memory")
    slow_s: float = Field(0, ge=0, title="Seconds a step takes")
    noise: bool = Field(True, title="Weigh the points of a step at random")
    diverges: bool = Field(False, title="Diverge at once")


class Points(Dataset[Any]):
    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        noise = np.random.standard_normal(2)  # noqa: NPY002
        x = torch.randn(2) + 0.1 * torch.from_numpy(noise).float()
        return {"x": x, "y": TRUE[0] @ x}


class ToyRecipe(Recipe):
    Options = ToyOptions
    options: ToyOptions
    synthetic = True
    presets: ClassVar[dict[str, dict[str, Any]]] = {"long": {"epochs": 60}}

    def network(self) -> nn.Module:
        return nn.Linear(self.options.width, 1)

    def dataset(self, *, held_out: bool) -> Points:
        count = 12 if held_out else self.options.points
        return Points(sum(1 for _ in self.watched(range(count), count)))

    def losses(self, network: nn.Module, batch: Any) -> dict[str, torch.Tensor]:
        if len(batch["x"]) > self.options.fits:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate")
        time.sleep(self.options.slow_s)
        error = (network(batch["x"])[:, 0] - batch["y"]) ** 2
        weight = (
            0.5 + torch.rand(len(error))
            if self.options.noise and network.training
            else torch.ones(len(error))
        )
        loss = (weight * error).mean() * (torch.nan if self.options.diverges else 1)
        return {"loss": loss, "error": error.mean()}

    def schedule(self, optimiser: Any, steps: int) -> Any:
        return torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.1, steps)

    def calibrate(self, network: nn.Module) -> dict[str, Any]:
        return {"threshold": 0.5}

    def preview(self, network: nn.Module, pixels: np.ndarray) -> np.ndarray:
        if pixels.ndim != 2:
            raise MedadError("A preview needs a slice [h, w].")
        return np.abs(pixels - pixels.mean()).astype(np.float32)

    def model_settings(self) -> dict[str, Any]:
        return {"width": self.options.width}
