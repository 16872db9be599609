"""Which axial slices of an example are normal and which abnormal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_medad.detectors.recipe import Example
from napari_medad.errors import MedadError
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.intensity import background_value
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume


def labels_of(example: Example, study: Study) -> dict[int, int]:
    """Label by slice: those given, that of a picture, or 0 for all slices of a normal scan.

    Raises
    ------
    MedadError
        If a label is of a slice that is not there, or nothing says which slices of an
        abnormal scan are abnormal.
    """
    depth = len(study.volume().array)
    if example.slices:
        beyond = next((z for z in example.slices if not 0 <= z < depth), None)
        if beyond is not None:
            raise MedadError(
                f"{study.name} has a label for slice {beyond}, but only slices 0 to {depth - 1}; "
                "correct the label."
            )
        return {z: example.slices[z] for z in sorted(example.slices)}
    if depth == 1 and example.label is not None:
        return {0: example.label}
    if example.label == 0:
        inside = foreground_of(study.volume()).any(axis=(1, 2))
        return {int(z): 0 for z in np.flatnonzero(inside)}
    raise MedadError(
        f"{study.name} is abnormal, but nothing says in which slices; label its slices."
    )


def normal_volume(example: Example) -> Volume:
    """The volume of an example; where slices are labelled, those not called normal are emptied.

    Raises
    ------
    MedadError
        If a label is of a slice that is not there.
    """
    study = example.study()
    volume = study.volume()
    if not example.slices:
        return volume
    normal = [z for z, label in labels_of(example, study).items() if label == 0]
    array = np.full_like(volume.array, background_value(volume.array))
    array[normal] = volume.array[normal]
    return replace(volume, array=array)


def refuse_one_kind(labels: Sequence[int]) -> None:
    """Labels of both kinds, or a sentence.

    Raises
    ------
    MedadError
        If all slices have one label.
    """
    if len(set(labels)) < 2:
        kind = "normal" if labels and labels[0] == 0 else "abnormal"
        raise MedadError(
            f"All {len(labels)} labelled slices are {kind}; label slices of both kinds."
        )
