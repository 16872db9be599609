"""A library of past studies and their reports: embeddings in one file, none of their words.

The file is a safetensors file: the views and sentence features of every case, and a JSON header
that says where scans and reports lie. It is read without pickle and written as a whole or not
at all.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from napari_medad.atomic import replacing
from napari_medad.errors import MedadError
from napari_medad.results.run_record import WeightsState

HEADER = "medad report library"
ENDING = ".medad-library"


class Origin(BaseModel):
    """The weights that a library was embedded with.

    Attributes
    ----------
    fingerprint : str
        The same only for the same numbers.
    name : str
    state : str
        See `WeightsRecord`; a library of untrained weights finds nothing that means anything.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    fingerprint: str
    name: str = ""
    state: WeightsState = "trained"

    @property
    def untrained(self) -> bool:
        """Whether likeness in this library means nothing."""
        return self.state == "untrained"


class Entry(BaseModel):
    """One case of a library, its embeddings apart.

    Attributes
    ----------
    name : str
        Unique in the library; made from the scan's file or folder name.
    study : str
        Path of the scan.
    report : str or None
        Path of the report's text.
    count : int
        Sentences of the report.
    sentences : tuple of str
        The report's sentences, where the user asked to keep them; else empty.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    study: str
    report: str | None = None
    count: int = Field(0, ge=0)
    sentences: tuple[str, ...] = ()


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: Literal[1] = 1
    origin: Origin
    entries: list[Entry]
    checksums: dict[str, int]


class OtherWeights(MedadError):
    """A library was made with weights other than the loaded ones; rebuilding mends it."""


@dataclass(frozen=True, eq=False)
class EmbeddedCase:
    """A case to be added.

    Attributes
    ----------
    entry : Entry
    views : ndarray [q, d] float32
        Unit vectors, one a view of the scan.
    sentences : ndarray [entry.count, d] float32
        Unit vectors, one a sentence of the report.
    """

    entry: Entry
    views: np.ndarray
    sentences: np.ndarray


class ReportLibrary:
    """Cases with their embeddings.

    Parameters
    ----------
    origin : Origin
    entries : sequence of Entry
    views : ndarray [cases, q, d] float32
    sentences : ndarray [sentences of all cases, d] float32
        In the order of the entries.
    """

    def __init__(
        self,
        origin: Origin,
        entries: Sequence[Entry] = (),
        views: np.ndarray | None = None,
        sentences: np.ndarray | None = None,
    ) -> None:
        self.origin = origin
        self.entries = list(entries)
        self.views = np.zeros((0, 0, 0), np.float32) if views is None else views
        self.sentences = np.zeros((0, 0), np.float32) if sentences is None else sentences
        self._seen: dict[Path, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def starts(self) -> np.ndarray:
        """First sentence of every case, and the number of all sentences: [cases + 1] int."""
        return np.concatenate([[0], np.cumsum([e.count for e in self.entries], dtype=int)])

    def add(self, cases: Iterable[EmbeddedCase]) -> None:
        """Add cases; one of the same scan is replaced.

        Raises
        ------
        MedadError
            If embeddings have another width than those that are there.
        """
        new = {case.entry.study: case for case in cases}
        if not new:
            return
        self.remove([e.name for e in self.entries if e.study in new])
        taken = {e.name for e in self.entries}
        added = []
        for case in new.values():
            name = _free(case.entry, taken)
            taken.add(name)
            added.append(case.entry.model_copy(update={"name": name}))
        views = np.stack([case.views for case in new.values()]).astype(np.float32)
        sentences = np.concatenate(
            [np.reshape(case.sentences, (-1, views.shape[2])) for case in new.values()]
        ).astype(np.float32)
        if self.entries and views.shape[1:] != self.views.shape[1:]:
            raise MedadError(
                f"The library holds views of shape {self.views.shape[1:]}, but these weights make "
                f"{views.shape[1:]}; rebuild the library."
            )
        if self.entries:
            views = np.concatenate([self.views, views])
            sentences = np.concatenate([self.sentences, sentences])
        self.entries, self.views, self.sentences = [*self.entries, *added], views, sentences

    def remove(self, names: Iterable[str]) -> None:
        """Remove cases by name.

        Raises
        ------
        MedadError
            If there is none of a name; then none is removed.
        """
        gone = set(names)
        missing = gone - {e.name for e in self.entries}
        if missing:
            raise MedadError(
                f"The library has no case '{sorted(missing)[0]}'; `medad retrieve cases` lists "
                "those that it has."
            )
        if not gone:
            return
        keep = np.array([e.name not in gone for e in self.entries])
        of_kept = np.repeat(keep, [e.count for e in self.entries])
        self.views, self.sentences = self.views[keep], self.sentences[of_kept]
        self.entries = [e for e in self.entries if e.name not in gone]

    def check(self, origin: Origin, path: str | Path = "The library") -> None:
        """Make sure that the loaded weights are those of the library.

        Raises
        ------
        OtherWeights
        """
        if origin.fingerprint != self.origin.fingerprint:
            drawn = ", random and new each time" if self.origin.untrained else ""
            raise OtherWeights(
                f"{path} was made with other weights ('{self.origin.name}'{drawn}) than the loaded "
                f"'{origin.name}', so nothing in it can be compared; rebuild it (`medad retrieve "
                "rebuild`, or Rebuild in the dock) or load those weights."
            )

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Read a library.

        Raises
        ------
        MedadError
            If there is none, or it is damaged.
        """
        path = Path(path).expanduser()
        if not path.is_file():
            raise MedadError(
                f"There is no report library at {path}; make one with `medad retrieve add`."
            )
        stamp = _stamp(path)
        try:
            with safe_open(path, "numpy") as file:
                header = _Header.model_validate_json((file.metadata() or {})[HEADER])
                held = {name: file.get_tensor(name) for name in ("views", "sentences")}
            _check_whole(header, held)
        except (SafetensorError, KeyError, ValidationError, ValueError, OSError) as error:
            why = str(error).splitlines()[0] if not isinstance(error, ValidationError) else "header"
            raise MedadError(
                f"{path} is damaged or is no report library ({why}); restore it from a copy, or "
                "delete it and make it anew with `medad retrieve add`."
            ) from None
        library = cls(header.origin, header.entries, held["views"], held["sentences"])
        library._seen[path.resolve()] = stamp
        return library

    def save(self, path: str | Path) -> None:
        """Write the library; an older file stays as it was if writing fails.

        Raises
        ------
        MedadError
            If another program has changed the file since it was opened, or it cannot be written.
        """
        path = Path(path).expanduser()
        seen = self._seen.get(path.resolve())
        if path.exists() and seen is not None and seen != _stamp(path):
            raise MedadError(f"{path} was changed by another program meanwhile; open it again.")
        held = {
            "views": np.ascontiguousarray(self.views),
            "sentences": np.ascontiguousarray(self.sentences),
        }
        header = _Header(
            origin=self.origin,
            entries=self.entries,
            checksums={name: zlib.crc32(array.data) for name, array in held.items()},
        )
        with replacing(path) as part:
            save_file(held, part, metadata={HEADER: json.dumps(header.model_dump(mode="json"))})
        self._seen[path.resolve()] = _stamp(path)


def _check_whole(header: _Header, held: dict[str, np.ndarray]) -> None:
    views, sentences = held["views"], held["sentences"]
    if any(zlib.crc32(array.data) != header.checksums.get(name) for name, array in held.items()):
        raise ValueError("its checksum is wrong")
    fits = views.ndim == 3 and sentences.ndim == 2 and views.dtype == sentences.dtype == np.float32
    counts = sum(entry.count for entry in header.entries)
    if not fits or len(views) != len(header.entries) or len(sentences) != counts:
        raise ValueError("its header and its numbers disagree")


def _stamp(path: Path) -> tuple[int, int]:
    told = path.stat()
    return told.st_mtime_ns, told.st_size


def _free(entry: Entry, taken: set[str]) -> str:
    """The entry's name, with its folder's or a number where another scan has that name."""
    if entry.name not in taken:
        return entry.name
    longer = f"{Path(entry.study).parent.name}/{entry.name}"
    names = (longer if n == 1 else f"{longer} ({n})" for n in range(1, len(taken) + 3))
    return next(name for name in names if name not in taken)
