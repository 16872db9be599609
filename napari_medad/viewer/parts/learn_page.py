"""Learn categories from signs and shots: a name, the options, a start; then the training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QLineEdit, QWidget

from napari_medad.detectors.needs import clip_sentence
from napari_medad.detectors.registry import card
from napari_medad.detectors.sdmad.signs import SignList
from napari_medad.errors import MedadError
from napari_medad.viewer.parts.training_page import TrainingPage
from napari_medad.viewer.training_run import Order, TrainingRun
from napari_medad.weights.installed import free_name, weights_home, writable_name

DETECTOR = "sdmad"
SIGNS = "signs"
"""Folder, beside those of the detectors' weights, of the lists that trainings were given."""


class LearnPage(TrainingPage):
    """Sets up and shows the training of the categories.

    Parameters
    ----------
    run : TrainingRun
        The viewer's one training, which other docks show also.
    """

    def __init__(self, run: TrainingRun, parent: QWidget | None = None) -> None:
        super().__init__(run, DETECTOR, "Learn", (SIGNS,), parent)
        self.name_edit = QLineEdit(self)
        self.rows.insertRow(0, "Model name", self.name_edit)
        self._suggest()

    def start(self, signs: SignList, examples: tuple[Any, ...]) -> None:
        """Begin to learn; says what is wrong where it cannot."""
        assert self.options is not None
        try:
            if self.run.active:
                raise MedadError(
                    "A training is running in the Train dock; wait for it, or stop it."
                )
            name = writable_name(self.name_edit.text())
            kept = weights_home() / SIGNS / f"{name}.yaml"
            signs.save(_in_folder(kept))
        except (MedadError, OSError) as error:
            self.notice.say(str(error), "error")
            return
        self.notice.say("")
        self.run.start(
            Order(
                DETECTOR,
                examples,
                weights_home() / DETECTOR / name,
                {**self.options.values(), SIGNS: str(kept)},
                device=self.device_box.currentText(),
            )
        )

    def tell_needs(self) -> None:
        """Say which weights of CLIP are missing, if any."""
        needed = clip_sentence(card(DETECTOR))
        self.notice.say(f"Learning {needed}" if needed else "", "warning")

    def _suggest(self) -> None:
        self.name_edit.setText(free_name(weights_home() / DETECTOR, "my-signs"))

    def _new(self) -> None:
        self._suggest()
        super()._new()


def _in_folder(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
