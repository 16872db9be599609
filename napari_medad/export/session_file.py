"""A session as one folder or zip: saved here, opened anywhere."""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from napari_medad.atomic import replacing, replacing_files
from napari_medad.corrections.correction import Correction
from napari_medad.corrections.files import load_correction, save_correction
from napari_medad.errors import MedadError
from napari_medad.export.archive import pack, unpack
from napari_medad.export.session_record import (
    MANIFEST,
    DetectionEntry,
    SessionRecord,
    ShotEntry,
    SourceEntry,
    StudyEntry,
    VolumeEntry,
)
from napari_medad.inference.progress import Callback, Reporter
from napari_medad.results.detection import Detection
from napari_medad.results.loading import load_detection, refuse_another
from napari_medad.training.support import Shot
from napari_medad.volumes.reader import read_study
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Source, Volume


@dataclass(frozen=True, eq=False)
class SavedSession:
    """What a session is made of.

    Attributes
    ----------
    studies : tuple of Study
    detections : tuple of Detection
    corrections : tuple of Correction
        Those that go on, of some of the detections.
    shots : tuple of Shot
        The support set.
    current : Detection or None
    settings : mapping
        What docks were set to; plain values.
    screen : mapping
        Camera, slice and how layers are shown; plain values.
    """

    studies: tuple[Study, ...] = ()
    detections: tuple[Detection, ...] = ()
    corrections: tuple[Correction, ...] = ()
    shots: tuple[Shot, ...] = ()
    current: Detection | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    screen: Mapping[str, Any] = field(default_factory=dict)


def save_session(
    held: SavedSession,
    path: str | Path,
    *,
    with_scans: bool = True,
    progress: Callback | None = None,
) -> Path:
    """Write a session.

    Parameters
    ----------
    held : SavedSession
    path : path
        A name that ends in .zip, or a folder.
    with_scans : bool
        Whether the scans themselves come along. Without, those that lie in files are named only,
        by path; scans made in memory always come along.
    progress : callable, optional

    Raises
    ------
    MedadError
        If it cannot be written.
    Cancelled
        If `progress` answered "stop".
    """
    path = Path(path).expanduser()
    count = len(held.studies) + len(held.detections) + 1
    report = Reporter(progress, count, "parts")
    report(0)
    if path.suffix.lower() != ".zip":
        with replacing_files(path) as parts:
            _write(held, parts, path, with_scans, report)
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=path.parent) as staging:
            _write(held, Path(staging), path.parent, with_scans, report)
            pack(Path(staging), path, partial(report, count - 1))
    except OSError as error:
        raise MedadError(
            f"{path} was not written: {error.strerror or error}; free space or choose another "
            "folder."
        ) from None
    return path


