"""What the current detection says of several categories, and which signs decided it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QLabel, QTabWidget, QVBoxLayout, QWidget

from napari_medad.results.detection import Detection
from napari_medad.viewer.parts.category_plots import CategoryPlots
from napari_medad.viewer.parts.sign_results import KeptSigns, SimilarityMatrix
from napari_medad.viewer.session import session_of, unwrapped
from napari_medad.volumes.volume import AXES

if TYPE_CHECKING:
    import napari

EMPTY = (
    "No detection with categories yet: learn from signs and shots, then run the detector "
    "“SD-MAD” in the Detect dock."
)


class CategoryResults(QWidget):
    """Follows the session's current detection.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer, self.session = unwrapped(viewer), session_of(viewer)
        self.title, self.tabs = QLabel(self), QTabWidget(self)
        self.title.setWordWrap(True)
        self.plots, self.signs, self.similarity = (
            CategoryPlots(self),
            KeptSigns(self),
            SimilarityMatrix(self),
        )
        self.tabs.addTab(self.plots, "Slices")
        self.tabs.addTab(self.signs, "Signs kept")
        self.tabs.addTab(self.similarity, "Likeness")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.title)
        layout.addWidget(self.tabs, 1)
        self.plots.clicked.connect(self._go_to_slice)
        self.session.current_changed.connect(self.show_detection)
        self.viewer.dims.events.current_step.connect(self._follow_slice)
        self.shown: Detection | None = None
        self.show_detection(self.session.current)

    def show_detection(self, detection: Detection | None) -> None:
        """Show a detection that tells categories; keep what is shown for any other."""
        told = detection is not None and bool(detection.category_scores)
        if detection is None or not told:
            if self.shown is None:
                self.title.setText(EMPTY)
                self.tabs.setVisible(False)
            return
        cut_again = self.shown is not None and self.shown.maps is detection.maps
        self.shown = detection
        self.tabs.setVisible(True)
        mark = "<b style='color:#e05a4f'>UNTRAINED</b> · " if detection.record.untrained else ""
        self.title.setText(f"<b>{detection.study.name}</b> · {mark}{detection.record.weights.name}")
        if not cut_again:
            record = detection.record
            self.plots.show_scores(
                detection.category_scores,
                detection.category_chances,
                detection.category_present,
                record.axis,
            )
            self.signs.show_signs(record.evidence.get("signs", []))
            self.similarity.show_similarity(record.evidence.get("similarity", {}))
        self._follow_slice()

    def _go_to_slice(self, index: int) -> None:
        layers = self.session.layers_of_current
        if self.shown is None or layers is None or layers.mask is None:
            return
        axis = AXES[self.shown.record.axis]
        position = [0, 0, 0]
        position[axis] = index
        world = layers.mask.data_to_world(position)
        self.viewer.dims.set_point(self.viewer.dims.ndim - 3 + axis, world[axis])

    def _follow_slice(self, event: Any = None) -> None:
        layers = self.session.layers_of_current
        if self.shown is None or layers is None or layers.mask is None:
            return
        axis, first = AXES[self.shown.record.axis], max(0, self.viewer.dims.ndim - 3)
        self.plots.mark(
            round(float(layers.mask.world_to_data(self.viewer.dims.point[first:])[axis]))
        )
