"""Two time points of small masks: who is who, and how much each grew."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from napari_medad.errors import MedadError
from napari_medad.results.followup import follow_up, save_follow_up
from napari_medad.volumes.volume import Volume


def masked(array, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0)) -> Volume:
    z, y, x = spacing
    affine = np.diag([-x, -y, z, 1.0])
    affine[:3, 3] = origin
    return Volume(array, affine)


def blocks(*boxes, shape=(20, 20, 40)) -> np.ndarray:
    mask = np.zeros(shape, np.uint16)
    for number, (z, y, x, size) in enumerate(boxes, start=1):
        mask[z : z + size, y : y + size, x : x + size] = number
    return mask


def test_growth_in_millilitres_and_percent():
    before = masked(blocks((5, 5, 5, 2)))
    after = masked(blocks((15, 15, 30, 3), (4, 4, 4, 4)))
    same, new = follow_up(before, after)
    assert (same.kind, same.before, same.after) == ("same", (1,), (2,))
    assert (same.before_ml, same.after_ml) == pytest.approx((0.008, 0.064))
    assert (same.growth_ml, same.growth_percent) == pytest.approx((0.056, 700))
    assert (new.kind, new.after, new.growth_percent) == ("new", (1,), None)
    assert new.growth_ml == pytest.approx(0.027)


def test_gone_merged_and_split():
    before = masked(blocks((5, 5, 2, 2), (5, 5, 6, 2), (5, 5, 30, 6), (15, 15, 15, 2)))
    later = blocks((5, 5, 30, 2), (5, 5, 34, 2))
    later[5:7, 5:7, 2:8] = 3
    merged, split, gone = follow_up(before, masked(later))
    assert (merged.kind, merged.before, merged.after) == ("merged", (1, 2), (3,))
    assert (merged.before_ml, merged.after_ml) == pytest.approx((0.016, 0.024))
    assert (split.kind, split.before, split.after) == ("split", (3,), (1, 2))
    assert (gone.kind, gone.before, gone.growth_percent) == ("gone", (4,), -100)


def test_near_findings_without_overlap_belong_together():
    before = masked(blocks((5, 5, 5, 2)))
    after = masked(blocks((5, 5, 12, 2)))
    (moved,) = follow_up(before, after)
    assert moved.kind == "same"
    new, gone = follow_up(before, after, nearest_mm=6.9)
    assert (new.kind, gone.kind) == ("new", "gone")


def test_other_grids_meet_in_world_coordinates():
    """The later scan has voxels of 2 x 1 x 0.5 mm and begins 8 mm further along x."""
    before = masked(blocks((6, 6, 10, 4)))  # x from 10 to 13: RAS right -10 to -13
    later = np.zeros((10, 20, 40), np.uint16)
    later[3:5, 6:10, 4:12] = 7  # x = 8 + 2 .. 8 + 5.5 mm
    after = masked(later, (2, 1, 0.5), (-8, 0, 0))
    (same,) = follow_up(before, after)
    assert (same.before, same.after) == ((1,), (7,))
    assert (same.before_ml, same.after_ml) == pytest.approx((0.064, 0.064))
    assert same.growth_percent == pytest.approx(0)
    elsewhere = masked(later, (2, 1, 0.5), (-30, 0, 0))
    assert [c.kind for c in follow_up(before, elsewhere)] == ["new", "gone"]


def test_nothing_at_either_time():
    empty = masked(blocks())
    assert follow_up(empty, empty) == []


def test_an_anomaly_map_is_no_mask():
    with pytest.raises(MedadError, match="earlier mask holds float32"):
        follow_up(masked(np.zeros((2, 2, 2), np.float32)), masked(blocks()))


def test_the_table(tmp_path):
    changes = follow_up(masked(blocks((5, 5, 5, 2))), masked(blocks((4, 4, 4, 4))))
    save_follow_up(changes, tmp_path / "followup.csv")
    with (tmp_path / "followup.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row == {
        "change": "same",
        "before": "1",
        "after": "1",
        "before_ml": "0.008",
        "after_ml": "0.064",
        "growth_ml": "0.056",
        "growth_percent": "700.0",
    }
