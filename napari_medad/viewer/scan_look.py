"""The open scan as brat sees it: looked at once for each choice of scan and weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_medad.inference.progress import Reporter
from napari_medad.viewer.layers import study_of
from napari_medad.viewer.worker import leave_a_core_to_the_window

if TYPE_CHECKING:
    import napari

    from napari_medad.detectors.brat.detector import BratDetector
    from napari_medad.reports.scan import EmbeddedScan
    from napari_medad.viewer.parts.volume_box import VolumeBox
    from napari_medad.viewer.parts.weights_choice import WeightsChoice
    from napari_medad.viewer.session import Session

BRAT = "brat"


class ScanLook:
    """Keeps the embedding of the chosen scan while scan and weights stay as they are.

    Parameters
    ----------
    viewer : napari.Viewer
    session : Session
    volume_box : VolumeBox
    weights : WeightsChoice
    """

    def __init__(
        self,
        viewer: napari.Viewer,
        session: Session,
        volume_box: VolumeBox,
        weights: WeightsChoice,
    ) -> None:
        self.viewer, self.session = viewer, session
        self.volume_box, self.weights = volume_box, weights
        self._kept: tuple[object, EmbeddedScan] | None = None

    @property
    def scan(self) -> EmbeddedScan | None:
        """The embedded scan, if there is one."""
        return None if self._kept is None else self._kept[1]

    def key(self) -> object:
        """What an embedding is of: the layer's voxels and the weights."""
        layer = self.volume_box.layer
        return None if layer is None else (id(layer), id(layer.data), self.weights.name)

    def outdated(self) -> bool:
        """Forget an embedding of another scan or of other weights; whether there was one."""
        old = self._kept is not None and self._kept[0] != self.key()
        if old:
            self._kept = None
        return old

    def keep(self, key: object, scan: EmbeddedScan) -> EmbeddedScan:
        """Keep an embedded scan where it is still the chosen one."""
        if key == self.key():
            self._kept = key, scan
        return scan

    def loader(self) -> Callable[[], BratDetector]:
        """A function that gives the chosen brat; for worker threads."""
        weights, session = self.weights.name, self.session

        def load() -> BratDetector:
            leave_a_core_to_the_window()
            brat: Any = session.load(BRAT, weights, "auto", {})
            return brat

        return load

    def prepare(self) -> Callable[[Any], EmbeddedScan]:
        """A function that gives the embedded scan; for worker threads.

        It takes a callback for progress reports.
        """
        assert self.volume_box.layer is not None
        study, name = study_of(self.viewer, self.volume_box.layer)
        load, kept = self.loader(), self.scan

        def look(report: Any) -> EmbeddedScan:
            from napari_medad.reports.scan import EmbeddedScan

            if kept is not None:
                return kept
            step = Reporter(report, 2, "steps")
            step(0)
            brat = load()
            step(1)
            scan = EmbeddedScan.of(study, brat, name)
            step(2)
            return scan

        return look
