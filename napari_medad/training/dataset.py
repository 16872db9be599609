"""Examples to learn from: a folder's images, a manifest's rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_medad.detectors.recipe import Example
from napari_medad.errors import MedadError
from napari_medad.training.manifest import ENDINGS, read_manifest
from napari_medad.volumes.modality import is_scan, modality_of
from napari_medad.volumes.reader import READERS, case_name, ending
from napari_medad.volumes.volume import Volume


def examples_from(data: str | Path, *, test: bool = False) -> tuple[Example, ...]:
    """The examples of a folder or a manifest; with `test`, those of a manifest to test on.

    A folder with images holds one task, called like the folder. Otherwise each sub-folder
    is a task with its images; a sub-folder that is one patient's study (DICOM files, or
    volumes of different modalities) is one image. Files named like masks are left out.

    Raises
    ------
    MedadError
        If there is nothing, or a row is wrong; the sentence names the file and the row.
    """
    path = Path(data).expanduser()
    if not path.exists():
        raise MedadError(f"There is no file or folder {path}; check the path.")
    if path.is_dir():
        found = _folder(path)
    elif path.suffix.lower() in ENDINGS:
        found = read_manifest(path, test=test)
    elif ending(path) in READERS:
        found = (Example(path, task=case_name(path)),)
    else:
        raise MedadError(f"{path} is no manifest; give a .csv or .json file, or a folder.")
    if not found:
        raise MedadError(f"There are no images in {path}; give a folder or manifest with some.")
    return found


def empty_images(
    examples: Sequence[Example], look: Callable[[int, int], None] | None = None
) -> list[int]:
    """Numbers of the examples whose image shows nothing: constant, or no finite voxel.

    Reads every image once, so that what is unreadable is found now and not hours later.

    Parameters
    ----------
    examples : sequence of Example
    look : callable, optional
        Takes how many were looked at and how many there are; may raise to cancel.

    Raises
    ------
    MedadError
        If an image cannot be read; the sentence names it.
    """
    empty = []
    for number, example in enumerate(examples):
        if look is not None:
            look(number, len(examples))
        array = example.study().volume().array
        values = array[np.isfinite(array)] if array.dtype.kind == "f" else array
        if values.size == 0 or values.min() == values.max():
            empty.append(number)
    return empty


def fingerprint(examples: Sequence[Example]) -> str:
    """Checksum of what the examples are, so that a resumed run can tell others apart."""
    digest = hashlib.sha256()
    for e in examples:
        row = (_image(e.image), e.task, e.label, _image(e.mask), _image(e.refined), e.held_out)
        weighed = () if e.importance is None else (_image(e.importance),)
        labels = sorted((e.slices or {}).items())
        named = (e.axis, sorted(e.categories.items())) if e.categories is not None else ()
        told = (e.report, e.study_class) if e.report or e.study_class else ()
        framed = () if e.frame is None else ("frame", e.frame)
        digest.update(repr((*row, labels, *named, *weighed, *told, *framed)).encode())
    return digest.hexdigest()


def _image(image: Path | Volume | np.ndarray | None) -> str:
    if image is None or isinstance(image, Path):
        return str(image)
    array = image.array if isinstance(image, Volume) else image
    voxels: Any = np.ascontiguousarray(array)  # hashed without a copy
    return hashlib.sha256(voxels).hexdigest()


def _folder(path: Path) -> tuple[Example, ...]:
    files = _images(path)
    if files:
        return tuple(Example(file, task=path.resolve().name) for file in files)
    found: list[Example] = []
    for folder in _folders(path):
        inside = _images(folder)
        if _is_study(folder, inside):
            found.append(Example(folder, task=path.resolve().name))
            continue
        images = [*inside, *(f for f in _folders(folder) if _is_study(f, _images(f)))]
        found += [Example(image, task=folder.name) for image in images]
    return tuple(found)


def _folders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))


def _images(path: Path) -> list[Path]:
    """Scans directly in a folder, in the order of their names."""
    return sorted(
        p
        for p in path.iterdir()
        if p.is_file()
        and not p.name.startswith(".")
        and ending(p) in READERS
        and ending(p) != ".img"
        and is_scan(case_name(p))
    )


def _is_study(folder: Path, images: Sequence[Path]) -> bool:
    """Whether a folder holds one patient: a DICOM series, or volumes of known modalities."""
    if not images:
        return any(p.suffix.lower() in (".dcm", ".ima") for p in folder.iterdir())
    kinds = [modality_of(case_name(image)) for image in images]
    return len(images) > 1 and None not in kinds and len(set(kinds)) == len(kinds)
