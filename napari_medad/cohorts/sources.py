"""A study that waits to be read: its name and where its files are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from napari_medad.errors import MedadError
from napari_medad.volumes.reader import read_study
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

LONGEST_NAME = 120
"""Bytes; names of result files grow from it and file systems end at 255."""
FORBIDDEN = '/\\:*?"<>|'
"""Characters that some file system does not take."""


@dataclass(frozen=True)
class StudySource:
    """One study of a cohort; nothing of it is read before it is asked for.

    Attributes
    ----------
    name : str
        Of its folder of results; no other study of the cohort has it.
    where : Path, mapping of str to Path, or tuple of Path
        A file or folder; volumes by name; or folders that each hold some of its volumes.
    problem : str
        Why it cannot be read, one sentence, where that is known already.
    """

    name: str
    where: Path | Mapping[str, Path] | tuple[Path, ...]
    problem: str = ""

    @property
    def path(self) -> Path | None:
        """The one file or folder that it is, if it is one."""
        return self.where if isinstance(self.where, Path) else None

    @property
    def paths(self) -> tuple[Path, ...]:
        """Everything that it is read from."""
        if isinstance(self.where, Path):
            return (self.where,)
        return tuple(self.where.values() if isinstance(self.where, Mapping) else self.where)

    def without_paths(self, text: str) -> str:
        """A sentence about it that names its files, but not the folders that lead to them."""
        for path in self.paths:
            for told in {path, path.resolve()}:
                text = text.replace(str(told), path.name if path.is_file() else self.name)
        return text

    def read(self, frame: int | None = None) -> Study:
        """Read the volumes.

        Raises
        ------
        MedadError
            As `read_study`.
        """
        if self.problem:
            raise MedadError(self.problem)
        if isinstance(self.where, tuple):
            volumes: dict[str, Volume] = {}
            for folder in self.where:
                for key, volume in read_study(folder, frame=frame).volumes.items():
                    volumes[key if key not in volumes else f"{key}-{len(volumes) + 1}"] = volume
            return Study.from_volumes(self.name, volumes)
        return replace(read_study(self.where, frame=frame), name=self.name)


@dataclass(frozen=True)
class StudyList:
    """The studies of a cohort.

    Attributes
    ----------
    input : str
        Absolute path of the folder or manifest that they come from; empty without one.
    studies : sequence of StudySource
    """

    input: str
    studies: Sequence[StudySource]


def folder_name(parts: Iterable[str]) -> str:
    """A study's name from the folders that lead to it: site-a/case-1 is site-a_case-1."""
    name = "_".join(parts)
    if len(name.encode()) <= LONGEST_NAME:
        return name
    kept = name.encode()[: LONGEST_NAME - 9].decode(errors="ignore")
    return f"{kept}-{sha256(name.encode()).hexdigest()[:8]}"


def hidden_name(uid: str) -> str:
    """A study's name from a UID, which tells nobody which study of which patient it is."""
    return f"study-{sha256(uid.encode()).hexdigest()[:12]}"


def refuse_twins(names: Iterable[tuple[str, str]]) -> None:
    """Raise where two studies have one name, also where only capital letters tell them apart.

    Parameters
    ----------
    names : iterable of (name, place)
        The place is the words that tell where the name comes from.

    Raises
    ------
    MedadError
        Names the study and both places.
    """
    seen: dict[str, tuple[str, str]] = {}
    for name, place in names:
        other, first = seen.setdefault(name.casefold(), (name, place))
        if first != place:
            same = f"'{name}'" if name == other else f"'{name}' (and '{other}')"
            raise MedadError(
                f"{first} and {place} are both called {same}; give every study a name of its own."
            )
