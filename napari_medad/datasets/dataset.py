"""A public dataset as its authors lay it out: cases by name, read when they are needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    from napari_medad.volumes.study import Study

TRAIN, VALIDATION, TEST = "train", "validation", "test"
PICTURE = "image"
"""Name of the only volume of a picture."""


class Box(NamedTuple):
    """A rectangle around something abnormal, in pixels of the image as it is displayed.

    Attributes
    ----------
    row, column : int
        Upper left corner, from 0.
    height, width : int
    slice : int
        Axial slice of the displayed volume; 0 in a picture.
    label : str
        What it is around, where that is told.
    """

    row: int
    column: int
    height: int
    width: int
    slice: int = 0
    label: str = ""


@dataclass(frozen=True)
class DatasetCase:
    """One scan or picture; nothing of it is read before it is asked for.

    Attributes
    ----------
    name : str
        No other case of the dataset has it; can be a file's name.
    patient : str
        Cases of one patient never lie in two parts of a split.
    images : mapping of str to Path
        By the volume's name (t1n, t1c, t2w, t2f, ...; "image" for a picture).
    masks : tuple of Path
        Pixel truth, whatever one of them marks is abnormal; empty where there is none.
    abnormal : bool or None
        Of the whole image; None where only the mask tells.
    labels : tuple of str
        Names of what the image shows, as a disease; empty for normal ones.
    boxes : tuple of Box
        Where the truth is boxes.
    split : str
        "train", "validation", "test", or "" where the layout has none.
    frames : mapping of str to int
        Frame of each volume that lies in a 4D file.
    slices : mapping of int to tuple of str, or None
        Labels of single axial slices, () for a normal one, where the truth is told slice by
        slice.
    """

    name: str
    patient: str
    images: Mapping[str, Path]
    masks: tuple[Path, ...] = ()
    abnormal: bool | None = None
    labels: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    split: str = ""
    frames: Mapping[str, int] = field(default_factory=dict)
    slices: Mapping[int, tuple[str, ...]] | None = None

    @property
    def located(self) -> bool:
        """Whether it is told where the abnormal pixels are, or that there are none."""
        return bool(self.masks or self.boxes) or self.abnormal is False

    def study(self) -> Study:
        """Read the images; of one patient, on one grid.

        Raises
        ------
        MedadError
            As `read_study`; the sentence names the file.
        """
        from napari_medad.volumes.reader import read_volume
        from napari_medad.volumes.study import Study

        volumes = {
            name: read_volume(
                path, frame=self.frames.get(name), modality=None if name == PICTURE else name
            )
            for name, path in self.images.items()
        }
        return Study.from_volumes(self.name, volumes, path=next(iter(self.images.values())))

    def truth(self, study: Study | None = None) -> np.ndarray | None:
        """Abnormal voxels [z, y, x] bool on the study's grid: all masks, or all boxes filled.

        None where it is not told where the abnormal is; all False for a normal image.

        Parameters
        ----------
        study : Study, optional
            What `study()` gave, so that it is not read again.

        Raises
        ------
        MedadError
            If a mask cannot be read or does not fit its image.
        """
        from napari_medad.datasets.truth import truth_of

        return truth_of(self, study) if self.located else None


@dataclass(frozen=True)
class Dataset:
    """Cases of one folder.

    Attributes
    ----------
    layout : str
        A name of `layouts()`.
    folder : Path
    cases : tuple of DatasetCase
        In the order of their names.
    notes : tuple of str
        What was left out, and why.
    """

    layout: str
    folder: Path
    cases: tuple[DatasetCase, ...]
    notes: tuple[str, ...] = ()

    def part(self, split: str) -> tuple[DatasetCase, ...]:
        """The cases of one part of the split."""
        return tuple(case for case in self.cases if case.split == split)