def open_session(path: str | Path, *, progress: Callback | None = None) -> SavedSession:
    """Read a session that `save_session` wrote, here or elsewhere.

    Raises
    ------
    MedadError
        If it is no session, is damaged, climbs out of its folder or is of a newer version, or
        a scan that it only names has gone or changed.
    Cancelled
        If `progress` answered "stop".
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise MedadError(f"There is no session {path}; check the path.")
    report = Reporter(progress, 1, "parts")
    report(0)
    if path.is_dir():
        return _read(path, path, path, report)
    with tempfile.TemporaryDirectory(prefix="medad-session-") as folder:
        unpack(path, Path(folder), partial(report, 0))
        return _read(Path(folder), path, path.parent, report)


def is_session(path: str | Path) -> bool:
    """Whether a path looks like a saved session: a zip, or a folder with its JSON."""
    path = Path(path)
    return path.suffix.lower() == ".zip" or (path / MANIFEST).is_file()


# Writing ------------------------------------------------------------------------------------


def _write(
    held: SavedSession, folder: Path, home: Path, with_scans: bool, report: Reporter
) -> None:
    entries: list[StudyEntry] = []
    places: dict[int, tuple[str, str]] = {}
    for number, study in enumerate(held.studies):
        report(number)
        entry, files = _study_entry(study, folder, f"studies/{number}", home, with_scans, report)
        entries.append(entry)
        places |= files
    corrections = {id(c.detection.maps): c for c in held.corrections}
    detections = []
    for number, detection in enumerate(held.detections):
        report(len(held.studies) + number)
        where = f"detections/{number}"
        on_display = replace(detection, study=_on_display(detection.study))
        on_display.save(folder / where)
        correction = corrections.get(id(detection.maps))
        if correction is not None:
            save_correction(_on(on_display, correction), folder / where)
        detections.append(
            DetectionEntry(
                study=detection.study.name, folder=where, corrected=correction is not None
            )
        )
    record = SessionRecord(
        studies=entries,
        detections=detections,
        shots=[_shot_entry(shot, n, folder, places) for n, shot in enumerate(held.shots)],
        current=_index_of(held),
        settings=dict(held.settings),
        screen=dict(held.screen),
    )
    with replacing(folder / MANIFEST) as part:
        part.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")


def _study_entry(
    study: Study, folder: Path, where: str, home: Path, with_scans: bool, report: Reporter
) -> tuple[StudyEntry, dict[int, tuple[str, str]]]:
    """A study's entry, and which study and volume each array belongs to."""
    volumes = {}
    for number, (name, volume) in enumerate(study.volumes.items()):
        report(report.done)
        assert volume.source is not None
        kept = with_scans or volume.source.path is None
        volumes[name] = _volume_entry(volume, folder, f"{where}/{number}.npz" if kept else None)
    path = None if study.path is None else str(study.path.absolute())
    beside = None if path is None else _relative(path, home)
    entry = StudyEntry(
        name=study.name, reference=study.reference, path=path, beside=beside, volumes=volumes
    )
    return entry, {id(v.array): (study.name, n) for n, v in study.volumes.items()}


def _volume_entry(volume: Volume, folder: Path, file: str | None) -> VolumeEntry:
    assert volume.source is not None
    if file is not None:
        arrays: dict[str, Any] = {"array": volume.array}
        if volume.rgb is not None:
            arrays["rgb"] = volume.rgb
        with replacing(folder / file) as part, part.open("wb") as stream:
            np.savez_compressed(stream, **arrays)
    return VolumeEntry(
        file=file,
        modality=volume.modality,
        affine=volume.affine.tolist(),
        source=SourceEntry.of(volume.source),
    )


def _shot_entry(
    shot: Shot, number: int, folder: Path, places: Mapping[int, tuple[str, str]]
) -> ShotEntry:
    study, volume = places.get(id(shot.volume.array), (None, None))
    return ShotEntry(
        study=study,
        volume=volume or _volume_entry(shot.volume, folder, f"shots/{number}.npz"),
        name=shot.name,
        index=shot.index,
        categories=shot.categories,
        axis=shot.axis,
    )


def _index_of(held: SavedSession) -> int | None:
    maps = [id(d.maps) for d in held.detections]
    return maps.index(id(held.current.maps)) if held.current is not None else None


def _on_display(study: Study) -> Study:
    """The study with its display grid for a source, on which images are written exactly."""
    volumes = {
        name: replace(volume, source=Source(None, volume.grid))
        for name, volume in study.volumes.items()
    }
    return replace(study, volumes=volumes)


def _on(detection: Detection, correction: Correction) -> Correction:
    """The same correction of the same detection on another grid of files."""
    return Correction(
        detection,
        correction.labels,
        correction.provenance,
        correction.categories,
        correction.log,
    )


def _relative(path: str, home: Path) -> str | None:
    try:
        return Path(os.path.relpath(path, home.absolute())).as_posix()
    except ValueError:  # on another drive
        return None


# Reading ------------------------------------------------------------------------------------


