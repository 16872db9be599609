"""A scan: voxels and where they lie in the patient, never one without the other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import nibabel as nib
import numpy as np

from napari_medad.errors import MedadError
from napari_medad.volumes.orientation import Grid, resample, to_display

AXES = {"axial": 0, "coronal": 1, "sagittal": 2}
"""Array axis that the slices of each plane are stacked along."""


@dataclass(frozen=True)
class Source:
    """Where a volume came from, enough to write a map back on exactly its voxels.

    Attributes
    ----------
    path : Path or None
        File or folder read; None for volumes made in memory.
    grid : Grid
        The source's own voxel grid, in its own orientation.
    header : nibabel.Nifti1Header or None
        Header to write derived NIfTI files with (units, codes), without patient text.
    reader : str
        "nifti", "dicom", "itk", "picture" or "memory".
    frame : int or None
        Frame taken from a 4D source.
    notes : tuple of str
        What reading had to change ("sheared affine resampled to 0.5 x 0.5 x 2.4 mm"),
        one sentence each; copied into the run record.
    """

    path: Path | None
    grid: Grid
    header: nib.Nifti1Header | None = None
    reader: str = "memory"
    frame: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Volume:
    """One 3D image in display orientation.

    Attributes
    ----------
    array : ndarray [z, y, x]
        Voxels in the source's dtype. z runs from inferior to superior, y from anterior
        to posterior, x from the patient's right to left, so that an axial slice shown
        row by row has anterior up and the patient's left on the right of the screen.
    affine : ndarray [4, 4]
        From array index in the order (x, y, z), as in nibabel, to RAS millimetres.
    modality : str or None
        "t1n", "t1c", "t2w", "t2f", "ct", "us", ... where it is known.
    source : Source
        The file's own grid and header.
    rgb : ndarray [z, y, x, 3] uint8, optional
        Colour of a colour source (fundus, ultrasound); `array` then holds its luminance.
    """

    array: np.ndarray
    affine: np.ndarray
    modality: str | None = None
    source: Source | None = None
    rgb: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.array.ndim != 3:
            raise MedadError(
                f"A volume needs 3 dimensions [z, y, x], but this array has shape "
                f"{self.array.shape}; pick one frame or channel first."
            )
        if self.source is None:
            object.__setattr__(self, "source", Source(None, self.grid))

    @classmethod
    def from_grid(
        cls,
        array_xyz: np.ndarray,
        affine: np.ndarray,
        *,
        modality: str | None = None,
        path: Path | None = None,
        header: nib.Nifti1Header | None = None,
        reader: str = "memory",
        frame: int | None = None,
        notes: tuple[str, ...] = (),
    ) -> Volume:
        """Make a volume from voxels in a file's own order (i, j, k[, rgb]) and its affine.

        Flips and permutes exactly; resamples (linearly, onto an orthogonal grid of the
        same spacing) only where the affine is sheared, and says so in `source.notes`.
        """
        display, affine_display, more = to_display(array_xyz, affine)
        rgb = None
        if display.ndim == 4:
            rgb = display.astype(np.uint8, copy=False)
            display = np.rint(rgb @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
        grid = Grid(tuple(array_xyz.shape[:3]), np.asarray(affine, float))
        source = Source(path, grid, header, reader, frame, notes + more)
        return cls(display, affine_display, modality, source, rgb)

    @cached_property
    def grid(self) -> Grid:
        """The display grid, with its shape in the order (x, y, z)."""
        return Grid(self.array.shape[::-1], self.affine)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm, in array order (z, y, x)."""
        x, y, z = nib.affines.voxel_sizes(self.affine)
        return float(z), float(y), float(x)

    @property
    def voxel_volume(self) -> float:
        """Volume of one voxel in mL."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def to_ras(self, zyx: np.ndarray) -> np.ndarray:
        """Array positions [..., 3] in the order (z, y, x) -> RAS mm [..., 3]."""
        return nib.affines.apply_affine(self.affine, np.asarray(zyx, float)[..., ::-1])

    def on_source(self, values: np.ndarray, *, labels: bool = False) -> np.ndarray:
        """Bring a map or mask [z, y, x] back to the source's voxels (i, j, k).

        Exact (flips and permutation) unless the source was sheared; then resampled,
        linearly or, with `labels`, by nearest neighbour.

        Raises
        ------
        MedadError
            If `values` is not on this volume's grid.
        """
        if values.shape != self.array.shape:
            raise MedadError(
                f"The map has shape {values.shape} but the volume has {self.array.shape}; "
                "give a map made from this volume."
            )
        assert self.source is not None
        return resample(values.T, self.affine, self.source.grid, order=0 if labels else 1)

    def with_array(self, array: np.ndarray, modality: str | None = None) -> Volume:
        """Other voxels on the same grid."""
        return replace(self, array=array, modality=modality or self.modality, rgb=None)
