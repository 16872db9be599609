"""What the JSON of a saved session holds."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_medad import __version__
from napari_medad.errors import MedadError
from napari_medad.volumes.orientation import Grid
from napari_medad.volumes.volume import Source

FORMAT = 1
MANIFEST = "session.json"


class SourceEntry(BaseModel):
    """Where a volume came from, so that results go back on exactly its voxels."""

    model_config = ConfigDict(extra="forbid")
    path: str | None
    shape: tuple[int, ...]
    affine: list[list[float]]
    header: str | None = None
    """Geometry fields of a NIfTI header, base64."""
    reader: str = "memory"
    frame: int | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, source: Source) -> SourceEntry:
        """What there is to keep of a source."""
        header = source.header
        return cls(
            path=None if source.path is None else str(source.path.absolute()),
            shape=tuple(int(n) for n in source.grid.shape),
            affine=source.grid.affine.tolist(),
            header=None if header is None else base64.b64encode(header.binaryblock).decode(),
            reader=source.reader,
            frame=source.frame,
            notes=source.notes,
        )

    def source(self) -> Source:
        """The source again."""
        header = None
        if self.header is not None:
            block = base64.b64decode(self.header)
            two = len(block) == nib.Nifti2Header.sizeof_hdr
            header = (nib.Nifti2Header if two else nib.Nifti1Header)(block)
        return Source(
            None if self.path is None else Path(self.path),
            Grid(tuple(self.shape), np.array(self.affine)),
            header,
            self.reader,
            self.frame,
            tuple(self.notes),
        )


class VolumeEntry(BaseModel):
    """A volume: its file in the session, or only where it was read from."""

    model_config = ConfigDict(extra="forbid")
    file: str | None
    modality: str | None
    affine: list[list[float]]
    """From display index (x, y, z) to RAS mm."""
    source: SourceEntry


class StudyEntry(BaseModel):
    """A study and its volumes."""

    model_config = ConfigDict(extra="forbid")
    name: str
    reference: str
    path: str | None
    beside: str | None = None
    """The path from the session's folder, for scans that move together with it."""
    volumes: dict[str, VolumeEntry]


class DetectionEntry(BaseModel):
    """A detection, and whether a correction of it lies with it."""

    model_config = ConfigDict(extra="forbid")
    study: str
    folder: str
    corrected: bool = False


class ShotEntry(BaseModel):
    """A slice of a support set, of a volume of the session or of one kept for it."""

    model_config = ConfigDict(extra="forbid")
    study: str | None = None
    volume: str | VolumeEntry
    name: str
    index: int
    categories: tuple[str, ...] = ()
    axis: str = "axial"


class SessionRecord(BaseModel):
    """`session.json`."""

    model_config = ConfigDict(extra="forbid")
    format: int = FORMAT
    version: str = __version__
    studies: list[StudyEntry] = Field(default_factory=list)
    detections: list[DetectionEntry] = Field(default_factory=list)
    shots: list[ShotEntry] = Field(default_factory=list)
    current: int | None = None
    """Which detection is the current one."""
    settings: dict[str, Any] = Field(default_factory=dict)
    screen: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, where: Path) -> SessionRecord:
        """Read it from a session's folder; `where` is what the user opened.

        Raises
        ------
        MedadError
            If there is none, it is damaged or of a newer version.
        """
        try:
            held = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            if isinstance(held, dict) and held.get("format", 0) > FORMAT:
                raise MedadError(
                    f"{where} was saved by a newer napari-medad ({held.get('version', '?')}, this "
                    f"is {__version__}); update it to open this session."
                )
            return cls.model_validate(held)
        except OSError:
            raise MedadError(
                f"{where} is not a saved session: it has no {MANIFEST}; open a folder or zip that "
                "was saved as one."
            ) from None
        except (json.JSONDecodeError, UnicodeDecodeError, ValidationError, TypeError) as error:
            raise MedadError(
                f"{where} is a damaged session ({MANIFEST}: {str(error).splitlines()[0]}); save "
                "it again, or copy it again."
            ) from None
