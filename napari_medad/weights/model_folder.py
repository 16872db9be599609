"""A trained model as a folder: settings and facts in model.json, tensors in weights.safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from napari_medad.atomic import replacing
from napari_medad.errors import MedadError
from napari_medad.results.run_record import sha256_of
from napari_medad.weights.checkpoint import read_tensors, write_tensors

FORMAT = 1


@dataclass(frozen=True)
class ModelFolder:
    """A model that can be loaded years later.

    Attributes
    ----------
    path : Path
    detector : str
        Which detector it is for.
    settings : dict
        Settings that shape the network.
    facts : dict
        What training found out: tasks, prompts, thresholds, normalisation, data, recipe.
    """

    path: Path
    detector: str
    settings: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def weights_file(self) -> Path:
        """Where the tensors are."""
        return self.path / "weights.safetensors"

    @property
    def sha256(self) -> str:
        """Checksum of the tensors' file."""
        return sha256_of(self.weights_file)

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by key, on the CPU."""
        return read_tensors(self.weights_file)

    @classmethod
    def read(cls, path: str | Path, detector: str) -> ModelFolder:
        """Open a folder made for `detector`.

        Raises
        ------
        MedadError
            If it is no model folder, or one for another detector.
        """
        path = Path(path)
        try:
            held = json.loads((path / "model.json").read_text(encoding="utf-8"))
            model = cls(path, held["detector"], held["settings"], held["facts"])
        except (OSError, ValueError, KeyError, TypeError):
            raise MedadError(
                f"{path} is not a model folder with model.json and weights.safetensors; give "
                "one that medad train wrote."
            ) from None
        if model.detector != detector:
            raise MedadError(
                f"{path} holds weights of '{model.detector}', not of '{detector}'; choose that "
                "detector or other weights."
            )
        if not model.weights_file.is_file():
            raise MedadError(f"{path} lacks weights.safetensors; train again or copy it there.")
        return model

    def verify(self) -> None:
        """Compare the tensors' file with the checksum in model.json.

        Raises
        ------
        MedadError
            If the file has changed since it was written, or the folder states no checksum.
        """
        held = json.loads((self.path / "model.json").read_text(encoding="utf-8"))
        if "sha256" not in held:
            raise MedadError(f"{self.path} states no checksum; train or add it again.")
        if held["sha256"] != self.sha256:
            raise MedadError(
                f"{self.weights_file} is not what was written there (its sha256 differs); add or "
                "fetch it again."
            )

    def write(self, tensors: Mapping[str, Tensor]) -> None:
        """Write the folder; model.json last, so that its presence says it is complete."""
        write_tensors(tensors, self.weights_file)
        held = {
            "format": FORMAT,
            "detector": self.detector,
            "sha256": self.sha256,
            "settings": self.settings,
            "facts": self.facts,
        }
        with replacing(self.path / "model.json") as part:
            part.write_text(json.dumps(held, indent=2) + "\n", encoding="utf-8")
