"""The folder of a cohort's results: what was run, what is done, what is left to do.

    cohort.json              the detector with its settings and weights, and how it looked
    summary.jsonl            a line a study, added when it is finished; see `summary`
    summary.csv, index.html  at the end
    pages/                   the other pages of the index
    studies/STUDY/           what `Detection.save` writes, and the key image

A study is done when its run record is there: the record is the last of its files to appear.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_medad.atomic import replacing
from napari_medad.cohorts.folders import RECORD
from napari_medad.cohorts.sources import StudySource
from napari_medad.cohorts.summary import (
    SUMMARY,
    Row,
    append_rows,
    mend_summary,
    read_summary,
    write_summary,
)
from napari_medad.errors import MedadError
from napari_medad.results.run_record import RunRecord, WeightsRecord, installed_versions

STUDIES = "studies"
FORMAT = 1
NOT_COMPARED = {"format", "started", "versions"}


class CohortRecord(BaseModel):
    """What every study of a cohort is looked at with.

    Attributes
    ----------
    input : str
        Absolute path of the folder or manifest.
    settings : dict
        Of the detector, defaults included.
    precision : str
        As asked for; the studies' records say what came of "auto".
    volume, prompt, axis, threshold, minimum_ml, seed
        As for `detect`.
    frame : int or None
        Of 4D files.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: int = FORMAT
    input: str
    detector: str
    settings: dict[str, Any] = Field(default_factory=dict)
    weights: WeightsRecord = Field(default_factory=WeightsRecord)
    precision: str = "auto"
    volume: str | None = None
    prompt: str | None = None
    axis: str = "axial"
    threshold: str | float = "auto"
    minimum_ml: float = 0.05
    seed: int = 0
    frame: int | None = None
    started: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    versions: dict[str, str] = Field(default_factory=installed_versions)

    def differences(self, other: CohortRecord) -> list[str]:
        """What `other` has otherwise, each in a few words: "threshold auto, not 0.5"."""
        own, its = _flat(self), _flat(other)
        keys = [*own, *(key for key in its if key not in own)]
        return [
            f"{key} {_text(own.get(key))}, not {_text(its.get(key))}"
            for key in keys
            if own.get(key) != its.get(key)
        ]

    @property
    def run_options(self) -> dict[str, Any]:
        """Arguments of `detect`."""
        names = ("volume", "prompt", "axis", "threshold", "minimum_ml", "seed")
        return {name: getattr(self, name) for name in names}


class CohortFolder:
    """A folder of results.

    Attributes
    ----------
    path : Path
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser().absolute()

    @property
    def record_file(self) -> Path:
        """What was run."""
        return self.path / RECORD

    def of(self, study: str) -> Path:
        """Folder of a study's results."""
        return self.path / STUDIES / study

    def read_record(self) -> CohortRecord:
        """What was run.

        Raises
        ------
        MedadError
            If the folder is no cohort's.
        """
        try:
            return CohortRecord.model_validate_json(self.record_file.read_text(encoding="utf-8"))
        except (OSError, ValidationError, UnicodeDecodeError):
            raise MedadError(
                f"{self.path} holds no readable {RECORD}; give a folder that medad detect wrote a "
                "cohort into."
            ) from None

    def begin(self, record: CohortRecord, sources: Sequence[StudySource]) -> list[StudySource]:
        """Make the folder ready for a run, or for going on with one that was stopped.

        Parameters
        ----------
        record : CohortRecord
        sources : sequence of StudySource

        Returns
        -------
        list of StudySource
            Those that are not done, failed ones included.

        Raises
        ------
        MedadError
            If the folder is of another run; the sentence tells the first difference.
        """
        self._refuse_another(record)
        if not self.record_file.is_file():
            with replacing(self.record_file) as part:
                part.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
        if not (self.path / SUMMARY).is_file():
            write_summary(self.path, ())
        mend_summary(self.path)
        held = {row.study: row for row in read_summary(self.path)}
        left, news = [], []
        for source in sources:
            row = held.get(source.name)
            done = self.record_of(source.name, record.detector).is_file()
            if done and row is not None and row.state == "done":
                continue
            self.sweep(source.name)
            if done:
                news.append(self.finished(source, record.detector))
            else:
                left.append(source)
                if row is None or row.state != "waiting":
                    news.append(waiting(source))
        append_rows(self.path, news)
        return left

    def record_of(self, study: str, detector: str) -> Path:
        """Run record of a study."""
        return self.of(study) / f"{study}_{detector}_record.json"

    def image_of(self, study: str, detector: str) -> Path:
        """Key image of a study."""
        return self.of(study) / f"{study}_{detector}_key.png"

    def finished(self, source: StudySource, detector: str) -> Row:
        """The row of a study that is done, from its files."""
        path = self.record_of(source.name, detector)
        record = RunRecord.read(path)
        stem = path.name.removesuffix("_record.json")
        volumes = _column(path.with_name(f"{stem}_findings.csv"), "volume_ml")
        scores = _column(path.with_name(f"{stem}_slices.csv"), "score")
        image = self.image_of(source.name, detector)
        return waiting(source).model_copy(
            update={
                "state": "done",
                "score": max(scores, default=None),
                "findings": len(volumes),
                "volume_ml": round(sum(volumes), 4),
                "seconds": record.duration_s,
                "folder": self._within(path.parent),
                "image": self._within(image) if image.is_file() else None,
                "record": self._within(path),
            }
        )

    def _within(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    def _refuse_another(self, record: CohortRecord) -> None:
        if not self.record_file.is_file():
            if (self.path / SUMMARY).exists():
                raise MedadError(
                    f"{self.path} holds a {SUMMARY} without {RECORD}; choose another --out."
                )
            return
        other = self.read_record().differences(record)
        if other:
            raise MedadError(
                f"{self.path} holds a cohort of another run, with the {', the '.join(other)}; go "
                "on with the same options, or choose another --out."
            )

    def sweep(self, study: str) -> None:
        """Remove what a killed run or worker left half-written of a study."""
        for part in self.of(study).glob(".part-*"):
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            else:
                part.unlink(missing_ok=True)


def waiting(source: StudySource) -> Row:
    """The row of a study that nobody has looked at."""
    return Row(study=source.name, source=None if source.path is None else str(source.path))


def failed(source: StudySource, error: Exception) -> Row:
    """The row of a study that cannot be looked at."""
    reason = source.without_paths(" ".join(str(error).split()))
    if not isinstance(error, MedadError):
        reason = f"Something unexpected went wrong ({type(error).__name__}: {reason})."
    return waiting(source).model_copy(update={"state": "failed", "reason": reason})


def _column(path: Path, name: str) -> list[float]:
    with path.open(newline="", encoding="utf-8") as stream:
        return [float(row[name]) for row in csv.DictReader(stream)]


def _flat(record: CohortRecord) -> dict[str, Any]:
    """Fields that are compared: weights by name and checksum, settings one by one."""
    held = record.model_dump(mode="json", exclude=NOT_COMPARED)
    weights, settings = held.pop("weights"), held.pop("settings")
    held |= {"weights": weights["name"], "sha256 of the weights": weights["sha256"]}
    return held | {f"setting {key}": value for key, value in settings.items()}


def _text(value: Any) -> str:
    return "none" if value is None else str(value)
