"""What a detector is, told without importing it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from napari_medad.errors import MedadError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from napari_medad.detectors.detector import Detector
    from napari_medad.detectors.recipe import Recipe
    from napari_medad.detectors.settings import Settings


@dataclass(frozen=True)
class Card:
    """A detector's entry in the registry.

    Attributes
    ----------
    name : str
        What users type: `--detector moe`.
    title : str
        Name in menus and tables.
    about : str
        One sentence: what it finds and how.
    paper : str
        Citation in one line; empty for a baseline.
    licence : str
        Of the method's weights, as far as they are not ours.
    package : str
        Dotted path of the detector's folder. It must hold `settings.py` with a class
        `<Name>Settings`-like subclass named by `settings_class`, and so on below.
    settings_class, detector_class, recipe_class : str
        "module:Class" relative to `package`; `recipe_class` is empty for what cannot be trained.
    input : {"slices", "volume"}
        Whether it looks slice by slice along any axis or at the volume as a whole.
    outputs : tuple of str
        Names of the maps it makes.
    modalities : tuple of str
        Volumes it is meant for, best first; empty for any.
    labels : str
        What training needs: "none", "normal images", "slice labels", "voxel labels",
        "a few labelled images", "reports".
    prompt : bool
        Whether it reads a typed prompt.
    teachable : bool
        Whether corrected masks can teach it: its recipe has a `lesson`.
    weights : tuple of str
        Weight names it knows, best first ("starter", "released"); empty when it needs none.
    backbone : str
        The CLIP that it stands on, whose weights it needs besides its own; empty for none.
    consent : bool
        Whether `licence` must be accepted before the authors' files are added.
    """

    name: str
    title: str
    about: str
    package: str
    paper: str = ""
    licence: str = "BSD-3-Clause"
    settings_class: str = "settings:DetectorSettings"
    detector_class: str = "detector:Detector"
    recipe_class: str = ""
    input: Literal["slices", "volume"] = "slices"
    outputs: tuple[str, ...] = ("anomaly",)
    modalities: tuple[str, ...] = ()
    labels: str = "none"
    prompt: bool = False
    teachable: bool = False
    weights: tuple[str, ...] = ()
    backbone: str = ""
    consent: bool = False

    def settings_type(self) -> type[Settings]:
        """Import and return the Settings model."""
        return self._load(self.settings_class)

    def detector_type(self) -> type[Detector]:
        """Import and return the detector class (this may import torch)."""
        return self._load(self.detector_class)

    def recipe_type(self) -> type[Recipe]:
        """Import and return the recipe class."""
        return self._load(self.recipe_class)

    def convert(self, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Settings and tensors of a foreign checkpoint, with our keys.

        A method whose authors released weights has `checkpoint.py` with a function
        `convert(tensors) -> (settings, tensors)`; without one, keys stay as they are.
        """
        module = f"{self.package}.checkpoint"
        if find_spec(module) is None or not hasattr(import_module(module), "convert"):
            return {}, tensors
        return import_module(module).convert(tensors)

    def convert_folder(
        self, folder: Path
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Tensor]]:
        """Settings, facts and tensors of a foreign folder of checkpoints, with our keys.

        A method whose authors saved several files has `checkpoint.py` with a function
        `convert_folder(folder) -> (settings, facts, tensors)`.

        Raises
        ------
        MedadError
            If the method's weights are one file, or the folder lacks one.
        """
        module = f"{self.package}.checkpoint"
        if find_spec(module) is None or not hasattr(import_module(module), "convert_folder"):
            raise MedadError(
                f"{folder} is no model folder of '{self.name}'; give a folder with model.json, or "
                "the checkpoint file itself."
            )
        return import_module(module).convert_folder(folder)

    def _load(self, where: str):  # type: ignore[no-untyped-def]
        module, name = where.split(":")
        return getattr(import_module(f"{self.package}.{module}"), name)
