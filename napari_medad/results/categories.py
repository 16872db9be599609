"""Which abnormality a finding is, where the detector tells several apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import cc3d
import numpy as np

from napari_medad.results.findings import Finding
from napari_medad.results.outputs import category


def with_categories(
    findings: Sequence[Finding],
    mask: np.ndarray,
    axis: int,
    maps: Mapping[str, np.ndarray],
    scores: Mapping[str, np.ndarray],
    present: Mapping[str, np.ndarray],
) -> list[Finding]:
    """The findings with their `category` filled in.

    Where there is a map for every category, a finding is what its mean is highest for. Else
    it is the category with the highest score among those decided to be present in one of its
    slices, and nothing where none is.

    Parameters
    ----------
    findings : sequence of Finding
    mask : ndarray [z, y, x] uint16
        The findings' ids.
    axis : int
        Array axis that slices are counted along.
    maps : mapping of str to ndarray [z, y, x]
    scores, present : mapping of str to ndarray [slices]
    """
    if not findings:
        return []
    names = list(scores)
    boxes = cc3d.statistics(mask)["bounding_boxes"]
    own = [maps.get(category(name).name) for name in names]
    found = []
    for finding in findings:
        box = boxes[finding.id]
        if all(values is not None for values in own):
            inside = mask[box] == finding.id
            means = [values[box][inside].mean() for values in own if values is not None]
            found.append(replace(finding, category=names[int(np.argmax(means))]))
            continue
        slices = box[axis]
        there = {
            name: np.max(scores[name][slices], where=present[name][slices], initial=-np.inf)
            for name in names
            if present[name][slices].any()
        }
        found.append(replace(finding, category=max(there, key=there.__getitem__, default="")))
    return found
