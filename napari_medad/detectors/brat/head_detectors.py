"""Studies through the heads that stand on brat: which class, or where the lesions are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NoReturn

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from napari_medad.detectors.brat import CARD
from napari_medad.detectors.brat.detector import BratDetector
from napari_medad.detectors.brat.framing import Framed, framed
from napari_medad.detectors.brat.heads import Classifier, Head, Outliner
from napari_medad.detectors.brat.settings import BratShape
from napari_medad.detectors.detector import Case, Prediction
from napari_medad.errors import MedadError
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import AXES
from napari_medad.weights.checkpoint import load_into
from napari_medad.weights.installed import find_weights
from napari_medad.weights.model_folder import ModelFolder

NORMAL = re.compile(r"\b(normal|cognitively normal|healthy|control|controls|cn)\b", re.IGNORECASE)
"""How the class is called that is no abnormality."""


class HeadDetector(BratDetector):
    """brat with a head of its own, which embeds nothing any more."""

    network: Head  # type: ignore[assignment]
    network_type: ClassVar[type[Head]]

    def load(self, weights: str) -> None:
        """Build the network that the model folder describes."""
        found = find_weights(CARD.name, weights, CARD.weights)
        self.weights = found.record()
        assert found.path is not None
        model = ModelFolder.read(found.path, CARD.name)
        self.facts = model.facts
        self.network = self.network_type(BratShape.parse(model.settings, str(found.path)))
        load_into(self.network, model.tensors(), f"The model {found.name}")
        self.network.eval().requires_grad_(False).to(self.device.name)

    def embed(self, study: Study | Case) -> NoReturn:
        """Refuse: the views are gone."""
        self._refuse()

    def embed_sentences(self, sentences: Sequence[str], *, together: bool = False) -> NoReturn:
        """Refuse, as `embed` does."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise MedadError(
            f"The weights '{self.weights.name}' of brat were taught {self.task} and embed no scan "
            "and no sentence; choose pre-trained ones."
        )


