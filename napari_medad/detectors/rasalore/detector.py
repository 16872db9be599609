"""RASALoRE over the slices of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cc3d
import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from napari_medad.detectors.detector import Case, Prediction, SliceBatch, SliceDetector
from napari_medad.detectors.rasalore import CARD
from napari_medad.detectors.rasalore.checkpoint import load_network
from napari_medad.detectors.rasalore.edges import follow_edges
from napari_medad.detectors.rasalore.framing import Box, boxes_of, crop, paste
from napari_medad.detectors.rasalore.network import SIZE, Rasalore
from napari_medad.detectors.rasalore.settings import RasaloreSettings
from napari_medad.detectors.registry import load_detector
from napari_medad.errors import MedadError
from napari_medad.volumes.volume import AXES
from napari_medad.weights.installed import find_weights

SMOOTHEST = 0.095
"""Roughness below which no scan of a person was seen, see `Framing.roughness`."""
NEARLY_CERTAIN = 0.85
"""Threshold of such scans, on which fluid blurred into its surroundings looks like lesions."""


@dataclass(frozen=True)
class Look:
    """One volume to look at: its name, its branch of the network and its grey level."""

    volume: str
    branch: int
    level: tuple[float, float]


@dataclass(frozen=True)
class Looks:
    """Everything to look at in a case, the gate's own state, and how rough the first volume is."""

    looks: tuple[Look, ...]
    gate: object = None
    roughness: float = float("inf")


