"""Accept, reject, merge, split, name: what happens to voxels, numbers and provenance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_medad.corrections import strokes, verdicts
from napari_medad.corrections.provenance import Provenance
from napari_medad.errors import MedadError


def counted(correction) -> dict[str, int]:
    return {p.name: int(np.count_nonzero(correction.provenance == p)) for p in Provenance if p}


def test_accept_confirms_the_detectors_voxels_only(
    correction_of: Callable, two_cubes: np.ndarray
) -> None:
    correction = correction_of(two_cubes)
    correction.apply(strokes.paint(correction, [[3, 3, 5]], 1.0, 1))
    correction.apply(verdicts.accept(correction, [1]))
    assert counted(correction) == {"DETECTED": 8, "DRAWN": 6, "CONFIRMED": 27, "REMOVED": 0}
    assert [f.state for f in correction.findings] == ["confirmed", "detected"]


def test_reject_leaves_normal_tissue(correction_of: Callable, two_cubes: np.ndarray) -> None:
    correction = correction_of(two_cubes)
    correction.apply(verdicts.reject(correction, [1, 2]))
    assert counted(correction) == {"DETECTED": 0, "DRAWN": 0, "CONFIRMED": 0, "REMOVED": 35}
    assert correction.findings == []


def test_merge_keeps_the_largest_number_and_name(
    correction_of: Callable, two_cubes: np.ndarray
) -> None:
    correction = correction_of(two_cubes)
    correction.apply(verdicts.name(correction, [2], "oedema"))
    correction.apply(verdicts.merge(correction, [2, 1]))
    (merged,) = correction.findings
    assert (merged.id, merged.category, merged.state) == (1, "oedema", "detected")
    assert merged.volume_ml == pytest.approx(0.035)
    with pytest.raises(MedadError, match="two findings or more"):
        verdicts.merge(correction, [1, 1])


def test_split_into_unconnected_parts(correction_of: Callable, two_cubes: np.ndarray) -> None:
    correction = correction_of(two_cubes)
    correction.apply(verdicts.name(correction, [1], "glioma"))
    correction.apply(verdicts.merge(correction, [1, 2]))
    correction.apply(verdicts.split(correction, 1))
    assert [round(f.volume_ml, 3) for f in correction.findings] == [0.027, 0.008]
    assert [f.category for f in correction.findings] == ["glioma", "glioma"]
    with pytest.raises(MedadError, match="in one piece"):
        verdicts.split(correction, 1)


def test_split_at_the_waist(correction_of: Callable) -> None:
    """Two balls of radius 6 and 5 mm, 10 mm apart, on voxels of 2 x 1 x 1 mm."""
    z, y, x = np.ogrid[:16, :24, :40]
    near = 4 * (z - 8) ** 2 + (y - 12) ** 2
    mask = (near + (x - 13) ** 2 <= 36) | (near + (x - 23) ** 2 <= 25)
    correction = correction_of(mask, (2, 1, 1))
    assert correction.ids == [1]
    correction.apply(verdicts.split(correction, 1, "waist"))
    larger, smaller = correction.findings
    assert larger.volume_ml > smaller.volume_ml
    assert larger.volume_ml + smaller.volume_ml == pytest.approx(mask.sum() * 2 / 1000)
    assert correction.labels[8, 12, 13] == 1
    assert correction.labels[8, 12, 23] == 2
    border = np.flatnonzero(np.diff(correction.labels[8, 12].astype(int)) == 1)[-1]
    assert 17 <= border <= 20  # the spheres meet at x = 13 + (100 + 36 - 25) / 20 = 18.55
    with pytest.raises(MedadError, match="no waist"):
        verdicts.split(correction, 1, "waist")


def test_renumber_swaps(correction_of: Callable, two_cubes: np.ndarray) -> None:
    correction = correction_of(two_cubes)
    correction.apply(verdicts.name(correction, [1], "glioma"))
    correction.apply(verdicts.renumber(correction, 1, 2))
    assert [(f.id, f.category, round(f.volume_ml, 3)) for f in correction.findings] == [
        (1, "", 0.008),
        (2, "glioma", 0.027),
    ]
    correction.apply(verdicts.renumber(correction, 2, 7))
    assert correction.ids == [1, 7]
    with pytest.raises(MedadError, match="cannot be 0"):
        verdicts.renumber(correction, 1, 0)


@pytest.mark.parametrize("verdict", [verdicts.accept, verdicts.reject])
def test_an_absent_finding_is_named(correction_of: Callable, two_cubes, verdict) -> None:
    correction = correction_of(two_cubes)
    with pytest.raises(MedadError, match="no finding 5"):
        verdict(correction, [5])
    with pytest.raises(MedadError, match="No finding is chosen"):
        verdict(correction, [])
