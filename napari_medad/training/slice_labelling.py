"""Slices of open volumes that a person labels, kept in the folder of the chain they begin."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from napari_medad.detectors.recipe import Example
from napari_medad.errors import MedadError
from napari_medad.training.slice_labels_file import read_slice_labels, write_slice_labels
from napari_medad.training.weak_to_strong import labelled_examples
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.reader import read_volume
from napari_medad.volumes.volume import Volume

ENDING = ".nii.gz"


class SliceLabelling:
    """Labels by image and slice, written at each change; images are copied when they are needed.

    The folder is then all that `medad train rasalore --data FOLDER/images --labels
    FOLDER/slices.csv --out FOLDER --resume` needs to go on.

    Parameters
    ----------
    home : Path
        The chain's folder; read if it is there.

    Raises
    ------
    MedadError
        If the labels in it are damaged.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.labels: dict[str, dict[int, int]] = {}
        self.volumes: dict[str, Volume] = {}
        if self.file.is_file():
            for row in read_slice_labels(self.file):
                self.labels.setdefault(row.image.removesuffix(ENDING), {}).update(row.slices)

    @property
    def file(self) -> Path:
        """The labels."""
        return self.home / "slices.csv"

    @property
    def images(self) -> Path:
        """Folder of the labelled volumes."""
        return self.home / "images"

    def image_file(self, name: str) -> Path:
        """Where a labelled volume is, or will be."""
        return self.images / f"{name}{ENDING}"

    def label(self, name: str, volume: Volume, labels: dict[int, int]) -> None:
        """Replace the labels of one image.

        Parameters
        ----------
        name : str
            From `image_name`.
        volume : Volume
            Kept until `save_images` writes it.
        labels : dict of int to int
            By axial slice; 0 normal, 1 abnormal. Empty forgets the image.

        Raises
        ------
        MedadError
            If other voxels are kept under this name.
        """
        kept = self.image_file(name)
        if kept.is_file() and name not in self.volumes:
            held = read_volume(kept)
            if not held.grid.same_as(volume.grid):
                raise MedadError(
                    f"Another image called {name} is labelled in {self.home.name}; rename this one."
                )
        self.volumes[name] = volume
        self.labels[name] = dict(sorted(labels.items()))
        if not labels:
            del self.labels[name]
        self.home.mkdir(parents=True, exist_ok=True)
        write_slice_labels({f"{n}{ENDING}": held for n, held in self.labels.items()}, self.file)

    def counts(self) -> tuple[int, int]:
        """Normal and abnormal slices, over all images."""
        every = [label for labels in self.labels.values() for label in labels.values()]
        return every.count(0), every.count(1)

    def save_images(self, report: Callable[[int, int], None] | None = None) -> None:
        """Write the labelled volumes that are not in the folder yet.

        Parameters
        ----------
        report : callable, optional
            Takes how many are written and how many there are; may raise to cancel.
        """
        for number, name in enumerate(self.labels):
            if report is not None:
                report(number, len(self.labels))
            path = self.image_file(name)
            if not path.is_file():
                if name not in self.volumes:
                    raise MedadError(
                        f"{path} is gone; open the image and label it again, or delete its rows "
                        f"from {self.file}."
                    )
                volume = self.volumes[name]
                write_nifti(volume.array, volume, path)

    def examples(self) -> tuple[Example, ...]:
        """The labelled images as training takes them.

        Raises
        ------
        MedadError
            If nothing is labelled, or an image is missing.
        """
        if not self.labels:
            raise MedadError("No slice is labelled yet; label some as normal and as abnormal.")
        return labelled_examples(self.images, self.file)


def image_name(study: str, volume: str) -> str:
    """File name, without ending, of a labelled volume."""
    return re.sub(r"[^\w.-]+", "-", f"{study}_{volume}").strip("-.") or "image"


def labellings(home: Path) -> list[str]:
    """Names of the chains in a folder that have labels, the latest first."""
    found = [file for file in home.glob("*/slices.csv") if not file.parent.name.startswith(".")]
    return [file.parent.name for file in sorted(found, key=lambda f: -f.stat().st_mtime)]
