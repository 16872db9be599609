"""Which weights there are on this machine, and which one a name means."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_data_path

from napari_medad.errors import MedadError
from napari_medad.results.run_record import WeightsRecord, WeightsState, sha256_of
from napari_medad.weights.catalogue import Release

if TYPE_CHECKING:
    from collections.abc import Sequence

SHIPPED = Path(__file__).parent / "starter"
RELEASED = "released.json"
"""Catalogue entry kept in the folder of weights that others released."""
RESERVED = ("auto", "starter", "untrained")
"""Names with a meaning of their own, which no added weights may take."""


@dataclass(frozen=True)
class Weights:
    """Weights found for a name; `path` is None for untrained ones."""

    state: WeightsState
    name: str
    path: Path | None

    def record(self) -> WeightsRecord:
        """Entry of the run record."""
        if self.path is None:
            return WeightsRecord(state=self.state, name=self.name)
        tensors = self.path / "weights.safetensors" if self.path.is_dir() else self.path
        return WeightsRecord(
            state=self.state, name=self.name, path=str(self.path), sha256=sha256_of(tensors)
        )

    def release(self) -> Release | None:
        """The catalogue's entry they came with, where others released them."""
        if self.path is None or not (self.path / RELEASED).is_file():
            return None
        return Release.model_validate_json((self.path / RELEASED).read_text(encoding="utf-8"))


def weights_home() -> Path:
    """Folder of added and downloaded weights; `MEDAD_WEIGHTS` overrides the user data folder."""
    override = os.environ.get("MEDAD_WEIGHTS")
    return Path(override) if override else user_data_path("napari-medad", False) / "weights"


def installed_weights(detector: str) -> dict[str, Weights]:
    """Every installed set of weights of a detector by name, best first.

    The user's own (`trained`) come first, then `released`, then `starter`.
    """
    found: dict[str, Weights] = {}
    home = weights_home() / detector
    added = sorted(home.iterdir()) if home.is_dir() else []
    for path in added:
        state: WeightsState = "released" if (path / RELEASED).is_file() else "trained"
        if (path / "model.json").is_file() and not path.name.startswith("."):
            found[path.name] = Weights(state, path.name, path)
    found = dict(sorted(found.items(), key=lambda item: item[1].state == "released"))
    if (SHIPPED / detector / "model.json").is_file():
        found["starter"] = Weights("starter", "starter", SHIPPED / detector)
    return found


def find_weights(detector: str, name: str, known: Sequence[str] = ()) -> Weights:
    """The weights that a name or path means.

    Parameters
    ----------
    detector : str
    name : str
        "auto": the best installed. "untrained": random ones. Else an installed name, or a
        path of a model folder or checkpoint file.
    known : sequence of str
        Names that exist in the catalogue, for the message.

    Raises
    ------
    MedadError
        If there are none; the sentence says how to get some.
    """
    installed = installed_weights(detector)
    if name == "untrained":
        return Weights("untrained", "untrained", None)
    if name == "auto" and installed:
        return next(iter(installed.values()))
    if name in installed:
        return installed[name]
    path = Path(name).expanduser()
    if name != "auto" and path.exists():
        return Weights("trained", path.name, path.resolve())
    have = ", ".join(installed) or "none"
    if name == "auto":
        raise MedadError(
            f"'{detector}' needs weights and none are installed; see `medad weights list "
            f"{detector}`, or pass --weights untrained to look at its shapes only."
        )
    wanted = f" (known: {', '.join(known)})" if known else ""
    raise MedadError(
        f"There are no weights '{name}' for '{detector}'{wanted}; installed: {have}. Give one "
        "of these, a file, or a model folder."
    )


def writable_name(text: str) -> str:
    """A name that the user gives to new weights.

    Raises
    ------
    MedadError
        If it is empty, has a meaning of its own, or is no plain file name.
    """
    name = text.strip()
    if not name or name in RESERVED or Path(name).name != name or name.startswith("."):
        raise MedadError(f"A model cannot be called '{name}'; type another name.")
    return name


def free_name(home: Path, wanted: str) -> str:
    """The name, or the first with a number that is not there yet."""
    names = (wanted if number == 1 else f"{wanted}-{number}" for number in range(1, 10_000))
    return next(name for name in names if not (home / name).exists())
