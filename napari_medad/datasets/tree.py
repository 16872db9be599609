"""The files of a dataset's folder, listed once for all layouts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from napari_medad.errors import MedadError

NOT_DATA = {"__MACOSX", "derivatives"}


@dataclass(frozen=True)
class Tree:
    """A folder and every file under it.

    Attributes
    ----------
    folder : Path
    files : tuple of str
        Relative to the folder, with forward slashes, sorted; hidden ones left out.
    """

    folder: Path
    files: tuple[str, ...]

    @classmethod
    def of(cls, folder: str | Path) -> Tree:
        """List a folder; links are followed, each folder is listed once.

        Raises
        ------
        MedadError
            If there is no such folder, or it holds no files.
        """
        root = Path(folder).expanduser()
        if not root.is_dir():
            raise MedadError(f"There is no folder {root}; check the path of the dataset.")
        files, seen = [], set()
        for place, folders, names in os.walk(root, followlinks=True):
            real = os.path.realpath(place)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = [f for f in folders if not f.startswith(".") and f not in NOT_DATA]
            inside = Path(place).relative_to(root)
            files += [(inside / n).as_posix() for n in names if not n.startswith(".")]
        if not files:
            raise MedadError(f"{root} holds no files; give the folder that a dataset lies in.")
        return cls(root, tuple(sorted(files)))

    def folders(self) -> Iterator[Tree]:
        """The folders that lie directly in it."""
        for name, files in groupby(self.files, lambda file: file.partition("/")[0]):
            held = tuple(file.partition("/")[2] for file in files)
            if any(held):
                yield Tree(self.folder / name, held)

    def matching(self, pattern: re.Pattern[str]) -> Iterator[tuple[Path, re.Match[str]]]:
        """Every file whose whole relative path fits a pattern, with the match."""
        for file in self.files:
            if match := pattern.fullmatch(file):
                yield self.folder / file, match

    def has(self, pattern: re.Pattern[str]) -> bool:
        """Whether any file fits a pattern."""
        return any(True for _ in self.matching(pattern))
