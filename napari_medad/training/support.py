"""Shots: a few slices that a user has named, to learn from."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from skimage.transform import resize

from napari_medad.atomic import replacing
from napari_medad.detectors.recipe import Example
from napari_medad.errors import MedadError
from napari_medad.training.manifest import read_manifest
from napari_medad.volumes.volume import AXES, Volume

COLUMNS = ("image", "axis", "slice", "categories")
NORMAL = "normal"


@dataclass(frozen=True, eq=False)
class Shot:
    """One slice of a volume and what it shows.

    Attributes
    ----------
    volume : Volume
    name : str
        Of the volume, for the reader: "patient · t2f".
    index : int
        Of the slice, along `axis`.
    categories : tuple of str
        Its abnormalities; () is normal.
    axis : {"axial", "coronal", "sagittal"}

    Raises
    ------
    MedadError
        If the volume has no such slice.
    """

    volume: Volume
    name: str
    index: int
    categories: tuple[str, ...] = ()
    axis: str = "axial"

    def __post_init__(self) -> None:
        depth = self.volume.array.shape[AXES[self.axis]]
        if not 0 <= self.index < depth:
            raise MedadError(
                f"{self.name} has no {self.axis} slice {self.index}, only 0 to {depth - 1}; "
                "correct its number."
            )

    @property
    def path(self) -> Path | None:
        """The file of its volume; None where that was made in memory."""
        path = self.volume.source.path if self.volume.source else None
        return None if path is None else path.resolve()

    def same_slice(self, other: Shot) -> bool:
        """Whether both are of one slice."""
        if None in (self.path, other.path):
            same = self.volume is other.volume or self.name == other.name
        else:
            same = self.path == other.path
        return same and (self.index, self.axis) == (other.index, other.axis)

    def pixels(self) -> np.ndarray:
        """The slice [h, w], or [h, w, 3] uint8 of a colour source."""
        source = self.volume.array if self.volume.rgb is None else self.volume.rgb
        return np.take(source, self.index, axis=AXES[self.axis])

    def thumbnail(self, side: int) -> np.ndarray:
        """The slice in true proportions within a square [side, side, 3] uint8."""
        pixels = self.pixels()
        if self.volume.rgb is None:
            pixels = np.nan_to_num(pixels.astype(np.float32), posinf=0, neginf=0)
            low, high = np.percentile(pixels, (1, 99.5))
            pixels = ((pixels - low) / max(high - low, 1e-6)).clip(0, 1)[..., None].repeat(3, -1)
        else:
            pixels = pixels / 255
        spacing = np.delete(np.array(self.volume.spacing), AXES[self.axis])
        extent = np.array(pixels.shape[:2]) * spacing
        height, width = np.maximum(1, np.round(extent / extent.max() * side).astype(int))
        small = resize(pixels, (height, width, 3), order=1, anti_aliasing=True)
        whole = np.zeros((side, side, 3), np.uint8)
        top, left = (side - height) // 2, (side - width) // 2
        whole[top : top + height, left : left + width] = (small * 255).round()
        return whole

    def example(self) -> Example:
        """As training takes it."""
        return Example(
            self.volume,
            label=int(bool(self.categories)),
            categories={self.index: self.categories},
            axis=self.axis,
            patient=self.name,
        )


def save_support(shots: Sequence[Shot], path: str | Path) -> None:
    """Write shots as a manifest, which `medad train sdmad --data FILE` reads.

    Raises
    ------
    MedadError
        If a shot's volume lies in no file.
    """
    path = Path(path)
    for shot in shots:
        source = shot.volume.source
        if shot.path is None or source is None:
            raise MedadError(
                f"{shot.name} was made in memory and lies in no file; save the volume and open "
                "that file, then mark its slices again."
            )
        if source.frame is not None:
            raise MedadError(
                f"{shot.name} is a frame of {shot.path.name}, which a list of slices cannot name; "
                "save the frame as a file of its own, and mark its slices there."
            )
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for shot in shots:
            assert shot.path is not None
            image = _relative(shot.path, path.resolve().parent)
            writer.writerow([image, shot.axis, shot.index, "; ".join(shot.categories) or NORMAL])


def read_support(
    path: str | Path, report: Callable[[int, int], None] | None = None
) -> tuple[Shot, ...]:
    """The shots of a manifest; every image is read once.

    Parameters
    ----------
    path : path
    report : callable, optional
        Takes how many rows were read and how many there are; may raise to cancel.

    Raises
    ------
    MedadError
        If a row is wrong or names no category, or an image cannot be read.
    """
    examples = read_manifest(Path(path))
    read: dict[Path, tuple[str, Volume]] = {}
    shots = []
    for number, example in enumerate(examples):
        if report is not None:
            report(number, len(examples))
        if example.categories is None:
            raise MedadError(
                f"{path} says nothing of the categories of {example.image}; give every row a "
                "'slice' and 'categories', or 'normal'."
            )
        assert isinstance(example.image, Path)
        if example.image not in read:
            study = example.study()
            read[example.image] = (f"{study.name} · {study.reference}", study.volume())
        name, volume = read[example.image]
        shots += [
            Shot(volume, name, index, categories, example.axis)
            for index, categories in example.categories.items()
        ]
    return tuple(shots)


def _relative(path: Path, home: Path) -> str:
    """The path from a folder, or the whole of it where they lie on different drives."""
    try:
        return Path(os.path.relpath(path, home)).as_posix()
    except ValueError:
        return str(path)
