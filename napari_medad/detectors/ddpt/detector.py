"""DDPT over the slices of a study: which are abnormal, and roughly where."""

from __future__ import annotations

import numpy as np

from napari_medad.detectors.ddpt import CARD
from napari_medad.detectors.ddpt.checkpoint import learned_prompts
from napari_medad.detectors.ddpt.network import RANDOM, Ddpt, load_clip
from napari_medad.detectors.ddpt.pictures import grey_levels, maps_of, pictures_of
from napari_medad.detectors.ddpt.settings import DdptSettings
from napari_medad.detectors.detector import Case, Prediction, SliceBatch, SliceDetector
from napari_medad.weights.checkpoint import load_into
from napari_medad.weights.installed import find_weights


class DdptDetector(SliceDetector):
    """Anomaly map = attention over its maximum in the slice, in slices found unhealthy."""

    card = CARD
    settings: DdptSettings
    network: Ddpt
    batch_size = 16
    threshold_source = "the setting mask_at, a share of each slice's maximum (paper: 0.5)"

    def load(self, weights: str) -> None:
        """Load the learned prompts and the CLIP that they were learned for."""
        found = find_weights(CARD.name, weights, CARD.weights)
        self.weights = found.record()
        learned, clip = (None, RANDOM) if found.path is None else learned_prompts(found.path)
        if clip == RANDOM:
            self.weights = self.weights.model_copy(update={"state": "untrained"})
        self.network = Ddpt(load_clip(self.settings.backbone_weights or clip))
        if learned is not None:
            load_into(self.network, learned, str(found.path))
        self.network.eval().to(self.device.name)

    def predict(self, batch: SliceBatch, state: None) -> Prediction:
        """Attention maps, and the probability that each slice is unhealthy."""
        slices, view = self._slices(batch)
        pictures = pictures_of(grey_levels(slices)).to(self.device.name)
        with self.device.computing():
            output = self.network(pictures)
        unhealthy = output.logits.float().softmax(-1)[:, 1].cpu().numpy()
        attention = output.attention.float().cpu()
        maps = maps_of(attention, slices.shape[1:], quantised=self.settings.quantised)
        maps = maps[:, view[0], view[1]]
        gated = maps * (unhealthy >= self.settings.gate_at)[:, None, None]
        return Prediction({"anomaly": gated, "attention": maps}, unhealthy)

    def _slices(self, batch: SliceBatch) -> tuple[np.ndarray, tuple[slice, slice]]:
        """Slices [b, h, w] to show, and where in them the batch's pixels lie."""
        if self.settings.frame == "foreground":
            return batch.pixels(), (slice(None), slice(None))
        stacked = np.moveaxis(batch.case.volume.array, batch.plan.axis, 0)[batch.indices]
        return np.nan_to_num(stacked.astype(np.float32), posinf=0, neginf=0), batch.plan.box

    def threshold(self, case: Case, state: None) -> float:
        """The share of the maximum that makes the pseudo-mask."""
        return self.settings.mask_at

    def notes(self, case: Case, state: None) -> tuple[str, ...]:
        """What the map can and cannot say."""
        return (
            "Attention has 7 x 7 cells a slice; take the outline as rough.",
            "Slice scores are the probability that the slice is unhealthy.",
        )
