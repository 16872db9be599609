"""Rank of a voxel's intensity among the brain's voxels, median filtered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_medad.detectors.detector import Case, Prediction, SliceBatch, SliceDetector
from napari_medad.detectors.hyperintensity import CARD
from napari_medad.detectors.hyperintensity.settings import HyperintensitySettings
from napari_medad.results.smoothing import median_inside
from napari_medad.volumes.intensity import RankScale


class HyperintensityDetector(SliceDetector):
    """Anomaly = rank in 0..1 (bright), 1 - rank (dark), or distance from the median (both)."""

    card = CARD
    settings: HyperintensitySettings

    def prepare(self, case: Case) -> RankScale:
        """Ranks of the whole foreground, so that slices are comparable."""
        return RankScale.of(case.volume.array, case.foreground)

    def predict(self, batch: SliceBatch, state: RankScale) -> Prediction:
        """Ranks of a batch, unfiltered; `finish` filters across slices."""
        rank = state.apply(batch.pixels())
        flat = state.levels[0] == state.levels[-1]
        if self.settings.polarity == "dark":
            rank = np.zeros_like(rank) if flat else 1 - rank
        elif self.settings.polarity == "both":
            rank = np.zeros_like(rank) if flat else np.abs(2 * rank - 1)
        return Prediction({"anomaly": rank})

    def finish(self, maps: Mapping[str, np.ndarray], case: Case, state: Any) -> None:
        """Median filter in three dimensions, inside the foreground's bounding box."""
        median_inside(maps["anomaly"], case.foreground, self.settings.median)
