"""Slices and a prompt through the mixture: anomaly, hallucination and reconstruction maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch

from napari_medad.detectors.detector import Case, Prediction, SliceBatch, SliceDetector
from napari_medad.detectors.device import Device
from napari_medad.detectors.framing import (
    Scale,
    from_square,
    of_polarity,
    scale_of,
    scaled,
    to_square,
    unscaled,
)
from napari_medad.detectors.moe import CARD
from napari_medad.detectors.moe.network import MixtureOfExperts
from napari_medad.detectors.moe.settings import MoeArchitecture, MoeSettings
from napari_medad.detectors.moe.text import TextEncoder, text_encoder
from napari_medad.errors import MedadError
from napari_medad.results.smoothing import median_inside
from napari_medad.volumes.phantom.contrast import contrasts
from napari_medad.weights.checkpoint import load_into
from napari_medad.weights.installed import find_weights
from napari_medad.weights.model_folder import ModelFolder

BRIGHT = ("t2f", "t2w", "t1c", "dwi")
"""Volumes on which lesions are brighter than the brain."""
UNTRAINED_TASKS = (
    "Chest X-ray image to evaluate the lungs.",
    "Brain MRI slice.",
    "Retinal fundus image.",
    "Breast ultrasound image.",
    "Head CT slice.",
)
"""The paper's prompts, one a task: what an untrained network offers."""


@dataclass
class State:
    """What one case needs.

    Attributes
    ----------
    scale : Scale
    prompt : str
        The one in use; empty for none.
    text : Tensor [512]
    polarity : str
    routed : list of ndarray [n]
        Mean router weights of each batch.
    """

    scale: Scale
    prompt: str
    text: torch.Tensor
    polarity: str
    routed: list[np.ndarray] = field(default_factory=list)


