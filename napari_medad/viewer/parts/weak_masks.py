"""The teacher's masks: made, looked at, painted, refined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_medad.training.slice_labelling import image_name
from napari_medad.training.weak_to_strong import WeakToStrong, image_of
from napari_medad.viewer.layers import (
    VOLUME,
    layer_units,
    placement,
    study_layers,
    study_of,
    volume_layers,
)
from napari_medad.viewer.parts.run_footer import RunFooter
from napari_medad.viewer.worker import Work, leave_a_core_to_the_window
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.reader import case_name, read_study, read_volume
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

if TYPE_CHECKING:
    import napari

FILE = "medad weak mask"
"""Key of a layer's metadata: the file its voxels are kept in."""
KINDS = {"weak": "teacher's mask", "refined": "MedSAM's mask"}


@dataclass(eq=False)
class Opened:
    """An image and its masks, read from their files.

    Attributes
    ----------
    volume : Volume
    study : Study, optional
        Where the image has no layer yet.
    masks : list of (str, Path, ndarray [z, y, x] uint8)
        Names for the layers, files, and voxels.
    """

    volume: Volume
    study: Study | None = None
    masks: list[tuple[str, Path, np.ndarray]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Painted:
    """A mask as it stands in its layer: its name, file, image, and voxels [z, y, x] bool."""

    name: str
    path: Path
    volume: Volume
    mask: np.ndarray


def write_painted(painted: Sequence[Painted]) -> list[str]:
    """Write every mask that differs from its file, on its image's voxels; their names.

    Raises
    ------
    MedadError, OSError
        If a file cannot be read or written.
    """
    kept = []
    for held in painted:
        if not np.array_equal(held.mask, read_volume(held.path).array > 0):
            write_nifti(held.mask.astype(np.uint8), held.volume, held.path, labels=True)
            kept.append(held.name)
    return kept


class WeakMasks(QWidget):
    """One row an image; a double click opens it with its masks.

    Parameters
    ----------
    viewer : napari.Viewer

    Signals
    -------
    changed
        Masks were made.
    """

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.steps: WeakToStrong | None = None
        self.list, self.footer = QListWidget(self), RunFooter(self)
        self.work, self.reading, self.writing = Work(self), Work(self), Work(self)
        self.list.setWordWrap(True)
        self.footer.run_button.setText("Mark with the teacher")
        self.open_button = QPushButton("Open", self)
        self.open_button.setToolTip("The image with its masks, which can be painted in")
        self.keep_button = QPushButton("Keep what I painted", self)
        self.refine_button = QPushButton("Refine with MedSAM", self)
        row = QHBoxLayout()
        for button in (self.open_button, self.keep_button, self.refine_button):
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.list, 1)
        layout.addLayout(row)
        layout.addWidget(self.footer)
        self._connect()
        self.refresh()

    def _connect(self) -> None:
        self.list.itemDoubleClicked.connect(lambda item: self.open(self.list.row(item)))
        self.open_button.clicked.connect(lambda: self.open(self.list.currentRow()))
        self.keep_button.clicked.connect(self.keep)
        self.footer.run_button.clicked.connect(self.mark)
        self.refine_button.clicked.connect(self.refine)
        self.footer.follow(self.work, "Stopped; the masks made so far are kept.", "warning")
        self.work.finished.connect(lambda told: self.footer.say(told, "good"))
        self.work.ended.connect(self._on_ended)
        self.reading.finished.connect(self._show)
        self.writing.finished.connect(self._on_kept)
        for files in (self.reading, self.writing):
            files.failed.connect(lambda sentence: self.footer.say(sentence, "error"))

    def show_steps(self, steps: WeakToStrong | None, reason: str = "") -> None:
        """The chain whose masks are shown; without one, the reason why there are none."""
        self.steps = steps
        self.refresh()
        if not self.work.running:
            self.footer.offer(reason)

    def mark(self) -> None:
        """Let the teacher mark every image that has no mask yet."""
        if self.steps is not None:
            self._start(self.steps.mark, "The teacher looks …", "Look at the masks, paint in them.")

    def refine(self) -> None:
        """Let MedSAM refine every image's mask."""
        if self.steps is not None:
            self._start(self.steps.refine, "Loading MedSAM …", "MedSAM's masks are there, too.")

    def open(self, row: int) -> None:
        """Show an image and its masks as layers, once they are read."""
        if self.steps is None or row < 0 or self.reading.running:
            return
        image = image_of(self.steps.examples[row])
        shown = self._shown(case_name(image))
        named = [
            (f"{case_name(image)} · {said}", self.steps.masks(kind)[row])
            for kind, said in KINDS.items()
        ]
        wanted = [(name, path) for name, path in named if name not in self.viewer.layers]

        def read(report: Callable[[Any], str | None]) -> Opened:
            study = None if shown else read_study(image)
            opened = Opened(shown or study.volume(), study)  # type: ignore[union-attr]
            for name, path in wanted:
                if path.is_file():
                    opened.masks.append((name, path, read_volume(path).array.astype(np.uint8)))
            return opened

        self.footer.say(f"Opening {case_name(image)} …")
        self.reading.start(read)

    def painted(self) -> list[Painted]:
        """Copies of the open masks, as they stand."""
        return [
            Painted(layer.name, path, layer.metadata[VOLUME], np.asarray(layer.data) > 0)
            for layer in self.viewer.layers
            if isinstance(layer, Labels) and (path := layer.metadata.get(FILE)) is not None
        ]

    def keep(self) -> None:
        """Write every open mask that was changed."""
        if not self.writing.running:
            painted = self.painted()
            self.footer.say("Keeping what was painted …")
            self.writing.start(lambda report: write_painted(painted))

    def refresh(self) -> None:
        """List the images anew."""
        row = self.list.currentRow()
        self.list.clear()
        steps = self.steps
        for number, example in enumerate(steps.examples if steps else ()):
            assert steps is not None
            there = [said for kind, said in KINDS.items() if steps.masks(kind)[number].is_file()]
            item = QListWidgetItem(f"{case_name(image_of(example))}: {', '.join(there) or 'none'}")
            item.setToolTip("A double click opens it")
            self.list.addItem(item)
        self.list.setCurrentRow(max(row, 0))
        marked = steps is not None and all(path.is_file() for path in steps.masks("weak"))
        busy = self.work.running
        self.open_button.setEnabled(steps is not None)
        self.keep_button.setEnabled(marked and not busy)
        self.refine_button.setEnabled(marked and not busy)

    def _shown(self, name: str) -> Volume | None:
        """The labelled volume, where its layer is open; it is brought into view."""
        for layer in volume_layers(self.viewer):
            study, key = study_of(self.viewer, layer)
            if image_name(study.name, key) == name:
                layer.visible = True
                return study.volume(key)
        return None

    def _show(self, opened: Opened) -> None:
        """The image under the name that its labels have, and its masks, as new layers."""
        if opened.study is not None:
            for data, options, _ in study_layers(opened.study):
                self.viewer.add_image(data, **options)
        for name, path, mask in opened.masks:
            layer = self.viewer.add_labels(
                mask,
                name=name,
                metadata={"medad map": "mask", VOLUME: opened.volume, FILE: path},
                **placement(opened.volume),
                **layer_units(3),
            )
            layer.brush_size = 12
        self.footer.say("")

    def _on_kept(self, names: list[str]) -> None:
        if names:
            self.footer.say(f"Kept: {', '.join(names)}.", "good")
        else:
            self.footer.say("Nothing was painted since the masks were kept.")

    def _start(self, step: Callable[..., Any], begins: str, ends: str) -> None:
        def run(report: Callable[[Any], str | None]) -> str:
            leave_a_core_to_the_window()
            step(report)
            return ends

        self.footer.begin(begins)
        self.refine_button.setEnabled(False)
        self.work.start(run)

    def _on_ended(self) -> None:
        self.footer.end(True)
        self.work.wait(1)
        self.refresh()
        self.changed.emit()
