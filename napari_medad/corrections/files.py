"""A correction as files beside its detection's: mask, provenance, table and log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_medad.atomic import replacing, replacing_files
from napari_medad.corrections.correction import Correction
from napari_medad.corrections.provenance import Provenance
from napari_medad.errors import MedadError
from napari_medad.results.detection import Detection
from napari_medad.results.files import FINDING_COLUMNS, write_csv
from napari_medad.results.run_record import SourceRecord
from napari_medad.volumes import large_array
from napari_medad.volumes.nifti import read_labels, write_nifti

FORMAT = 1
ENDINGS = ("corrected.nii.gz", "provenance.nii.gz", "corrected_findings.csv", "correction.json")
OUT_OF_STEP = 5
"""How often a mask that changes while it is read is read again."""


class CorrectionLog(BaseModel):
    """The JSON of a correction: on which detection it was made, and what was done."""

    model_config = ConfigDict(extra="forbid")
    format: int = FORMAT
    case: str
    detector: str
    volume: str
    shape: tuple[int, int, int]
    """Of the mask [z, y, x] in display orientation."""
    affine: list[list[float]]
    """From display index (x, y, z) to RAS mm."""
    sources: list[SourceRecord] = Field(default_factory=list)
    run_started: str = ""
    threshold: float = 0.0
    categories: dict[int, str] = Field(default_factory=dict)
    provenance: dict[str, int] = Field(
        default_factory=lambda: {p.name: p.value for p in Provenance}
    )
    steps: list[dict[str, Any]] = Field(default_factory=list)
    """What was done, oldest first, undone steps included."""

    @classmethod
    def of(cls, correction: Correction) -> CorrectionLog:
        """What there is to say of a correction."""
        detection, grid = correction.detection, correction.volume.grid
        return cls(
            case=detection.study.name,
            detector=detection.detector,
            volume=detection.record.volume,
            shape=correction.labels.shape,
            affine=grid.affine.tolist(),
            sources=detection.record.sources,
            run_started=detection.record.started,
            threshold=detection.threshold,
            categories=dict(correction.categories),
            steps=list(correction.log),
        )

    @classmethod
    def parse(cls, text: str, path: Path) -> CorrectionLog:
        """Read it from JSON.

        Raises
        ------
        MedadError
            If it is none, or of a newer version.
        """
        try:
            held = json.loads(text)
            if isinstance(held, dict) and held.get("format", 0) > FORMAT:
                raise MedadError(
                    f"{path} was written by a newer napari-medad; update it to open this."
                )
            return cls.model_validate(held)
        except (json.JSONDecodeError, ValidationError, TypeError) as error:
            raise MedadError(
                f"{path} is not the log of a correction ({str(error).splitlines()[0]}); give a "
                "*_correction.json."
            ) from None

    def refuse_another(self, detection: Detection, path: Path) -> None:
        """Raise where the correction was not made on this detection's scan.

        Raises
        ------
        MedadError
            If case, detector, grid or the scan's file is another; one sentence says which.
        """
        ours = detection.volume.grid
        theirs = np.array(self.affine)
        if tuple(self.shape) != detection.mask.shape or not np.allclose(
            theirs, ours.affine, atol=1e-3
        ):
            raise MedadError(
                f"{path} was made on another grid ({_times(self.shape)} voxels, this scan has "
                f"{_times(detection.mask.shape)}); open the scan that it was made on."
            )
        if (self.case, self.detector) != (detection.study.name, detection.detector):
            raise MedadError(
                f"{path} corrects {self.detector} on {self.case}, not {detection.detector} on "
                f"{detection.study.name}; show that detection first."
            )
        held = {s.volume: s.sha256 for s in self.sources if s.sha256}
        for source in detection.record.sources:
            if source.sha256 and held.get(source.volume, source.sha256) != source.sha256:
                raise MedadError(
                    f"{path} was made on another file of '{source.volume}' (its sha256 differs); "
                    "open the scan that it was made on."
                )


def refuse_moved(detection: Detection) -> None:
    """Raise where a study's file is no longer where it was read.

    Raises
    ------
    MedadError
        The sentence names the file and what to do.
    """
    for volume in detection.study.volumes.values():
        path = volume.source.path if volume.source else None
        if path is not None and not path.exists():
            raise MedadError(
                f"{path} is no longer where the scan was read from, so its correction could not "
                "be kept with it; move it back, or open it from its new place and detect again."
            )


def correction_files(detection: Detection, folder: str | Path) -> list[Path]:
    """Where a detection's correction lies in a folder: mask, provenance, findings, log."""
    stem = f"{detection.study.name}_{detection.detector}"
    return [Path(folder) / f"{stem}_{ending}" for ending in ENDINGS]