class RasaloreDetector(SliceDetector):
    """Anomaly map = probability of lesion, pasted back from each slice's brain box."""

    card = CARD
    settings: RasaloreSettings
    network: Rasalore
    batch_size = 8

    def load(self, weights: str) -> None:
        """Load weights, and the gate's detector where one is set."""
        found = find_weights(CARD.name, weights, CARD.weights)
        self.weights = found.record()
        self.network, self.framing, self.facts = load_network(found.path)
        self.network.eval().to(self.device.name)
        self.gate: SliceDetector | None = None
        if self.settings.gate:
            gate = load_detector(self.settings.gate, device=self.device.name)
            if not isinstance(gate, SliceDetector):
                raise MedadError(
                    f"The setting 'gate' names '{self.settings.gate}', which does not score "
                    "slices; name a slice detector such as ddpt, or leave it empty."
                )
            self.gate = gate

    def prepare(self, case: Case) -> Looks:
        """Choose volumes and branches, and measure the volumes' grey levels.

        Raises
        ------
        MedadError
            If the network knows none of the study's modalities.
        """
        names = [case.volume_name]
        if self.settings.volumes == "all":
            names = [
                name
                for name, volume in case.study.volumes.items()
                if name == case.volume_name or (volume.modality or name) in CARD.modalities
            ]
        looks = tuple(
            Look(name, branch, self.framing.level(volume.array, case.foreground))
            for name in names
            if (volume := case.study.volume(name)) is not None
            and (branch := self._branch(volume.modality or name)) is not None
        )
        if not looks:
            raise MedadError(
                f"These weights of rasalore know {', '.join(self.network.modalities)}, but the "
                f"study offers {', '.join(names)}; choose another volume or other weights."
            )
        first = case.study.volume(looks[0].volume)
        rough = self.framing.roughness(
            first.array, case.foreground, looks[0].level, case.volume.spacing
        )
        return Looks(looks, self.gate.prepare(case) if self.gate else None, rough)

    def _branch(self, modality: str) -> int | None:
        known = self.network.modalities
        if modality in known:
            return known.index(modality)
        return 0 if known == ("any",) else None

    def predict(self, batch: SliceBatch, state: Looks) -> Prediction:
        """What any of the volumes shows; empty where the gate sees nothing."""
        foreground = self.framing.turn(batch.foreground)
        greys = [
            self.framing.grey(self.framing.turn(batch.pixels(look.volume)), foreground, look.level)
            for look in state.looks
        ]
        boxes = boxes_of(np.max(greys, axis=0))
        maps = [self._map(g, boxes, look.branch) for g, look in zip(greys, state.looks)]
        anomaly = self.framing.turn(np.max(maps, axis=0))
        if self.gate is not None:
            scores = self.gate.predict(batch, state.gate).scores
            if scores is not None:
                anomaly = anomaly * (scores >= self.settings.gate_at)[:, None, None]
        return Prediction({"anomaly": np.ascontiguousarray(anomaly, np.float32)})

    def _map(self, grey: np.ndarray, boxes: list[Box], branch: int) -> np.ndarray:
        """Probability of lesion [b, h, w] in turned slices of grey values."""
        image = crop(grey, boxes, SIZE)[:, None].to(self.device.name)
        probability = self._probability(image, branch)
        if self.settings.mirror:
            mirrored = self._probability(image.flip(-1), branch).flip(-1)
            probability = (probability + mirrored) / 2
        return paste(probability.cpu(), boxes, (grey.shape[1], grey.shape[2]))

    def _probability(self, image: torch.Tensor, branch: int) -> torch.Tensor:
        with self.device.computing():
            return self.network(image, branch).logits[:, 0].float().sigmoid()

    def finish(self, maps: Mapping[str, np.ndarray], case: Case, state: Looks) -> None:
        """Follow edges, smooth across slices, and suppress components that are too small."""
        anomaly = maps["anomaly"]
        if self.framing.edge_mm and self.settings.edges:
            first = state.looks[0]
            image = case.study.volume(first.volume).array
            reach = self.framing.reach(case.volume.spacing)
            follow_edges(anomaly, image, case.foreground, first.level, reach)
        axis = AXES[case.axis]
        if self.settings.smooth_mm:
            sigma = self.settings.smooth_mm / case.volume.spacing[axis]
            anomaly[...] = gaussian_filter1d(anomaly, sigma, axis=axis) * case.foreground
        if self.settings.clean_ml:
            suppress_small(anomaly, self.settings.clean_ml / case.volume.voxel_volume)

    def threshold(self, case: Case, state: Looks) -> float | None:
        """From held-out healthy slices, where the weights were calibrated on some.

        Of scans smoother than any, which are averages of people, only what is nearly certain.
        """
        threshold = self.facts.get("threshold")
        if threshold is not None and self._too_smooth(state):
            return max(threshold, NEARLY_CERTAIN)
        return threshold

    def _too_smooth(self, state: Looks) -> bool:
        return self.framing.intensity == "volume" and state.roughness < SMOOTHEST

    def notes(self, case: Case, state: Looks) -> tuple[str, ...]:
        """What weights and contrasts mean for the reader."""
        notes = []
        if not self.facts.get("embedding_fits", True):
            notes.append(
                "The embedding file does not look like the draw that the weights were trained "
                "with; if it is another, the map means nothing."
            )
        if self.facts.get("healthy_slices") == 0 and self.gate is None:
            notes.append(
                "These weights were trained on slices with lesions only and may see some in "
                "healthy slices; set gate=ddpt to look at suspicious slices only."
            )
        if self._too_smooth(state):
            notes.append(
                "This scan is smoother than any that the weights know, as an average of people is; "
                "by itself the threshold marks only what is nearly certain."
            )
        if len(state.looks) > 1:
            notes.append(f"Looked at {', '.join(look.volume for look in state.looks)} together.")
        return tuple(notes)


def suppress_small(anomaly: np.ndarray, voxels: float, level: float = 0.5) -> None:
    """Bring 3D components above `level` with fewer than `voxels` voxels down to it, in place."""
    labels, count = cc3d.connected_components(anomaly > level, connectivity=26, return_N=True)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    small = sizes < voxels
    small[0] = False
    np.minimum(anomaly, level, out=anomaly, where=small[labels])
