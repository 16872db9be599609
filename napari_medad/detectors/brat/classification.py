"""What a study shows as a whole: a two-layer MLP on brat, taught by a table of classes (ADNI)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from monai.transforms import (
    Compose,
    RandAdjustContrast,
    RandFlip,
    RandGaussianNoise,
    RandGaussianSmooth,
    RandScaleIntensity,
    RandShiftIntensity,
    RandSimulateLowResolution,
)
from scipy.optimize import minimize_scalar
from sklearn.metrics import roc_auc_score, roc_curve
from torch import Tensor, nn

from napari_medad.detectors.brat.downstream import Downstream
from napari_medad.detectors.brat.heads import Classifier
from napari_medad.detectors.brat.recipe import Scans
from napari_medad.errors import MedadError
from napari_medad.volumes.study import Study

TEMPERATURES = (0.1, 10.0)
"""Range of the fitted temperature, so that few held-out scans cannot make a class certain."""


class ClassifiedScans(Scans):
    """Framed scans, each with its class."""

    def __init__(self, recipe: Classification, *, held_out: bool) -> None:
        super().__init__(recipe, recipe.shape(), held_out=held_out)
        number = {name: n for n, name in enumerate(self.shape.classes)}
        self.classes = [number[example.study_class] for example in self.examples]
        vary = recipe.options.augment and not held_out
        self._vary = variations() if vary else None

    def more(self, index: int, study: Study, to_image: np.ndarray) -> dict[str, Tensor]:
        """`class` () int64."""
        return {"class": torch.tensor(self.classes[index])}

    def varied(self, item: dict[str, Tensor]) -> dict[str, Tensor]:
        """Another image each time, where that is asked for."""
        if self._vary is None:
            return item
        self._vary.set_random_state(int(torch.randint(2**31, ())))
        image: Any = self._vary(item["image"].clone())
        return {**item, "image": torch.as_tensor(np.asarray(image))}


def variations() -> Compose:
    """Table 5's augmentations, at nnU-Net's usual strengths: the paper names the kinds alone."""
    return Compose(
        [
            RandFlip(0.5, spatial_axis=2),  # left and right
            RandScaleIntensity(0.25, prob=0.5),
            RandShiftIntensity(0.1, prob=0.5),
            RandGaussianNoise(prob=0.15, std=0.05),
            RandGaussianSmooth((0.5, 1), (0.5, 1), (0.5, 1), prob=0.2),
            RandAdjustContrast(prob=0.3, gamma=(0.7, 1.5)),
            RandSimulateLowResolution(prob=0.25),
        ]
    )


class Classification(Downstream):
    """Cross-entropy of classes that exclude each other; the whole network or the head alone."""

    network_type = Classifier
    free = ("task", "features", "classes")

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Those that are set, else those that the data name, in the order of the alphabet.

        Raises
        ------
        MedadError
            If an example names none or an unknown one, or all learn from one.
        """
        named = [example.study_class for example in self.examples]
        if not any(named):
            raise MedadError(
                "No example names a class; add a column 'class' to the manifest, with what each "
                "study shows."
            )
        if "" in named:
            raise MedadError(
                f"Example {named.index('') + 1} names no class; fill in its 'class' or delete it."
            )
        classes = self.options.classes or tuple(sorted(set(named)))
        unknown = next((name for name in named if name not in classes), None)
        if unknown is not None:
            raise MedadError(
                f"An example is of the class '{unknown}', which is none of {', '.join(classes)}; "
                "correct it, or name all in the option classes."
            )
        learned = Counter(e.study_class for e in self.chosen(held_out=False))
        lacking = [name for name in classes if name not in learned]
        if len(classes) < 2:
            raise MedadError(
                f"All examples are of the class '{classes[0]}'; a classifier needs two or more."
            )
        if lacking:
            raise MedadError(
                f"There is no example to learn the class '{lacking[0]}' from; add some, or hold "
                "out fewer."
            )
        return classes

    def shape(self) -> Any:
        """With the names of the classes."""
        return super().shape().model_copy(update={"classes": self.classes})

    def dataset(self, *, held_out: bool) -> ClassifiedScans:
        """Scans with their classes."""
        return ClassifiedScans(self, held_out=held_out)

    def losses(self, network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Cross-entropy."""
        logits = network(batch["image"]).float()
        right = (logits.argmax(dim=1) == batch["class"]).float().mean()
        return {"loss": F.cross_entropy(logits, batch["class"]), "accuracy": right}

    def optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        """AdamW at Table 5's rates."""
        slow = self.options.frozen or self.shape().backbone == "vit"
        return torch.optim.AdamW(
            self.learning(network),
            lr=self.rate(1e-6 if slow else 1e-5),
            weight_decay=self.options.weight_decay,
        )

    def calibrate(self, network: nn.Module) -> dict[str, Any]:
        """Temperature, threshold of each class and AUC of one against the rest."""
        samples = self.dataset(held_out=True)
        if not len(samples):
            return {}
        device, logits = self.computing_device(network), []
        with torch.inference_mode():
            for item in self.watched((samples[n] for n in range(len(samples))), len(samples)):
                logits.append(network(item["image"][None].to(device)).float().cpu())
        return calibration(
            torch.cat(logits).numpy(), np.array(samples.classes), self.shape().classes
        )


def calibration(logits: np.ndarray, truth: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    """What held-out studies teach of a classifier.

    Parameters
    ----------
    logits : ndarray [n, classes]
    truth : ndarray [n] of int
    classes : tuple of str

    Returns
    -------
    dict
        `temperature` that logits are divided by for the likeliest probabilities (Guo et al.
        2017); `class_thresholds`, where sensitivity and specificity of a class against the rest
        add up to most (Youden); `held_out_auc` of each class and their `mean`. A class without
        a study on both sides has no threshold and no AUC.
    """
    wide = torch.from_numpy(logits).double()
    own = torch.from_numpy(truth)

    def unlikely(log_temperature: float) -> float:
        return float(F.cross_entropy(wide / np.exp(log_temperature), own))

    fitted = minimize_scalar(unlikely, bounds=tuple(np.log(TEMPERATURES)), method="bounded")
    temperature = float(np.exp(fitted.x))
    chances = (wide / temperature).softmax(dim=1).numpy()
    thresholds, areas = {}, {}
    for number, name in enumerate(classes):
        of_class = truth == number
        if of_class.all() or not of_class.any():
            continue
        areas[name] = round(float(roc_auc_score(of_class, chances[:, number])), 4)
        thresholds[name] = _between(chances[:, number], of_class)
    found: dict[str, Any] = {"temperature": temperature, "class_thresholds": thresholds}
    if areas:
        found["held_out_auc"] = {**areas, "mean": round(float(np.mean(list(areas.values()))), 4)}
    return found | {"held_out_studies": len(truth)}


def _between(chances: np.ndarray, of_class: np.ndarray) -> float:
    """Youden's threshold, halfway down to the next lower chance."""
    missed, found, thresholds = roc_curve(of_class, chances, drop_intermediate=False)
    best = thresholds[1:][np.argmax((found - missed)[1:])]
    below = chances[chances < best]
    return float((best + below.max()) / 2) if below.size else float(best) / 2
