"""fastMRI's HDF5 files: the reconstruction beside the raw data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_medad.errors import MedadError
from napari_medad.volumes.volume import Volume

ENDINGS = (".h5",)
IMAGES = ("reconstruction_rss", "reconstruction_esc")
HEADER = "ismrmrd_header"
NOTE = (
    "A fastMRI file states no position of the patient; rows were taken to run from anterior to "
    "posterior, columns from the patient's right to left, slices from inferior to superior."
)


def read_fastmri(path: Path, *, frame: int | None = None, modality: str | None = None) -> Volume:
    """Read the reconstruction of a fastMRI file.

    Raises
    ------
    MedadError
        If h5py is not installed, or the file is unreadable or holds no reconstruction.
    """
    with _opened(path) as file:
        voxels = np.asarray(_reconstruction(file, path)[()], np.float32)
        header = file[HEADER][()] if HEADER in file else b""
    spacing = _spacing(header)
    notes = (NOTE,) if spacing else (NOTE, "The file states no voxel size; 1 mm was assumed.")
    z, y, x = spacing or (1.0, 1.0, 1.0)
    return Volume.from_grid(
        voxels.T,
        np.diag([-x, -y, z, 1.0]),
        modality=modality,
        path=path,
        reader="fastmri",
        notes=notes,
    )


def fastmri_shape(path: Path) -> tuple[int, int, int]:
    """Slices, rows and columns of a file's reconstruction, whose voxels are not read.

    Raises
    ------
    MedadError
        As `read_fastmri`.
    """
    with _opened(path) as file:
        slices, rows, columns = _reconstruction(file, path).shape
    return int(slices), int(rows), int(columns)


def hdf5() -> Any:
    """The module h5py, which is an extra.

    Raises
    ------
    MedadError
        If it is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise MedadError(
            "fastMRI's files need h5py to be read; install it: pip install 'napari-medad[fastmri]'."
        ) from None
    return h5py


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    h5py = hdf5()
    try:
        with h5py.File(path, "r") as file:
            yield file
    except OSError:
        raise MedadError(
            f"{path} cannot be read as HDF5; it may be truncated: download it again."
        ) from None


def _reconstruction(file: Any, path: Path) -> Any:
    """The image [slice, row, column]; what fastMRI gives for testing holds raw data alone."""
    key = next((key for key in IMAGES if key in file), None)
    if key is None or file[key].ndim != 3:
        raise MedadError(
            f"{path} holds no reconstructed image; give a file of fastMRI's training or validation "
            "part, or reconstruct it first."
        )
    return file[key]


def _spacing(header: bytes) -> tuple[float, float, float] | None:
    """Voxel size (z, y, x) in mm: the image lies on the acquired grid, its slices on the scanner's.

    Rows run along the readout, ISMRMRD's x.
    """
    try:
        root = ElementTree.fromstring(header)
        acquired = next(e for e in root.iter() if e.tag.endswith("encodedSpace"))
        scanner = next(e for e in root.iter() if e.tag.endswith("reconSpace"))
        field, matrix = _numbers(acquired, "fieldOfView_mm"), _numbers(acquired, "matrixSize")
        found = (
            _numbers(scanner, "fieldOfView_mm")["z"],
            field["x"] / matrix["x"],
            field["y"] / matrix["y"],
        )
    except (ElementTree.ParseError, StopIteration, KeyError, ValueError, ZeroDivisionError):
        return None
    return found if min(found) > 0 else None


def _numbers(space: ElementTree.Element, name: str) -> dict[str, float]:
    held = next(e for e in space if e.tag.endswith(name))
    return {e.tag.rsplit("}", 1)[-1]: float(e.text or "") for e in held}
