"""What a correction teaches: where lesions are, where they are not, and how sure that is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_medad.corrections.correction import Correction
from napari_medad.corrections.files import CorrectionLog
from napari_medad.corrections.provenance import READERS
from napari_medad.detectors.recipe import Example
from napari_medad.errors import MedadError
from napari_medad.volumes.nifti import read_labels
from napari_medad.volumes.phantom.contrast import contrasts
from napari_medad.volumes.reader import read_study
from napari_medad.volumes.volume import Volume

DECIDED = 4.0
"""How much a voxel counts that a person has drawn, confirmed or removed; others count 1."""
UNSEEN = 0.25
"""How much a voxel of a slice counts in which a person has decided nothing."""
LOG = "_correction.json"


def example_of(correction: Correction) -> Example:
    """A correction as training takes it."""
    detection = correction.detection
    return _example(
        correction.volume,
        correction.labels,
        correction.provenance,
        correction.categories,
        detection.study.name,
    )


def importance_from(provenance: np.ndarray) -> np.ndarray:
    """How much each voxel counts, [z, y, x] float32, from its provenance.

    What a person has decided counts `DECIDED`, the rest of the slices that a person has been
    in 1, other slices `UNSEEN`: there, nobody has said that the detector is right.
    """
    decided = np.isin(provenance, np.array(READERS, np.uint8))
    seen = decided.any(axis=(1, 2), keepdims=True)
    return np.where(decided, DECIDED, np.where(seen, 1.0, UNSEEN)).astype(np.float32)


def read_lessons(folder: str | Path) -> list[Example]:
    """The corrections saved in a folder, each with the scan that it was made on.

    Parameters
    ----------
    folder : path
        Holds `*_correction.json` and what `save_correction` writes beside it; folders in it
        are looked into.

    Raises
    ------
    MedadError
        If there are none, or a scan is no longer where it was, or another.
    """
    folder = Path(folder).expanduser()
    logs = sorted(folder.rglob(f"*{LOG}"))
    if not logs:
        raise MedadError(
            f"There are no corrections in {folder}; give the folder that the Correct dock saved "
            "into."
        )
    return [_read(log) for log in logs]


def _read(path: Path) -> Example:
    log = CorrectionLog.parse(path.read_text(encoding="utf-8"), path)
    source = next((s for s in log.sources if s.volume == log.volume), None)
    if source is None or not source.path:
        raise MedadError(
            f"{path} does not say which file it was made on; open the scan, and save the "
            "correction again."
        )
    scan = Path(source.path)
    if not scan.exists():
        raise MedadError(
            f"{scan}, which {path.name} was made on, is no longer there; move it back, or open it "
            "from its new place, and save the correction again."
        )
    study = read_study(scan)
    names = study.volumes
    volume = names.get(log.volume) or study.volume()
    if volume.array.shape != tuple(log.shape) or not np.allclose(
        volume.affine, np.array(log.affine), atol=1e-3
    ):
        raise MedadError(f"{scan} is not the scan that {path.name} was made on; its grid differs.")
    stem = str(path).removesuffix(LOG)
    labels, provenance = (
        read_labels(Path(f"{stem}_{ending}.nii.gz"), volume)
        for ending in ("corrected", "provenance")
    )
    return _example(volume, labels, provenance, log.categories, log.case)


def _example(
    volume: Volume,
    labels: np.ndarray,
    provenance: np.ndarray,
    categories: dict[int, str],
    patient: str,
) -> Example:
    known = contrasts().get(volume.modality or "")
    mask = labels > 0
    return Example(
        volume,
        task=known["task"] if known else "",
        label=int(mask.any()),
        mask=mask,
        importance=importance_from(provenance),
        categories=_categories(labels, provenance, categories),
        patient=patient,
    )


def _categories(
    labels: np.ndarray, provenance: np.ndarray, names: dict[int, str]
) -> dict[int, tuple[str, ...]] | None:
    """Names of the findings in each slice that a person has been in; None without any name.

    A slice is normal where a person has only removed something.
    """
    if not any(names.values()):
        return None
    found: dict[int, tuple[str, ...]] = {}
    for z in np.flatnonzero(np.isin(provenance, np.array(READERS, np.uint8)).any(axis=(1, 2))):
        held = [names.get(int(n), "") for n in np.unique(labels[z]) if n]
        if all(held):
            found[int(z)] = tuple(dict.fromkeys(held))
    return found or None
