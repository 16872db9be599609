"""Masks and maps as NIfTI and NRRD, on exactly the source's voxels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from napari_medad.export.outcome import Outcome
from napari_medad.volumes.itk import write_nrrd
from napari_medad.volumes.nifti import write_nifti


def write_images_nifti(outcome: Outcome, folder: Path, tick: Callable[[], None]) -> None:
    """Write `STEM_<map>.nii.gz` and `STEM_mask.nii.gz`."""
    _write(outcome, folder, ".nii.gz", tick)


def write_images_nrrd(outcome: Outcome, folder: Path, tick: Callable[[], None]) -> None:
    """Write `STEM_<map>.nrrd` and `STEM_mask.nrrd`."""
    _write(outcome, folder, ".nrrd", tick)


def _write(outcome: Outcome, folder: Path, ending: str, tick: Callable[[], None]) -> None:
    write = write_nifti if ending == ".nii.gz" else write_nrrd
    for name, values, labels in _images(outcome):
        tick()
        write(values, outcome.volume, folder / f"{outcome.stem}_{name}{ending}", labels=labels)


def _images(outcome: Outcome) -> Iterator[tuple[str, np.ndarray, bool]]:
    for name, values in outcome.detection.maps.items():
        yield name.replace(":", "-"), values.astype(np.float32, copy=False), False
    yield "mask", compact(outcome.mask), True


def compact(mask: np.ndarray) -> np.ndarray:
    """A mask of ids in the smallest type that holds them."""
    return mask.astype(np.uint8 if int(mask.max(initial=0)) <= 255 else np.uint16)