def save_correction(correction: Correction, folder: str | Path) -> list[Path]:
    """Write a correction into a folder, that of the detection's files for choice.

    For a study called CASE and a detector NAME: `CASE_NAME_corrected.nii.gz` (uint8 or uint16,
    findings by id) and `CASE_NAME_provenance.nii.gz` (uint8, see `Provenance`), both on the
    source's voxels, `CASE_NAME_corrected_findings.csv` and `CASE_NAME_correction.json`. All
    appear together or none; the log comes last.

    Raises
    ------
    MedadError
        If a file cannot be written.
    """
    folder = Path(folder)
    written = correction_files(correction.detection, folder)
    few = max(correction.ids, default=0) <= 255
    with replacing_files(folder) as parts:
        mask, provenance, table, log = (parts / path.name for path in written)
        labels = correction.labels.astype(np.uint8 if few else np.uint16)
        write_nifti(labels, correction.volume, mask, labels=True)
        write_nifti(correction.provenance, correction.volume, provenance, labels=True)
        write_csv(
            table, [*FINDING_COLUMNS, "state"], (finding.row() for finding in correction.findings)
        )
        with replacing(log) as part:
            part.write_text(
                CorrectionLog.of(correction).model_dump_json(indent=2) + "\n", encoding="utf-8"
            )
    return written


def load_correction(detection: Detection, folder: str | Path) -> Correction:
    """Read a detection's correction from the folder that `save_correction` wrote into.

    Raises
    ------
    MedadError
        If a file is missing or unreadable, or the correction was made on another scan, grid
        or detection.
    """
    mask, provenance, _, log = correction_files(detection, folder)
    for path in (log, mask, provenance):
        if not path.is_file():
            raise MedadError(
                f"There is no {path.name} in {folder}; choose the folder that the correction "
                "was saved into."
            )
    held = CorrectionLog.parse(log.read_text(encoding="utf-8"), log)
    held.refuse_another(detection, log)
    kinds = read_labels(provenance, detection.volume)
    if kinds.size and kinds.max() > max(Provenance):
        raise MedadError(f"{provenance} holds values that no provenance has; save it again.")
    read = read_labels(mask, detection.volume)
    return Correction(
        detection, _own(read, np.uint16), _own(kinds, np.uint8), held.categories, held.steps
    )


def save_recovery(correction: Correction, path: str | Path) -> int:
    """Write what is needed to go on after a crash, quickly; may run in a thread.

    Only voxels that somebody spoke of are written, so it takes a fraction of a second on
    large scans.

    Returns
    -------
    int
        The `revision` that was written.

    Raises
    ------
    MedadError
        If the file cannot be written.
    """
    for _ in range(OUT_OF_STEP):
        revision = correction.revision
        where, labels, kinds = _spoken_of(correction)
        log = CorrectionLog.of(correction).model_dump_json()
        if correction.revision == revision:
            break
    with replacing(path) as part, part.open("wb") as stream:
        np.savez(stream, where=where, labels=labels, provenance=kinds, log=np.array(log))
    return revision


def _spoken_of(correction: Correction) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flat positions, labels and provenance of all voxels but background.

    Plane by plane, so that another thread never waits long; of copies, since it may paint.
    """
    parts = []
    size = correction.labels[0].size
    for z, (labels, kinds) in enumerate(zip(correction.labels, correction.provenance, strict=True)):
        kinds = kinds.ravel().copy()
        inside = np.flatnonzero(kinds)
        parts.append((inside + z * size, labels.ravel()[inside], kinds[inside]))
    where, labels, kinds = (np.concatenate(column) for column in zip(*parts, strict=True))
    return where, labels, kinds


def load_recovery(detection: Detection, path: str | Path) -> Correction:
    """Read what `save_recovery` wrote.

    Raises
    ------
    MedadError
        As `load_correction`.
    """
    path = Path(path)
    with _readable(path), np.load(path, allow_pickle=False) as held:
        log = CorrectionLog.parse(str(held["log"]), path)
        log.refuse_another(detection, path)
        shape = detection.mask.shape
        labels, provenance = (large_array.zeros(shape, kind) for kind in (np.uint16, np.uint8))
        labels.reshape(-1)[held["where"]] = held["labels"]
        provenance.reshape(-1)[held["where"]] = held["provenance"]
    return Correction(detection, labels, provenance, log.categories, log.steps)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what a missing or damaged recovery file raises into a sentence."""
    try:
        yield
    except MedadError:
        raise
    except (OSError, ValueError, KeyError, IndexError, EOFError) as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MedadError(
            f"{path} cannot be recovered ({told}); start the correction anew."
        ) from None


def _own(values: np.ndarray, kind: type[np.generic]) -> np.ndarray:
    """A contiguous, writable copy."""
    own = large_array.zeros(values.shape, kind)
    np.copyto(own, values, casting="unsafe")
    return own


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
