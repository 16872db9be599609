"""What brat is taught: to align scans with reports, to classify, or to outline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.utils.data import Dataset

from napari_medad.detectors.brat.framing import framed
from napari_medad.detectors.brat.settings import ADVANCED, TEMPERATURE, BratShape
from napari_medad.detectors.device import Device
from napari_medad.detectors.recipe import Example, Recipe, TrainingOptions
from napari_medad.errors import MedadError
from napari_medad.volumes.study import Study


class BratOptions(BratShape, TrainingOptions):
    """What a user of the training may set, whatever the task."""

    epochs: int = Field(default=20, ge=1, title="Epochs")
    batch_size: int = Field(default=32, ge=1, title="Batch size")
    learning_rate: float = Field(
        default=0.0,
        ge=0,
        title="Learning rate",
        description="0: the paper's (5e-4 for the vision backbone, 1e-7 for a ViT; 1e-5 for a "
        "classifier, 1e-6 for its head alone; 1e-2 for segmentation)",
    )
    text_learning_rate: float = Field(
        default=5e-5, gt=0, title="Learning rate of the Q-Former", json_schema_extra=ADVANCED
    )
    begin_from: str = Field(
        default="",
        title="Begin from",
        description="Weights of a pre-trained brat to begin with; empty: random ones",
    )
    frozen: bool = Field(
        default=False, title="Head only", description="Leave what was pre-trained as it is"
    )
    bert: str = Field(
        default="",
        title="BERT",
        description="Local folder of a BERT (BiomedBERT) to begin the text side from; empty: "
        "random weights and a vocabulary of the reports' own words",
    )
    matching: Literal["pva", "colbert"] = Field(default="pva", title="Matching")
    repulsion: Literal["dpp", "pairwise", "none"] = Field(
        default="dpp", title="Repulsion of the views"
    )
    writing: bool = Field(
        default=True, title="Report writing", description="Learn to write the report, too (ITG)"
    )
    dpp_maps: Literal["normalised", "raw"] = Field(
        default="normalised", title="Maps in the DPP", json_schema_extra=ADVANCED
    )
    dpp_layers: Literal["last", "all"] = Field(
        default="last", title="Layers of the DPP", json_schema_extra=ADVANCED
    )
    dpp_epsilon: float = Field(
        default=1e-4, gt=0, title="Diagonal added in the DPP", json_schema_extra=ADVANCED
    )
    temperature: float = Field(
        default=TEMPERATURE,
        ge=1e-3,
        le=0.5,
        title="Temperature at first",
        description="Of the contrastive softmax; it is learned",
        json_schema_extra=ADVANCED,
    )
    warm_up: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        title="Warm-up",
        description="Share of the steps in which the learning rate rises",
        json_schema_extra=ADVANCED,
    )
    weight_decay: float = Field(default=0.05, ge=0, title="Weight decay")
    augment: bool = Field(
        default=False, title="Augment", description="Vary the scans of a classifier (ADNI at 1 %)"
    )
    memory_gb: float = Field(
        default=4.0,
        ge=0,
        title="Scans kept in memory",
        json_schema_extra={"unit": "GB", **ADVANCED},
    )


class BratRecipe(Recipe):
    """Made as the recipe of the task that the options name."""

    Options = BratOptions
    options: BratOptions
    bf16_on_cpu: ClassVar = False
    """oneDNN's bfloat16 weight gradient of a 3D convolution over two slices, as in the third block
    of the DenseNets, is whatever lay in memory (torch 2.14)."""
    presets: ClassVar = {
        "no-qd": {"repulsion": "none"},
        "pairwise": {"repulsion": "pairwise"},
        "colbert": {"matching": "colbert"},
        "q-former": {"reading": "report", "repulsion": "none"},
        "q-former-qd": {"reading": "report"},
        "clip": {"reading": "report", "repulsion": "none", "pooled": True, "writing": False},
        "classification": {"task": "classification"},
        "segmentation": {"task": "segmentation", "batch_size": 2, "weight_decay": 3e-5},
    }

    def __new__(cls, options: BratOptions, examples: Sequence[Example]) -> Self:
        """The recipe of the task; python then initialises it, for it is one of these."""
        from napari_medad.detectors.brat.classification import Classification
        from napari_medad.detectors.brat.pretraining import Pretraining
        from napari_medad.detectors.brat.segmentation import Segmentation

        tasks = {
            "pretraining": Pretraining,
            "classification": Classification,
            "segmentation": Segmentation,
        }
        return super().__new__(tasks[options.task])  # type: ignore[return-value,type-abstract]

    def shape(self) -> BratShape:
        """What shapes the network, as the options say."""
        wanted = {name: getattr(self.options, name) for name in BratShape.model_fields}
        return BratShape.parse(wanted, "brat")

    def rate(self, published: float) -> float:
        """The learning rate that is set, or the published one."""
        return self.options.learning_rate or published

    def chosen(self, *, held_out: bool) -> list[Example]:
        """The examples for gradients, or those held out."""
        return [example for example in self.examples if example.held_out == held_out]

    def schedule(
        self, optimiser: torch.optim.Optimizer, steps: int
    ) -> torch.optim.lr_scheduler.LRScheduler | None:
        """Cosine to zero, after the warm-up."""
        rising = round(self.options.warm_up * steps)
        falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps - rising)
        if not rising:
            return falling
        warm = torch.optim.lr_scheduler.LinearLR(optimiser, 1 / rising, total_iters=rising)
        return torch.optim.lr_scheduler.SequentialLR(optimiser, [warm, falling], [rising])

    def preview(self, network: nn.Module, pixels: np.ndarray) -> np.ndarray | None:
        """None: the network looks at whole scans."""
        return None

    def model_settings(self) -> dict[str, Any]:
        """The shape."""
        return self.shape().model_dump(mode="json")


class Scans(Dataset[dict[str, Tensor]]):
    """Framed scans, kept in memory as far as they fit.

    Parameters
    ----------
    recipe : BratRecipe
    shape : BratShape
    held_out : bool
    """

    def __init__(self, recipe: BratRecipe, shape: BratShape, *, held_out: bool) -> None:
        self.examples = recipe.chosen(held_out=held_out)
        self.shape, self.held_out = shape, held_out
        each = 4 * shape.channels * int(np.prod(shape.size))
        self._room = int(recipe.options.memory_gb * 1e9 / each)
        self._kept: dict[int, dict[str, Tensor]] = {}

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """`image` [c, depth, side, side] in 0..1, and what `more` adds."""
        item = self._kept.get(index)
        if item is None:
            example = self.examples[index]
            study = example.study()
            seen = framed(study, self.shape)
            item = {"image": seen.image, **self.more(index, study, seen.to_image)}
            if len(self._kept) < self._room:
                self._kept[index] = item
        return self.varied(item)

    def more(self, index: int, study: Study, to_image: np.ndarray) -> dict[str, Tensor]:
        """What is learned of the scan, besides its image."""
        return {}

    def varied(self, item: dict[str, Tensor]) -> dict[str, Tensor]:
        """The item as it is used this time."""
        return item


def begun(options: BratOptions) -> Any:
    """Network and facts of the weights to begin from, or None.

    Raises
    ------
    MedadError
        If there are no such weights, or they are of another task.
    """
    if not options.begin_from:
        return None
    from napari_medad.detectors.brat.detector import BratDetector
    from napari_medad.detectors.brat.network import Brat
    from napari_medad.detectors.brat.settings import BratSettings

    detector = BratDetector(BratSettings.parse({}, "brat"), Device(), options.begin_from)
    if not isinstance(detector.network, Brat):
        raise MedadError(
            f"'{options.begin_from}' is no pre-trained brat but one that was taught to "
            f"{detector.task}; begin from the weights that it began from."
        )
    return detector.network, detector.facts
