"""How a detector is taught: a declaration that the one training loop carries out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.utils.data import Dataset

from napari_medad.detectors.settings import Settings
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Example:
    """One thing to learn from.

    Attributes
    ----------
    image : Path or Volume
        Read when needed, so that a manifest of thousands costs nothing.
    task : str
        What kind of image it is ("Brain MRI T1"); the prompt it is trained with.
    label : int or None
        0 normal, 1 abnormal, None unknown.
    mask : Path, ndarray [z, y, x] or None
    refined : Path, ndarray [z, y, x] or None
        A second, refined opinion of a weak mask, for methods that learn from both.
    importance : Path, ndarray [z, y, x] or None
        How much each voxel counts in the loss: 1 as usual, more where a person has decided,
        0 where nothing is known. None: 1 everywhere.
    slices : mapping of int to int
        Labels of single axial slices, where the user gave them.
    categories : mapping of int to tuple of str
        Names of the abnormalities of single slices along `axis`; () is normal.
    axis : {"axial", "coronal", "sagittal"}
        Direction that `categories` counts slices in.
    held_out : bool
        For calibration and validation, never for gradients.
    patient : str
        Whose image it is: a patient's images are held out together or not at all. Kept in
        memory only. Empty where the file's name has to tell.
    report : str
        The radiology report's text, for methods that learn from it. Kept in memory only.
    study_class : str
        A name of what the whole study shows ("Alzheimer's disease"), for classifiers.
    frame : int or None
        Which frame of a 4D file, from 0.
    """

    image: Path | Volume
    task: str = ""
    label: int | None = 0
    mask: Path | np.ndarray | None = None
    refined: Path | np.ndarray | None = None
    importance: Path | np.ndarray | None = None
    slices: Mapping[int, int] | None = None
    categories: Mapping[int, tuple[str, ...]] | None = None
    axis: str = "axial"
    held_out: bool = False
    patient: str = ""
    report: str = ""
    study_class: str = ""
    frame: int | None = None

    def study(self) -> Study:
        """Read the image; a folder is read as one study."""
        if isinstance(self.image, Volume):
            return Study.from_volumes("image", {self.image.modality or "image": self.image})
        from napari_medad.volumes.reader import read_study

        return read_study(self.image, frame=self.frame)


class TrainingOptions(Settings):
    """What every recipe lets the user set; recipes subclass it and change defaults."""

    epochs: int = Field(50, ge=1, title="Epochs")
    batch_size: int = Field(32, ge=1, title="Batch size")
    learning_rate: float = Field(5e-4, gt=0, title="Learning rate")
    clip_norm: float = Field(
        0.0,
        ge=0,
        title="Gradient clipping",
        description="Largest norm of a step's gradient; 0 is off",
        json_schema_extra={"advanced": True},
    )
    seed: int = Field(0, ge=0, title="Random seed")
    workers: int = Field(0, ge=0, title="Loader processes")
    blend: float = Field(
        1.0,
        gt=0,
        le=1,
        title="Share of the new weights",
        description="In the final ones, where a training began from others: a half keeps most of "
        "what was known (WiSE-FT, Wortsman et al. 2022)",
        json_schema_extra={"advanced": True},
    )
    precision: Literal["auto", "bf16", "fp32"] = Field("auto", title="Precision")
    held_out_share: float = Field(
        0.1,
        ge=0,
        le=0.5,
        title="Held-out share",
        description="Share of patients kept for calibration where the data mark none",
    )
    checkpoint_s: float = Field(
        60,
        gt=0,
        title="Save every",
        description="What a crash may cost at most",
        json_schema_extra={"unit": "s", "advanced": True},
    )
    devices: int = Field(
        1,
        ge=1,
        title="GPUs",
        description="In each machine; they share every batch",
        json_schema_extra={"advanced": True},
    )
    num_nodes: int = Field(1, ge=1, title="Machines", json_schema_extra={"advanced": True})
    strategy: Literal["auto", "ddp"] = Field(
        "auto",
        title="Strategy",
        description="Over several GPUs: 'auto' copes with parameters that a step leaves unused, "
        "'ddp' is faster where there are none",
        json_schema_extra={"advanced": True},
    )


class Recipe(ABC):
    """What is trained, on what, with which objective, optimiser and schedule.

    Parameters
    ----------
    options : TrainingOptions
        An instance of `Options`, method settings included.
    examples : sequence of Example
        What the user gave; a recipe may also make its own data (`synthetic`).
    """

    Options: ClassVar[type[TrainingOptions]]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Named option sets: `medad train moe --preset starter`."""
    lesson: ClassVar[Mapping[str, Any] | None] = None
    """Options of a short training on a few corrected scans, over those that the weights were
    trained with; None where corrections cannot teach."""
    synthetic: ClassVar[bool] = False
    """Whether `--data synthetic` is offered."""
    contrasts_samples: ClassVar[bool] = False
    """Whether a sample's loss is about the others in its batch, so that the mean over parts of
    a batch is not the whole's: then it is trained in one process."""

    bf16_on_cpu: ClassVar[bool] = True
    """Whether a processor may train in bfloat16."""

    def __init__(self, options: TrainingOptions, examples: Sequence[Example]) -> None:
        self.options = options
        self.examples = examples
        self.watch: Callable[[int, int], None] = lambda done, total: None

    def watched(self, items: Iterable[Item], total: int) -> Iterator[Item]:
        """Images being read or made, one by one, while the user sees how many and can stop.

        For `dataset` and `calibrate`; the loop sets `watch`, which raises to stop.
        """
        for done, item in enumerate(items):
            self.watch(done, total)
            yield item

    @abstractmethod
    def network(self) -> nn.Module:
        """A new network with random weights."""

    @abstractmethod
    def dataset(self, *, held_out: bool) -> Dataset[Any]:
        """Samples for gradients, or the held-out ones. Items are dicts of tensors.

        An item may draw random numbers from the global generators of torch and numpy, or
        from ones seeded by them: the loop seeds these for every item from the run's seed,
        the epoch and the index, so that a resumed run sees what an uninterrupted one does.
        A dataset with a method `set_epoch(epoch)` is told every epoch's number.
        """

    def order(self, size: int, generator: np.random.Generator) -> np.ndarray:
        """Order [n] of one epoch's samples: a permutation, unless the recipe balances tasks.

        Of the same length every epoch.
        """
        return generator.permutation(size)

    @abstractmethod
    def losses(self, network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The objective: `loss` is what is minimised, other keys are plotted beside it."""

    def optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        """Adam over what requires gradients, unless the paper says otherwise."""
        wanted = [p for p in network.parameters() if p.requires_grad]
        return torch.optim.Adam(wanted, lr=self.options.learning_rate)

    def schedule(
        self, optimiser: torch.optim.Optimizer, steps: int
    ) -> torch.optim.lr_scheduler.LRScheduler | None:
        """Learning-rate schedule by step, if any."""
        return None

    def calibrate(self, network: nn.Module) -> dict[str, Any]:
        """After training: numbers kept in `model.json` (thresholds from held-out images)."""
        return {}

    @abstractmethod
    def preview(self, network: nn.Module, pixels: np.ndarray) -> np.ndarray | None:
        """Anomaly map [h, w] of one slice [h, w] while training, for the viewer.

        None where the network does not say where in a slice something lies.
        """

    @abstractmethod
    def model_settings(self) -> dict[str, Any]:
        """What `model.json` must hold for the detector to rebuild the network."""
