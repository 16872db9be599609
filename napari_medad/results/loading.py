"""A detection read back from the files that `Detection.save` wrote."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_medad.errors import MedadError
from napari_medad.results.detection import Detection
from napari_medad.results.outputs import category
from napari_medad.results.run_record import RunRecord, sha256_of
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.nifti import read_nifti
from napari_medad.volumes.reader import read_study
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import AXES, Volume

RECORD = "_record.json"
NOT_MAPS = ("mask", "corrected", "provenance")


def load_detection(
    path: str | Path,
    *,
    source: str | Path | None = None,
    study: Study | None = None,
    record: RunRecord | None = None,
) -> Detection:
    """Read a detection that was saved with its run record.

    Maps are those that were saved, so findings are the same as then; only slice scores come
    from a table of six digits.

    Parameters
    ----------
    path : path
        The folder, or a *_record.json where it holds several detections.
    source : path, optional
        Where the scan lies now; default: where the record says.
    study : Study, optional
        The study itself, where it is open already.
    record : RunRecord, optional
        The record, where it was read already.

    Raises
    ------
    MedadError
        If record, maps or scan are missing or unreadable, or the scan is another one.
    """
    path = record_path(Path(path))
    record = record or RunRecord.read(path)
    stem = path.name.removesuffix(RECORD)
    if study is None:
        study = study_of(record, source)
        refuse_another(record, study)
    volume = study.volume(record.volume)
    maps = {}
    for file in sorted(path.parent.glob(f"{stem}_*.nii.gz")):
        name = file.name.removeprefix(f"{stem}_").removesuffix(".nii.gz")
        if name not in NOT_MAPS:
            maps[_map_name(name)] = _map(file, volume)
    if "anomaly" not in maps:
        raise MedadError(
            f"There is no {stem}_anomaly.nii.gz beside {path.name}; give the folder that the "
            "detection was saved into."
        )
    depth = volume.array.shape[AXES[record.axis]]
    table = _slices(path.with_name(f"{stem}_slices.csv"), depth)
    return Detection(
        study,
        record.detector,
        maps,
        table["score"],
        foreground_of(volume),
        record.threshold_value,
        record.minimum_ml,
        record,
        _named(table, category("").name),
        _named(table, "chance:"),
        {name: values > 0 for name, values in _named(table, "present:").items()},
    )


def record_path(path: Path) -> Path:
    """The one run record in a folder, or the file itself.

    Raises
    ------
    MedadError
        If there is none, or there are several.
    """
    if path.is_file():
        if not path.name.endswith(RECORD):
            raise MedadError(f"{path} is no run record; give a *{RECORD} or its folder.")
        return path
    if not path.is_dir():
        raise MedadError(f"There is no folder {path}; check the path.")
    found = sorted(path.glob(f"*{RECORD}"))
    if not found:
        raise MedadError(
            f"{path} holds no saved detection; give a folder that medad detect wrote into."
        )
    if len(found) > 1:
        names = ", ".join(p.name for p in found)
        raise MedadError(f"{path} holds {len(found)} detections ({names}); give one of the files.")
    return found[0]


def study_of(record: RunRecord, source: str | Path | None = None) -> Study:
    """What a run looked at, with its case and volume names, wherever it lies now.

    Parameters
    ----------
    record : RunRecord
    source : path, optional
        Where the scan lies now. Default: where the record says.

    Raises
    ------
    MedadError
        If it was never in a file, has gone or cannot be read.
    """
    frame = next((s.frame for s in record.sources if s.frame is not None), None)
    paths = {s.volume: s.path for s in record.sources if s.path is not None}
    if source is None and len(paths) < max(1, len(record.sources)):
        raise MedadError(
            f"The scan of {record.case or 'this detection'} was made in memory and never in a "
            "file; name a file of it, or keep a session instead."
        )
    where = source or record.input
    gone = next((p for p in ([where] if where else paths.values()) if not Path(p).exists()), None)
    if gone is not None:
        raise MedadError(
            f"The scan of {record.case or 'this detection'} is no longer at {gone}; put it back, "
            "or name its new place with --source."
        )
    study = read_study(where or paths, frame=frame)
    if len(study.volumes) == len(record.sources) == 1:  # named after a file that may have moved
        name, (volume,) = record.sources[0].volume, study.volumes.values()
        study = replace(study, volumes={name: volume}, reference=name)
    return replace(study, name=record.case or study.name)


def refuse_another(record: RunRecord, study: Study) -> None:
    """Raise where a file of the study is not the one that was looked at.

    Raises
    ------
    MedadError
        The sentence names the file.
    """
    for held in record.sources:
        source = study.volume(held.volume).source
        path = source.path if source else None
        if path is not None and held.sha256 not in (None, sha256_of(path)):
            raise MedadError(
                f"{path} is not the scan that was looked at (its sha256 differs); name the right "
                "one with --source, or detect again."
            )


def _map(path: Path, volume: Volume) -> np.ndarray:
    held = read_nifti(path)
    if not held.grid.same_as(volume.grid):
        raise MedadError(
            f"{path} does not lie on the voxels of the scan; open the scan it was made from."
        )
    return np.ascontiguousarray(held.array, np.float32)


def _map_name(name: str) -> str:
    """A map's name from that of its file, which cannot hold a colon."""
    prefix = category("").name
    written = prefix.replace(":", "-")
    return prefix + name.removeprefix(written) if name.startswith(written) else name


def _slices(path: Path, depth: int) -> dict[str, np.ndarray]:
    """Columns of the slice table as arrays [slices], NaN where a slice was skipped."""
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        names = [name for name in rows[0] if name != "slice"] if rows else []
        table = {name: np.full(depth, np.nan, np.float32) for name in ("score", *names)}
        for row in rows:
            for name in names:
                table[name][int(row["slice"])] = float(row[name])
    except (OSError, KeyError, ValueError, IndexError, TypeError) as error:
        raise MedadError(
            f"{path} cannot be read as the detection's slice table "
            f"({type(error).__name__}); save the detection again."
        ) from None
    return table


def _named(table: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): values
        for name, values in table.items()
        if name.startswith(prefix)
    }
