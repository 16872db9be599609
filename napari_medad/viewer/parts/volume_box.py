"""Which of the open volumes a page is about: the active layer, until the user picks one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QWidget

from napari_medad.viewer.layers import volume_layers

if TYPE_CHECKING:
    import napari
    from napari.layers import Image


class VolumeBox(QComboBox):
    """The open volumes; emits `currentIndexChanged` when another is shown, or the list has changed.

    Parameters
    ----------
    viewer : napari.Viewer
    colour : bool
        Whether colour pictures are offered.
    """

    def __init__(
        self, viewer: napari.Viewer, parent: QWidget | None = None, *, colour: bool = True
    ) -> None:
        super().__init__(parent)
        self.viewer, self.colour = viewer, colour
        self._picked: Image | None = None
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(14)
        self.activated.connect(self._on_picked)
        viewer.layers.selection.events.active.connect(self.refill)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self.refill)
        self.refill()

    @property
    def layer(self) -> Image | None:
        """The chosen volume's layer."""
        return self.currentData()

    def refill(self, event: Any = None) -> None:
        """List the volumes anew, the picked or the active one chosen."""
        layers = [la for la in volume_layers(self.viewer) if self.colour or not la.rgb]
        active = self.viewer.layers.selection.active
        chosen = self._picked if self._picked in layers or active not in layers else active
        self.blockSignals(True)
        self.clear()
        for layer in layers:
            self.addItem(layer.name, layer)
        shown = chosen if chosen in layers else layers[-1] if layers else None
        self.setCurrentIndex(layers.index(shown) if shown is not None else -1)
        self.blockSignals(False)
        self.currentIndexChanged.emit(self.currentIndex())

    def pick(self, layer: Image | None) -> None:
        """Choose a layer, as a user would."""
        self._picked = layer
        self.refill()

    def _on_picked(self, index: int) -> None:
        """Stay with the layer that the user has chosen, whichever is active."""
        self._picked = self.itemData(index)
