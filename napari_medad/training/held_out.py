"""Which examples are kept from training, by patient and not by slice."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from napari_medad.detectors.recipe import Example
from napari_medad.volumes.modality import modality_of
from napari_medad.volumes.reader import case_name

SLICE_NUMBER = re.compile(r"[_\-. ](slice|slc|sl|z|frame)[_\-. ]?\d+$", re.IGNORECASE)


def hold_out(examples: Sequence[Example], share: float, seed: int) -> tuple[Example, ...]:
    """Mark a share of the patients of every task as held out, where none is marked.

    The choice depends on the patients' names and the seed alone, not on the order or the
    number of the other examples. At least one patient of a task is held out and at least
    one stays, where it has two.

    Parameters
    ----------
    examples : sequence of Example
    share : float
        In [0, 0.5]; 0 holds out nothing.
    seed : int
    """
    if share == 0 or any(example.held_out for example in examples):
        return tuple(examples)
    patients = [patient_of(example, number) for number, example in enumerate(examples)]
    chosen: set[str] = set()
    for task in sorted({example.task for example in examples}):
        own = {p for p, example in zip(patients, examples) if example.task == task}
        wanted = min(max(1, round(share * len(own))), len(own) - 1)
        ranked = sorted(own - chosen, key=lambda patient: _rank(patient, seed))
        chosen |= set(ranked[: max(0, wanted - len(own & chosen))])
    return tuple(
        replace(example, held_out=patient in chosen) for patient, example in zip(patients, examples)
    )


def patient_of(example: Example, number: int) -> str:
    """What tells a patient from others: the manifest's word, or the file's name.

    A name is taken without the modality and the slice number it ends in; images in memory
    are a patient each.
    """
    if example.patient:
        return example.patient
    if not isinstance(example.image, Path):
        return f"image {number}"
    name = SLICE_NUMBER.sub("", case_name(example.image))
    words = re.split(r"(?<=[_\-. ])", name)
    kept = "".join(word for word in words if modality_of(word.strip("_-. ")) is None)
    return kept.strip("_-. ") or str(example.image.parent)


def _rank(patient: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{patient}".encode()).digest()
