"""Maps and their truths in folders, paired by patient and read one at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_medad.errors import MedadError
from napari_medad.evaluation.case import MAP_ENDING, RECORD_ENDING, where_the_map_speaks
from napari_medad.evaluation.patients import EvaluationCase
from napari_medad.results.run_record import RunRecord
from napari_medad.volumes.nifti import read_labels
from napari_medad.volumes.reader import READERS, case_name, ending, read_volume
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

TRUTH_WORDS = re.compile(
    r"[-_. ](seg|segmentation|mask|truth|gt|label|labels|lesion|lesions|lesionmask)$", re.I
)
"""What the name of a mask ends in, after the patient's."""


@dataclass(frozen=True)
class MapFile:
    """One patient's anomaly map.

    Attributes
    ----------
    patient : str
    path : Path
    record : RunRecord or None
        Where `medad detect` wrote the map.
    """

    patient: str
    path: Path
    record: RunRecord | None = None


@dataclass(frozen=True)
class Pair:
    """A map and its truth, and where to count."""

    map: MapFile
    truth: Path
    mask: Path | None = None


@dataclass(frozen=True)
class Reading:
    """How truths and grids are taken.

    Attributes
    ----------
    labels : tuple of int
        Labels of the truth that are lesion; empty: all but 0.
    resample : bool
        Whether a map on other voxels than its truth is brought onto them, linearly.
    whole_grid : bool
        Whether air counts too, as in the zero-shot benchmark; else where the map is not 0,
        holes of each slice filled, and the lesions.
    """

    labels: tuple[int, ...] = ()
    resample: bool = False
    whole_grid: bool = False


AS_THEY_ARE = Reading()


def find_maps(source: Path, detector: str | None = None) -> list[MapFile]:
    """The maps in a folder and its subfolders, one of each patient.

    Files that `medad detect` wrote, where there are any; else every image. A patient's name is
    that of the run's case, or of the file.

    Raises
    ------
    MedadError
        If there is none, or several of one patient.
    """
    if not source.exists():
        raise MedadError(f"There is no {source}; check the path of the maps.")
    images = _images(source)
    written = [path for path in images if path.name.endswith(MAP_ENDING)]
    maps = [_map(path) for path in written or images]
    if detector is not None:
        maps = [m for m in maps if m.record is not None and m.record.detector == detector]
    if not maps:
        whose = f" of {detector}" if detector else ""
        raise MedadError(f"{source} holds no anomaly map{whose}; give what medad detect wrote.")
    for first, second in _twice(maps):
        both = {m.record.detector for m in (first, second) if m.record is not None}
        advice = (
            f"choose one with --detector ({', '.join(sorted(both))})"
            if len(both) > 1
            else "keep one of them"
        )
        raise MedadError(
            f"{first.path.name} and {second.path.name} are both of patient {first.patient}; "
            f"{advice}."
        )
    return maps


def find_pairs(maps: Sequence[MapFile], truth: Path, mask: Path | None = None) -> list[Pair]:
    """Each map with the truth of its patient, and the mask where a folder of them is given.

    A truth belongs to a patient when its file is called like the patient, with or without a
    word such as `_seg`, or lies in a folder called so.

    Raises
    ------
    MedadError
        If a map has no truth or no mask, or two files fit one patient.
    """
    pairs = []
    for found in maps:
        alone = len(maps) == 1
        own = _file_of(found.patient, truth, "truth", alone)
        inside = None if mask is None else _file_of(found.patient, mask, "mask", alone)
        pairs.append(Pair(found, own, inside))
    return pairs


def read_pair(pair: Pair, reading: Reading = AS_THEY_ARE) -> EvaluationCase:
    """A pair as a case, on the truth's voxels.

    Raises
    ------
    MedadError
        If a file cannot be read, grids differ, or the truth is no mask.
    """
    truth = _mask(pair.truth)
    scores = _on(truth, read_volume(pair.map.path), pair.map.path, pair.truth, reading.resample)
    lesion = lesion_of(truth.array, pair.truth, reading.labels)
    brain: np.ndarray = where_the_map_speaks(scores) | lesion
    counted = None if reading.whole_grid else brain
    if pair.mask is not None:
        mask = _on(truth, _mask(pair.mask), pair.mask, pair.truth, reading.resample)
        counted = mask > 0.5
    return EvaluationCase(
        pair.map.patient, scores.astype(np.float32), lesion, truth.spacing, counted, brain
    )


