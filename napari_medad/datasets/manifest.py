"""A dataset as a manifest, which detectors are trained and measured with."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from napari_medad.atomic import replacing
from napari_medad.datasets.dataset import PICTURE, TRAIN, Dataset, DatasetCase
from napari_medad.datasets.facts import facts
from napari_medad.errors import MedadError
from napari_medad.inference.progress import Callback, Reporter
from napari_medad.volumes.modality import is_scan
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.reader import READERS, case_name, ending
from napari_medad.volumes.study import REFERENCE_ORDER, Study

COLUMNS = (
    *("image", "frame", "mask", "task", "label", "axis", "slice", "categories"),
    *("class", "split", "patient"),
)
SPLITS = {"validation": "held-out"}
LABELS = {True: "1", False: "0", None: ""}


@dataclass(frozen=True)
class WrittenManifest:
    """What was written.

    Attributes
    ----------
    path : Path
    rows : int
    masks : Path or None
        Folder of masks that were made of boxes or of several masks.
    notes : tuple of str
        Cases whose mask could not be made, one sentence each.
    """

    path: Path
    rows: int
    masks: Path | None
    notes: tuple[str, ...]


def write_manifest(
    dataset: Dataset,
    path: str | Path,
    *,
    volume: str | None = None,
    normal_only: bool = False,
    progress: Callback | None = None,
) -> WrittenManifest:
    """Write a dataset as a manifest for `medad train --data`.

    Rows of the validation part are held out, those of the test part are never learned from.
    Masks that are boxes or several files are made into one file each, in a folder beside the
    manifest; scans whose slices have labels of their own become one row a slice, without masks.
    A study of several volumes is its folder, or without one its volume `volume`.

    Parameters
    ----------
    dataset : Dataset
    path : path
        A .csv file.
    volume : str, optional
        The volume of a study to take; by default all of them where they have a folder of their
        own, else the first of FLAIR, T1 with contrast, T2 and T1.
    normal_only : bool
        Leave out abnormal images to learn from, for detectors that learn what is normal.
    progress : callable, optional

    Raises
    ------
    MedadError
        If the ending is not .csv, a study lacks the volume, or a file cannot be written.
    Cancelled
    """
    path = Path(path).expanduser()
    if path.suffix.lower() != ".csv":
        raise MedadError(f"{path} must end in .csv; a manifest is a table.")
    writer = _Writer(dataset, path.absolute(), volume)
    cases = [c for c in dataset.cases if not (normal_only and _taught(c) and c.abnormal)]
    if not cases:
        raise MedadError(f"{dataset.folder} holds no normal image to learn from.")
    report = Reporter(progress, len(cases), "cases")
    rows = []
    for number, case in enumerate(cases, 1):
        rows += list(writer.rows(case))
        report(number)
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, COLUMNS)
        table.writeheader()
        table.writerows(rows)
    made = any(Path(str(row.get("mask", ""))).parent == writer.masks for row in rows)
    return WrittenManifest(path, len(rows), writer.masks if made else None, tuple(writer.notes))


def _taught(case: DatasetCase) -> bool:
    return case.split in ("", TRAIN)


def _told(labels: Sequence[str], number: int = 0) -> dict[str, object]:
    return {"axis": "axial", "slice": number, "categories": "; ".join(labels) or "normal"}


@dataclass
class _Writer:
    dataset: Dataset
    path: Path
    volume: str | None
    notes: list[str] = field(default_factory=list)

    @property
    def masks(self) -> Path:
        return self.path.with_name(f"{self.path.stem}-masks")

    def rows(self, case: DatasetCase) -> Iterator[dict[str, object]]:
        """One row, or one a slice where slices have labels of their own."""
        image, frame = self._image(case)
        whole = {
            "image": image.absolute(),
            "frame": "" if frame is None else frame,
            "task": facts()[self.dataset.layout].task,
            "label": LABELS[case.abnormal],
            "class": case.labels[0] if len(case.labels) == 1 else "",
            "split": SPLITS.get(case.split, case.split),
            "patient": case.patient,
        }
        if case.slices is not None:
            for number, labels in case.slices.items():
                yield {**whole, "label": LABELS[bool(labels)], **_told(labels, number)}
            return
        picture = _told(case.labels) if PICTURE in case.images else {}
        yield {**whole, "mask": self._mask(case) or "", **picture}

    def _image(self, case: DatasetCase) -> tuple[Path, int | None]:
        if self.volume is None and len(set(case.images.values())) > 1:
            folders = {path.parent for path in case.images.values()}
            folder = next(iter(folders))
            if len(folders) == 1 and _scans(folder) == set(case.images.values()):
                return folder, None
        wanted = self.volume or next((v for v in REFERENCE_ORDER if v in case.images), None)
        wanted = wanted or next(iter(case.images))
        if wanted not in case.images:
            has = ", ".join(case.images)
            raise MedadError(f"{case.name} has no volume '{wanted}'; it has {has}.")
        return case.images[wanted], case.frames.get(wanted)

    def _mask(self, case: DatasetCase) -> Path | None:
        if len(case.masks) == 1:
            return case.masks[0].absolute()
        if not case.masks and not case.boxes:
            return None
        try:
            study = case.study()
            truth = case.truth(study)
        except MedadError as error:
            self.notes.append(f"{case.name} has no mask in the manifest: {error}")
            return None
        assert truth is not None
        return _written(truth, study, self.masks / case.name)


def _written(truth: np.ndarray, study: Study, stem: Path) -> Path:
    """A mask as PNG where it is of a picture, else as NIfTI on the voxels of the image."""
    volume = study.volume()
    assert volume.source is not None
    if volume.source.reader == "picture":
        path = stem.with_name(f"{stem.name}.png")
        with replacing(path) as part:
            Image.fromarray(truth[0].astype(np.uint8) * 255).save(part)
        return path
    path = stem.with_name(f"{stem.name}.nii.gz")
    write_nifti(truth, volume, path, labels=True)
    return path


def _scans(folder: Path) -> set[Path]:
    known = (p for p in folder.iterdir() if ending(p) in READERS and not p.name.startswith("."))
    return {p for p in known if is_scan(case_name(p))}
