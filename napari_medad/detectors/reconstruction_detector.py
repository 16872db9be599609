"""Methods that learn normal slices and mark what they cannot reconstruct."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from napari_medad.detectors.detector import Case, Prediction, SliceBatch
from napari_medad.detectors.framing import Scale, from_square, of_polarity, unscaled
from napari_medad.detectors.trained_detector import TrainedDetector
from napari_medad.results.smoothing import median_inside


class ReconstructionDetector(TrainedDetector):
    """Anomaly = magnitude of x - x_hat on the slice's pixels, raised to `power`.

    The network takes images [b, 1, size, size] in 0..1 and gives their reconstructions. The
    settings are a `SliceShape` and `ErrorSettings`.
    """

    power: ClassVar[int] = 1

    def predict(self, batch: SliceBatch, state: Scale) -> Prediction:
        """Anomaly and reconstruction of a batch."""
        image, inside = self.images_of(batch, state), batch.foreground
        with self.device.computing():
            reconstruction = self.network(image).float()
        height, width = inside.shape[1:]
        signed = from_square(image - reconstruction, height, width)
        normal = from_square(reconstruction, height, width)
        anomaly = of_polarity(signed, self.settings.polarity) ** self.power
        maps = {"anomaly": anomaly, "reconstruction": unscaled(state, normal)}
        return Prediction({name: values * inside for name, values in maps.items()})

    def finish(self, maps: Mapping[str, np.ndarray], case: Case, state: Scale) -> None:
        """Median filter of the anomaly map across slices."""
        median_inside(maps["anomaly"], case.foreground, self.settings.median)

    def threshold(self, case: Case, state: Scale) -> float | None:
        """The healthy level of the polarity in use."""
        return self.facts.get("thresholds", {}).get(self.settings.polarity)