def on_study(values: np.ndarray, to_values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Values on cells or on the network's image -> [z, y, x] float32 on the study's voxels.

    Linear between the cells' centres; `to_values` [4, 4] leads from a voxel to a cell.
    """
    return ndimage.affine_transform(
        values, to_values[:3, :3], to_values[:3, 3], tuple(shape), output=np.float32, order=1,
        mode="nearest",
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Judged:
    """What a classifier says of a study.

    Attributes
    ----------
    chances : ndarray [classes] float64
        Calibrated probabilities; they sum to 1.
    spoke : ndarray [z, y, x] float32
        What spoke for the abnormality, on the study's grid; the largest in the foreground is 1.
    cells : tuple of int
        Of the map, before it was brought to the study's grid.
    notes : tuple of str
    """

    chances: np.ndarray
    spoke: np.ndarray
    cells: tuple[int, int, int]
    notes: tuple[str, ...]

    @property
    def leading(self) -> int:
        """Number of the likeliest class."""
        return int(self.chances.argmax())


class ClassificationDetector(HeadDetector):
    """Probabilities of the classes; the map is what spoke for the abnormality, coarsely.

    The anomaly map is Grad-CAM of the evidence against the normal class, its largest value being
    the probability of an abnormality: a finding is there exactly where the study is abnormal.
    """

    network: Classifier
    network_type = Classifier
    task = "classification"

    @property
    def categories(self) -> tuple[str, ...]:
        """The classes."""
        return self.network.shape.classes

    @cached_property
    def normal(self) -> int | None:
        """Number of the normal class, if one is called so."""
        found = [n for n, name in enumerate(self.categories) if NORMAL.search(name)]
        return found[0] if len(found) == 1 else None

    @cached_property
    def least(self) -> np.ndarray:
        """Probability [classes] from which on a study is of a class: calibrated, or an even one."""
        known, even = self.facts.get("class_thresholds", {}), 1 / len(self.categories)
        return np.array([known.get(name, even) for name in self.categories])

    def prepare(self, case: Case) -> Judged:  # type: ignore[override]
        """Look at the study once."""
        seen = framed(case.study, self.network.shape, case.volume_name)
        with self.device.computing():
            found = self.network.see(seen.image[None].to(self.device.name))
        with torch.inference_mode(False), torch.enable_grad():
            tokens = found.tokens.float().clone().requires_grad_()
            logits = self.network.judge(tokens)[0]
            (slope,) = torch.autograd.grad(self.evidence_of(logits), tokens)
        alpha = slope.mean(dim=1, keepdim=True)
        cells = (alpha * tokens.detach()).sum(-1).relu().cpu().numpy().reshape(found.cells)
        shape = case.volume.array.shape
        spoke = on_study(cells, seen.to_cells(found.cells), shape)
        peak = spoke.max(where=case.foreground, initial=0.0)
        spoke = spoke / peak if peak > 0 else np.ones(shape, np.float32)
        scaled = logits.detach().double() / self.facts.get("temperature", 1.0)
        return Judged(scaled.softmax(0).cpu().numpy(), spoke, found.cells, seen.notes)

    def evidence_of(self, logits: Tensor) -> Tensor:
        """Log-odds of an abnormality; of the likeliest class where none is normal."""
        number = int(logits.argmax()) if self.normal is None else self.normal
        others = torch.cat([logits[:number], logits[number + 1 :]]).logsumexp(0)
        return logits[number] - others if self.normal is None else others - logits[number]

    def predict_volume(  # type: ignore[override]
        self, case: Case, state: Judged, report: Callable[[int, int], None]
    ) -> Prediction:
        """The map, and for every slice what holds of the whole study."""
        report(0, 1)
        n, lead = self.normal, state.leading
        chance = np.float32(state.chances[lead] if n is None else 1 - state.chances[n])
        slices = case.foreground.shape[AXES[case.axis]]
        chances, present = (
            {name: np.full(slices, value) for name, value in zip(self.categories, values)}
            for values in (state.chances.astype(np.float32), state.chances >= self.least)
        )
        report(1, 1)
        maps = {"anomaly": state.spoke * chance}
        scores = np.full(slices, chance)
        return Prediction(maps, scores, (), chances, chances, present)

    def threshold(self, case: Case, state: Judged) -> float:  # type: ignore[override]
        """Where the normal class ends; where none is normal, where the likeliest begins."""
        return float(
            self.least[state.leading] if self.normal is None else 1 - self.least[self.normal]
        )

    @property
    def threshold_source(self) -> str:  # type: ignore[override]
        """Whether held-out studies told it."""
        known = self.facts.get("class_thresholds")
        return "calibrated on held-out studies" if known else "an even chance; nothing was held out"

    def evidence(self, case: Case, state: Judged) -> Mapping[str, Any]:  # type: ignore[override]
        """Probability, threshold and decision of every class."""
        told = {
            name: {"chance": round(float(chance), 4), "threshold": round(float(least), 4)}
            for name, chance, least in zip(self.categories, state.chances, self.least)
        }
        for name, there in zip(self.categories, state.chances >= self.least):
            told[name]["present"] = bool(there)
        return {"classes": told}

    def notes(self, case: Case, state: Judged) -> tuple[str, ...]:  # type: ignore[override]
        """The probabilities and what is decided, and what the map can say."""
        rows = list(zip(self.categories, state.chances, self.least))
        told = ", ".join(f"{name} {chance:.0%}" for name, chance, _ in rows)
        found = ", ".join(name for name, chance, least in rows if chance >= least) or "none"
        cells = " x ".join(map(str, state.cells))
        return (
            f"For the whole study: {told}; at the thresholds: {found}.",
            f"The map shows what spoke for it, in {cells} cells, and outlines nothing.",
            *state.notes,
        )


class SegmentationDetector(HeadDetector):
    """Probability of a lesion, voxel by voxel."""

    network: Outliner
    network_type = Outliner
    task = "segmentation"

    def prepare(self, case: Case) -> Framed:  # type: ignore[override]
        """The image, and what was missing."""
        return framed(case.study, self.network.shape, case.volume_name)

    def predict_volume(  # type: ignore[override]
        self, case: Case, state: Framed, report: Callable[[int, int], None]
    ) -> Prediction:
        """The map."""
        report(0, 1)
        with self.device.computing():
            logits = self.network(state.image[None].to(self.device.name))
        chance = logits[0, 0].float().sigmoid().cpu().numpy()
        report(1, 1)
        return Prediction({"anomaly": on_study(chance, state.to_image, case.foreground.shape)})

    def threshold(self, case: Case, state: Framed) -> float:  # type: ignore[override]
        """Of the best Dice on held-out scans, else an even chance."""
        return float(self.facts.get("threshold", 0.5))

    @property
    def threshold_source(self) -> str:  # type: ignore[override]
        """Whether held-out scans told it."""
        known = "threshold" in self.facts
        return "best Dice of held-out scans" if known else "an even chance; nothing was held out"

    def evidence(self, case: Case, state: Framed) -> Mapping[str, Any]:  # type: ignore[override]
        """The grid that the network saw."""
        return {"network_grid": list(self.network.shape.size)}

    def notes(self, case: Case, state: Framed) -> tuple[str, ...]:  # type: ignore[override]
        """How fine the network saw, and what was missing."""
        deep, high, wide = self.network.shape.size
        return (
            f"The network saw the scan as {deep} x {high} x {wide} voxels; what is finer was "
            "interpolated.",
            *state.notes,
        )
