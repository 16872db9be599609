"""Rank of a voxel's intensity among the brain's voxels, median filtered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from napari_medad.detectors.detector import Case, Prediction, SliceBatch, SliceDetector
from napari_medad.detectors.hyperintensity import CARD
from napari_medad.detectors.hyperintensity.settings import HyperintensitySettings
from napari_medad.volumes.intensity import RankScale


class HyperintensityDetector(SliceDetector):
    """Anomaly = rank in 0..1 (bright), 1 - rank (dark), or distance from the median (both)."""

    card = CARD
    settings: HyperintensitySettings

    def prepare(self, case: Case) -> RankScale:
        """Ranks of the whole foreground, so that slices are comparable."""
        return RankScale.of(case.volume.array, case.foreground)

    def predict(self, batch: SliceBatch, state: RankScale) -> Prediction:
        """Filter each slice together with the neighbours that its median needs."""
        size = self.settings.median
        reach = np.arange(-(size // 2), size // 2 + 1)
        last = batch.plan.view(batch.case.foreground).shape[0] - 1
        stack = np.unique(np.clip(batch.indices[:, None] + reach, 0, last))
        around = replace(batch, indices=stack)
        anomaly = self._conspicuousness(around.pixels(), state) * around.foreground
        if size > 1:
            anomaly = ndimage.median_filter(anomaly, size, mode="nearest")
        return Prediction({"anomaly": anomaly[np.searchsorted(stack, batch.indices)]})

    def _conspicuousness(self, pixels: np.ndarray, scale: RankScale) -> np.ndarray:
        rank = scale.apply(pixels)
        if self.settings.polarity == "bright" or scale.levels[0] == scale.levels[-1]:
            return rank
        return 1 - rank if self.settings.polarity == "dark" else np.abs(2 * rank - 1)