class MoeDetector(SliceDetector):
    """All-in-one: prompt-driven mixture of hallucination-aware experts."""

    card = CARD
    settings: MoeSettings
    network: MixtureOfExperts
    batch_size = 32
    tasks: tuple[str, ...] = UNTRAINED_TASKS
    facts: Mapping[str, Any] = {}

    def load(self, weights: str) -> None:
        """Build the network of a model folder, or a random one when untrained is asked for."""
        found = find_weights(self.card.name, weights, self.card.weights)
        self.weights = found.record()
        if found.path is None:
            self._use(MixtureOfExperts(self.settings, len(self.tasks)), text_encoder("n-grams"))
            return
        if not found.path.is_dir():
            raise MedadError(
                f"{found.path} is not a model folder; moe has no published checkpoints, so give a "
                "folder that medad train wrote."
            )
        model = ModelFolder.read(found.path, self.card.name)
        architecture = MoeArchitecture.parse(model.settings, str(found.path))
        self.settings = self.settings.model_copy(update=architecture.model_dump())
        self.facts, self.tasks = model.facts, tuple(model.facts["tasks"])
        network = MixtureOfExperts(architecture, len(self.tasks))
        tensors = {k: v.float() if v.is_floating_point() else v for k, v in model.tensors().items()}
        load_into(network, tensors, f"The model {found.name}")
        wanted = self.settings.clip_weights or model.facts["text_encoder"]
        if model.facts["text_encoder"] == "n-grams":
            wanted = "n-grams"
        self._use(network, text_encoder(wanted))

    @classmethod
    def around(
        cls,
        network: MixtureOfExperts,
        settings: MoeSettings,
        tasks: Sequence[str],
        encoder: TextEncoder,
        device: Device,
    ) -> Self:
        """A detector around a network that is being trained."""
        detector = cls.__new__(cls)
        detector.settings, detector.device, detector.tasks = settings, device, tuple(tasks)
        detector.facts = {}
        detector.network, detector.text_encoder = network, encoder
        return detector

    def _use(self, network: MixtureOfExperts, encoder: TextEncoder) -> None:
        self.network = network.eval().to(self.device.name)
        if self.device.name == "cpu":
            self.network.to(memory_format=torch.channels_last)
        self.text_encoder = encoder

    @property
    def prompts(self) -> tuple[str, ...]:
        """What to offer in a prompt box: one prompt a task."""
        return self.tasks

    def route(self, prompt: str, pixels: np.ndarray | None = None) -> dict[str, float]:
        """Router weight of each task for a prompt, 0..1, summing to 1.

        Parameters
        ----------
        prompt : str
        pixels : ndarray [h, w], optional
            A slice, 0..1; without one the average image code (zeros) stands in.
        """
        text = torch.from_numpy(self.text_encoder.encode([prompt])).to(self.device.name)
        with torch.inference_mode():
            if pixels is None:
                code = text.new_zeros(1, self.router_width)
            else:
                image = to_square(pixels[None].astype(np.float32), self.settings.size)
                code = self.network.encoder(image.to(self.device.name))
            weights = self.network.route(code, text)[0].tolist()
        return dict(zip(self.tasks, weights, strict=True))

    @property
    def router_width(self) -> int:
        """Width of the image's part of the router's input."""
        return self.network.prompt.out_features

    def prepare(self, case: Case) -> State:
        """Intensity scale of the scan, features of the prompt, polarity."""
        scale = scale_of(self.settings.intensity, case.volume.array, case.foreground)
        prompt = case.prompt or self._prompt_for(case)
        features = self.text_encoder.encode([prompt])[0]
        polarity = self.settings.polarity
        if polarity == "auto":
            modality = case.volume.modality or case.volume_name
            polarity = "bright" if modality in BRIGHT else "both"
        return State(scale, prompt, torch.from_numpy(features).to(self.device.name), polarity)

    def _prompt_for(self, case: Case) -> str:
        """The task of the volume's modality, or no prompt: the image alone routes."""
        modality = case.volume.modality or case.volume_name
        task = contrasts().get(modality, {}).get("task", "")
        return task if task in self.tasks else ""

    def predict(self, batch: SliceBatch, state: State) -> Prediction:
        """Maps of a batch: x -> v, tau -> s -> x_hat, u -> a."""
        inside = batch.foreground
        pixels = scaled(state.scale, batch.pixels(), inside)
        image = to_square(pixels, self.settings.size).to(self.device.name)
        if self.device.name == "cpu":
            image = image.contiguous(memory_format=torch.channels_last)
        text = state.text.expand(len(image), -1)
        with self.device.computing():
            output = self.network(image, text)
            anomaly = self.network.anomaly(image, output)
        state.routed.append(output.router.float().mean(0).cpu().numpy())
        height, width = inside.shape[1:]
        signed = from_square(anomaly, height, width)
        normal = from_square(output.reconstruction, height, width)
        maps = {
            "anomaly": of_polarity(signed, state.polarity),
            "hallucination": np.abs(from_square(output.hallucination, height, width)),
            "reconstruction": unscaled(state.scale, normal),
        }
        return Prediction({name: values * inside for name, values in maps.items()})

    def finish(self, maps: Mapping[str, np.ndarray], case: Case, state: State) -> None:
        """Median filter of the anomaly map across slices."""
        median_inside(maps["anomaly"], case.foreground, self.settings.median)

    def threshold(self, case: Case, state: State) -> float | None:
        """The healthy threshold of the task that the router gave most weight to."""
        known = self.facts.get("thresholds", {})
        if not known or not state.routed:
            return None
        task = self.tasks[int(np.mean(state.routed, axis=0).argmax())]
        return known.get(task, {}).get(state.polarity)

    def evidence(self, case: Case, state: State) -> Mapping[str, Any]:
        """The prompt in use, and the router's mean weight of each expert over the slices."""
        weights = np.mean(state.routed, axis=0).round(4).tolist()
        return {"prompt": state.prompt, "router": dict(zip(self.tasks, weights, strict=True))}

    def notes(self, case: Case, state: State) -> tuple[str, ...]:
        """Prompt, text encoder and routing, as far as the user did not choose them."""
        weights = np.mean(state.routed, axis=0)
        used = self.tasks[int(weights.argmax())]
        said = [f"Prompts were read by {self.text_encoder.name}."]
        if not case.prompt:
            how = f"'{state.prompt}', from the volume's modality" if state.prompt else "none"
            said.append(f"No prompt was given; used: {how}.")
        said.append(f"The router chose '{used}' ({weights.max():.0%}).")
        return tuple(said)
