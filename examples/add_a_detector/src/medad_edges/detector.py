"""Gradient magnitude of each slice."""

from scipy import ndimage

from medad_edges import CARD
from medad_edges.settings import EdgesSettings
from napari_medad.detectors.detector import Case, Prediction, SliceBatch, SliceDetector
from napari_medad.volumes.intensity import IntensityRange


class EdgesDetector(SliceDetector):
    """Anomaly = length of the in-plane gradient at scale sigma."""

    card = CARD
    settings: EdgesSettings

    def prepare(self, case: Case) -> IntensityRange:
        """One intensity scale for the whole scan, so that slices are comparable."""
        return IntensityRange.of(case.volume.array, case.foreground)

    def predict(self, batch: SliceBatch, state: IntensityRange) -> Prediction:
        """Edges of a batch [b, h, w]; never across slices."""
        sigma = (0, self.settings.sigma, self.settings.sigma)
        pixels = state.apply(batch.pixels())
        return Prediction({"anomaly": ndimage.gaussian_gradient_magnitude(pixels, sigma)})