def lesion_of(values: np.ndarray, path: Path, labels: Sequence[int] = ()) -> np.ndarray:
    """What of a reference mask is lesion, [z, y, x] bool.

    Raises
    ------
    MedadError
        If the values are no labels, or none of the wanted labels can be one.
    """
    held = np.unique(values[values != 0])
    if held.size and not np.array_equal(held, np.rint(held)):
        raise MedadError(
            f"{path} is not a mask: it holds values such as {held[0]:.3g}; give labels, or cut it "
            "at a threshold first."
        )
    if not labels:
        return values != 0
    if held.size and not set(labels) & set(held.astype(int).tolist()):
        has = ", ".join(str(int(label)) for label in held[:8])
        wanted = ", ".join(map(str, labels))
        raise MedadError(f"{path} has no label {wanted}; it has {has}: choose with --label.")
    return np.isin(values, labels)


def on_grid_of(reference: Volume, volume: Volume, name: str) -> np.ndarray:
    """A volume's voxels on another's grid, [z, y, x], linearly interpolated.

    Raises
    ------
    MedadError
        If they do not overlap in space.
    """
    both = {"reference": reference, name: volume}
    return Study.from_volumes(name, both, reference="reference").volumes[name].array


def refuse_shared_patients(test: Iterable[str], validation: Iterable[str]) -> None:
    """Raise where a patient is in both parts: its truth would have chosen its own threshold."""
    shared = sorted(set(test) & set(validation))
    if shared:
        raise MedadError(
            f"Patient {shared[0]} is in the validation and in the test part"
            f"{f', and {len(shared) - 1} more' if len(shared) > 1 else ''}; a patient may be in "
            "one part only."
        )


def _mask(path: Path) -> Volume:
    """A mask as a volume; on a sheared grid its labels are taken from the nearest voxel."""
    volume = read_volume(path)
    source = volume.source
    nearest = source is not None and source.reader == "nifti" and source.grid.sheared
    return replace(volume, array=read_labels(path, volume)) if nearest else volume


def _on(truth: Volume, volume: Volume, path: Path, truth_path: Path, resample: bool) -> np.ndarray:
    if volume.grid.same_as(truth.grid):
        return volume.array
    if not resample:
        raise MedadError(
            f"{path} and {truth_path} do not lie on the same voxels; bring one onto the other, or "
            "add --resample."
        )
    return on_grid_of(truth, volume, path.name)


def _map(path: Path) -> MapFile:
    record = path.with_name(path.name.removesuffix(MAP_ENDING) + RECORD_ENDING)
    if path.name.endswith(MAP_ENDING) and record.is_file():
        held = RunRecord.read(record)
        return MapFile(held.case or case_name(path), path, held)
    return MapFile(case_name(path).removesuffix("_anomaly"), path)


def _images(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    return sorted(p for p in folder.rglob("*") if p.is_file() and ending(p) in READERS)


def _file_of(patient: str, source: Path, what: str, alone: bool) -> Path:
    if source.is_file() and alone:
        return source
    if not source.is_dir():
        raise MedadError(f"There is no folder {source}; check the path of the {what}s.")
    names = {path: TRUTH_WORDS.sub("", case_name(path)) for path in _images(source)}
    fitting = [path for path, name in names.items() if name == patient]
    if not fitting:
        within = [path for path in names if path.parent.name == patient]
        fitting = [p for p in within if TRUTH_WORDS.search(case_name(p))] or within
    if len(fitting) > 1:
        raise MedadError(
            f"{fitting[0]} and {fitting[1]} are both a {what} of patient {patient}; keep one."
        )
    if not fitting:
        raise MedadError(
            f"{source} holds no {what} of patient {patient}; call it {patient}.nii.gz or "
            f"{patient}_seg.nii.gz."
        )
    return fitting[0]


def _twice(items: Sequence[MapFile]) -> Iterator[tuple[MapFile, MapFile]]:
    seen: dict[str, MapFile] = {}
    for item in items:
        if item.patient in seen:
            yield seen[item.patient], item
        seen[item.patient] = item
