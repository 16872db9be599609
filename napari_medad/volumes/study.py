"""The volumes of one patient, co-registered on one reference grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine

from napari_medad.errors import MedadError
from napari_medad.volumes.orientation import resample
from napari_medad.volumes.volume import Volume

REFERENCE_ORDER = ("t2f", "t1c", "t2w", "t1n", "ct")
"""Which volume gives the grid when volumes of different grids come together."""


@dataclass(frozen=True, eq=False)
class Study:
    """Named volumes of one patient on one grid.

    Attributes
    ----------
    name : str
        Case name: the input's name without endings. Never a patient name.
    volumes : mapping of str to Volume
        By modality (`t1n`, `t1c`, `t2w`, `t2f`, `ct`, ...) or, where that is unknown,
        by file name. All have the same shape and affine.
    reference : str
        Key of the volume whose source grid maps are written back on.
    path : Path or None
        What was read.
    """

    name: str
    volumes: Mapping[str, Volume]
    reference: str
    path: Path | None = None

    @classmethod
    def from_volumes(
        cls,
        name: str,
        volumes: Mapping[str, Volume],
        *,
        reference: str | None = None,
        path: Path | None = None,
    ) -> Study:
        """Bring volumes onto one grid.

        The reference is the named one, else the first of `REFERENCE_ORDER` present, else
        the first given. A volume on another grid is resampled linearly and its
        `source.notes` say so.

        Raises
        ------
        MedadError
            If there is no volume, or one does not overlap the reference at all.
        """
        if not volumes:
            raise MedadError(f"{name} holds no volume; give a file or folder with images.")
        if reference is None:
            reference = next((m for m in REFERENCE_ORDER if m in volumes), next(iter(volumes)))
        onto = volumes[reference]
        placed = {key: _onto(volume, onto, key) for key, volume in volumes.items()}
        return cls(name, placed, reference, path)

    def volume(self, name: str | None = None) -> Volume:
        """The named volume, or the reference.

        Raises
        ------
        MedadError
            If the study has no such volume; the sentence lists what it has.
        """
        if name is None:
            return self.volumes[self.reference]
        if name not in self.volumes:
            raise MedadError(
                f"The study {self.name} has no volume '{name}'; it has "
                f"{', '.join(self.volumes)}: name one of these."
            )
        return self.volumes[name]

    @property
    def notes(self) -> tuple[str, ...]:
        """What reading and placing the volumes had to change, one sentence each."""
        return tuple(
            f"{key}: {note}"
            for key, v in self.volumes.items()
            if v.source
            for note in v.source.notes
        )


def _onto(volume: Volume, reference: Volume, name: str) -> Volume:
    """`volume` on the grid of `reference`."""
    if volume is reference or volume.grid.same_as(reference.grid):
        return volume
    if not _overlap(volume, reference):
        raise MedadError(
            f"The volume '{name}' does not overlap the reference volume in space; "
            "register them first or open them as two studies."
        )
    array = resample(volume.array.T, volume.affine, reference.grid, order=1).T
    assert volume.source is not None
    note = "Resampled (linearly) onto the reference volume's grid."
    source = replace(volume.source, notes=(*volume.source.notes, note))
    return Volume(array, reference.affine, volume.modality, source)


def _overlap(volume: Volume, reference: Volume) -> bool:
    """Whether the boxes of two volumes meet, seen along the first one's axes."""
    shape = reference.grid.shape
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in shape])).reshape(3, -1).T
    to_index = np.linalg.inv(volume.affine) @ reference.affine
    there = apply_affine(to_index, corners)
    size = np.array(volume.grid.shape)
    return bool(((there.max(0) > -0.5) & (there.min(0) < size - 0.5)).all())