def _read(folder: Path, where: Path, home: Path, report: Reporter) -> SavedSession:
    record = SessionRecord.read(folder, where)
    report.total = max(1, len(record.studies) + len(record.detections))
    try:
        studies = {}
        named = {s.name for s in record.studies if any(not v.file for v in s.volumes.values())}
        for number, entry in enumerate(record.studies):
            report(number)
            studies[entry.name] = _study(entry, folder, home, where)
        detections, corrections = [], []
        for number, held in enumerate(record.detections):
            report(len(studies) + number)
            study, by_name = studies[held.study], held.study in named
            detection, correction = _detection(held, study, by_name, folder, where)
            detections.append(detection)
            corrections += [correction] if correction is not None else []
        shots = tuple(_shot(entry, studies, folder, where) for entry in record.shots)
        current = None if record.current is None else detections[record.current]
    except (
        *(OSError, ValidationError, KeyError, IndexError, EOFError, AssertionError),
        *(zipfile.BadZipFile, zlib.error),
    ) as error:
        raise _damaged(where, error) from None
    except ValueError as error:
        if isinstance(error, MedadError):
            raise
        raise _damaged(where, error) from None
    report(report.total)
    return SavedSession(
        tuple(studies.values()),
        tuple(detections),
        tuple(corrections),
        shots,
        current,
        record.settings,
        record.screen,
    )


def _damaged(where: Path, error: Exception) -> MedadError:
    told = str(error).splitlines()[0] if str(error) else type(error).__name__
    return MedadError(f"{where} is a damaged session ({told}); save it again, or copy it again.")


def _study(entry: StudyEntry, folder: Path, home: Path, where: Path) -> Study:
    named = [name for name, volume in entry.volumes.items() if volume.file is None]
    read = _named_study(entry, home, where) if named else None
    volumes = {
        name: read.volume(name)
        if read is not None and held.file is None
        else _volume(held, folder, where)
        for name, held in entry.volumes.items()
    }
    path = None if entry.path is None else Path(entry.path)
    return Study(entry.name, volumes, entry.reference, path)


def _named_study(entry: StudyEntry, home: Path, where: Path) -> Study:
    """A study that the session names by path only."""
    frames = {held.source.frame for held in entry.volumes.values()} - {None}
    frame = frames.pop() if frames else None
    if entry.path is None:
        sources = {n: v.source.path for n, v in entry.volumes.items() if v.source.path}
        gone = next((p for p in sources.values() if not Path(p).exists()), None)
        if gone is None:
            return read_study(sources, frame=frame, reference=entry.reference)
        raise MedadError(_gone(entry.name, gone, where))
    beside = None if entry.beside is None else home / entry.beside
    for path in (Path(entry.path), beside):
        if path is not None and path.exists():
            study = read_study(path, frame=frame)
            if len(study.volumes) == len(entry.volumes) == 1:
                (volume,) = study.volumes.values()
                study = replace(study, volumes=dict.fromkeys(entry.volumes, volume))
            return study
    raise MedadError(_gone(entry.name, entry.path, where))


def _gone(name: str, path: str, where: Path) -> str:
    return (
        f"{where} names the scan of {name} at {path}, where it is no longer; put it back, or "
        "save the session again with its scans."
    )


def _volume(entry: VolumeEntry, folder: Path, where: Path) -> Volume:
    assert entry.file is not None
    with np.load(_inside(folder, entry.file, where), allow_pickle=False) as held:
        arrays = {name: held[name] for name in held.files}
    return Volume(
        arrays["array"],
        np.array(entry.affine, float),
        entry.modality,
        entry.source.source(),
        arrays.get("rgb"),
    )


def _detection(
    entry: DetectionEntry, study: Study, named: bool, folder: Path, where: Path
) -> tuple[Detection, Correction | None]:
    place = _inside(folder, entry.folder, where)
    found = load_detection(place, study=_on_display(study))
    correction = load_correction(found, place) if entry.corrected else None
    if named:
        refuse_another(found.record, study)
    detection = replace(found, study=study)
    if correction is not None:
        correction.detection = detection
    return detection, correction


def _shot(entry: ShotEntry, studies: Mapping[str, Study], folder: Path, where: Path) -> Shot:
    if isinstance(entry.volume, VolumeEntry):
        volume = _volume(entry.volume, folder, where)
    else:
        volume = studies[entry.study or ""].volume(entry.volume)
    return Shot(volume, entry.name, entry.index, tuple(entry.categories), entry.axis)


def _inside(folder: Path, name: str, where: Path) -> Path:
    """A path of the session's JSON, which may not lead out of its folder."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise MedadError(
            f"{where} points outside its own folder ('{name}') and was not opened; get it from "
            "somebody you trust."
        )
    return path
