"""What an unfinished training leaves in its folder, so that it can go on."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from napari_medad.atomic import replacing
from napari_medad.errors import MedadError


@dataclass(frozen=True)
class Request:
    """What was asked of a run, kept in training.json while it is unfinished.

    Attributes
    ----------
    detector : str
    options : mapping
        Every option, defaults included.
    data : str
        The folder, the manifest, "synthetic", or "volumes" for what is not on disk.
    examples : str
        Fingerprint of the examples, so that a resumed run learns from the same.
    weights : str or None
        What it was fine-tuned from.
    empty : sequence of int
        Numbers of the examples that were left out as empty.
    """

    detector: str
    options: Mapping[str, Any]
    data: str
    examples: str
    weights: str | None = None
    empty: Sequence[int] = ()


@dataclass(frozen=True)
class Unfinished:
    """A training folder that can be resumed."""

    path: Path
    request: Request
    step: int = 0
    total: int = 0


@dataclass(frozen=True)
class TrainingFolder:
    """The folder that a run writes: training.json and checkpoint.ckpt until it is done.

    Attributes
    ----------
    path : Path
    """

    path: Path

    @property
    def request_file(self) -> Path:
        """What was asked, and how far it is."""
        return self.path / "training.json"

    @property
    def checkpoint_file(self) -> Path:
        """The state to go on from."""
        return self.path / "checkpoint.ckpt"

    @property
    def history_file(self) -> Path:
        """Losses by step and epoch."""
        return self.path / "history.csv"

    def refuse_if_used(self) -> None:
        """Refuse a new run where there is something to lose.

        Raises
        ------
        MedadError
            If the folder holds a model or a run that can be resumed.
        """
        if (self.path / "model.json").is_file():
            raise MedadError(f"{self.path} already holds a model; choose another folder.")
        if self.request_file.is_file() and self.checkpoint_file.is_file():
            raise MedadError(
                f"{self.path} holds an unfinished training; go on with it (--resume) or choose "
                "another folder."
            )

    def mark(self, request: Request, step: int, total: int) -> None:
        """Write training.json."""
        held = {**asdict(request), "step": step, "total": total}
        with replacing(self.request_file) as part:
            part.write_text(json.dumps(held, indent=2) + "\n", encoding="utf-8")

    def unfinished(self) -> Unfinished:
        """What can be resumed here.

        Raises
        ------
        MedadError
            If nothing can: the folder is finished, holds no training, or is damaged.
        """
        if (self.path / "model.json").is_file():
            raise MedadError(f"The training in {self.path} is finished; its model is there.")
        try:
            held = json.loads(self.request_file.read_text(encoding="utf-8"))
            step, total = held.pop("step"), held.pop("total")
            return Unfinished(self.path, Request(**held), step, total)
        except FileNotFoundError:
            raise MedadError(
                f"There is no training to go on with in {self.path}; start it without --resume."
            ) from None
        except (OSError, ValueError, KeyError, TypeError):
            raise MedadError(
                f"{self.request_file} is damaged; delete the folder and train again."
            ) from None

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the checkpoint, whole or not at all."""
        with replacing(self.checkpoint_file) as part:
            torch.save(dict(state), part)

    def load(self) -> dict[str, Any] | None:
        """The last checkpoint, on the CPU; None if the run was killed before its first."""
        if not self.checkpoint_file.is_file():
            return None
        try:
            return torch.load(self.checkpoint_file, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, OSError, LookupError, ValueError, pickle.UnpicklingError):
            raise MedadError(
                f"{self.checkpoint_file} cannot be read; delete it to train from the beginning."
            ) from None

    def finish(self) -> None:
        """Remove what only an unfinished run needs."""
        self.checkpoint_file.unlink(missing_ok=True)
        self.request_file.unlink(missing_ok=True)


def unfinished_trainings(home: str | Path) -> list[Unfinished]:
    """Every training folder directly in `home` that can be resumed, the latest first."""
    found = []
    for file in Path(home).glob("*/training.json"):
        try:
            found.append((file.stat().st_mtime, TrainingFolder(file.parent).unfinished()))
        except (MedadError, OSError):
            continue
    return [run for _, run in sorted(found, key=lambda pair: -pair[0])]
