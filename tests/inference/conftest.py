"""Detectors so simple that what `detect` adds can be told apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from napari_medad.detectors.card import Card
from napari_medad.detectors.detector import (
    Case,
    Prediction,
    SliceBatch,
    SliceDetector,
    VolumeDetector,
)
from napari_medad.detectors.device import Device
from napari_medad.detectors.settings import Settings
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume


class Doubling(SliceDetector):
    """Anomaly: twice the intensity. Remembers the batches it was given."""

    card = Card("doubling", "Doubling", "", __name__, modalities=("t2f",))
    batch_size = 4

    def __init__(self) -> None:
        super().__init__(Settings(), Device())
        self.seen: list[list[int]] = []

    def predict(self, batch: SliceBatch, state: Any) -> Prediction:
        self.seen.append(batch.indices.tolist())
        return Prediction({"anomaly": 2 * batch.pixels()})


class Scoring(Doubling):
    """Has slice scores, a calibrated threshold and remarks of its own."""

    threshold_source = "drawn from a hat"

    def predict(self, batch: SliceBatch, state: Any) -> Prediction:
        return Prediction({"anomaly": batch.pixels()}, scores=batch.indices.astype(np.float32))

    def threshold(self, case: Case, state: Any) -> float:
        return 3.5

    def notes(self, case: Case, state: Any) -> tuple[str, ...]:
        return ("Mind the gap.",)

    def finish(self, maps: Mapping[str, np.ndarray], case: Case, state: Any) -> None:
        maps["anomaly"][case.foreground] += 1


class Whole(VolumeDetector):
    """Looks at the volume in five steps."""

    card = Card("whole", "Whole", "", __name__, input="volume", modalities=("ct",))

    def __init__(self) -> None:
        super().__init__(Settings(), Device())

    def predict_volume(
        self, case: Case, state: Any, report: Callable[[int, int], None]
    ) -> Prediction:
        for step in range(5):
            report(step + 1, 5)
        return Prediction({"anomaly": np.ones(case.volume.array.shape, np.float32)})


@pytest.fixture
def doubling() -> Doubling:
    return Doubling()


@pytest.fixture
def scoring() -> Scoring:
    return Scoring()


@pytest.fixture
def whole() -> Whole:
    return Whole()


@pytest.fixture
def study() -> Study:
    """A random block in a background of 0: rows 4..13, columns 3..16, slices 2..19."""
    array = np.zeros((24, 32, 40), np.int16)
    rng = np.random.default_rng(0)
    array[2:20, 4:14, 3:17] = rng.integers(1, 100, (18, 10, 14))
    volume = Volume(array, np.diag([-1.0, -1.0, 2.0, 1.0]), "t2f")
    return Study.from_volumes("case", {"t2f": volume})
