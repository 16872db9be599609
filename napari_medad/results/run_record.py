"""What was run, on what, with what: enough to run it again."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_medad.errors import MedadError

RECORDED_PACKAGES = ("napari-medad", "numpy", "torch", "monai", "open_clip_torch", "nibabel")

WeightsState = Literal["none", "starter", "released", "trained", "untrained"]
"""`none` for detectors that have no weights; the rest as the user's guide says."""


class WeightsRecord(BaseModel):
    """Which numbers the network ran with."""

    model_config = ConfigDict(extra="forbid")
    state: WeightsState = "none"
    name: str = ""
    path: str | None = None
    sha256: str | None = None


class SourceRecord(BaseModel):
    """One input file or folder."""

    model_config = ConfigDict(extra="forbid")
    volume: str
    path: str | None
    sha256: str | None = None
    frame: int | None = None


class RunRecord(BaseModel):
    """The JSON beside every result. Holds no patient field of any header."""

    model_config = ConfigDict(extra="forbid")
    case: str = ""
    input: str | None = None
    detector: str
    settings: dict[str, Any] = Field(default_factory=dict)
    prompt: str | None = None
    volume: str
    axis: str = "axial"
    threshold: str | float = "auto"
    threshold_value: float = 0.0
    threshold_source: str = ""
    minimum_ml: float = 0.0
    weights: WeightsRecord = Field(default_factory=WeightsRecord)
    sources: list[SourceRecord] = Field(default_factory=list)
    seed: int = 0
    device: str = "cpu"
    precision: str = "fp32"
    started: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    duration_s: float = 0.0
    remembered: int = Field(0, ge=0)
    """Slices of normal scans that were picked in memory; a record cannot hold them."""
    notes: list[str] = Field(default_factory=list)
    evidence: dict[str, Any] = Field(default_factory=dict)
    """What the run was decided by and settings do not say: the signs kept, their distances."""
    versions: dict[str, str] = Field(default_factory=lambda: installed_versions())

    @property
    def untrained(self) -> bool:
        """Whether the maps come from random weights and mean nothing."""
        return self.weights.state == "untrained"

    @classmethod
    def read(cls, path: str | Path) -> RunRecord:
        """Read a record written by `medad detect`.

        Raises
        ------
        MedadError
            If the file is absent or is not a run record.
        """
        path = Path(path)
        try:
            return cls.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except OSError:
            raise MedadError(f"There is no run record at {path}; check the path.") from None
        except (json.JSONDecodeError, UnicodeDecodeError, ValidationError) as error:
            raise MedadError(
                f"{path} is not a run record ({str(error).splitlines()[0]}); "
                "give a *_record.json that medad detect wrote."
            ) from None


def installed_versions() -> dict[str, str]:
    """Versions of the packages that decide a result."""
    found = {}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def sha256_of(path: Path) -> str:
    """Checksum of a file, or of a folder's files in sorted order."""
    digest = hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
