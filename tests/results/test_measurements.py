"""Diameters and distances against lengths worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medad.errors import MedadError
from napari_medad.results.measurements import (
    diameters,
    distance_mm,
    finding_diameters,
    gap_mm,
)


def test_a_row_of_voxels_is_as_long_as_its_voxels():
    mask = np.zeros((3, 4, 9), bool)
    mask[1, 2, 2:7] = True
    found = diameters(mask, (5, 3, 2))
    assert found.longest_mm == pytest.approx(10)
    assert found.perpendicular_mm == pytest.approx(3)
    assert found.slice == 1
    assert sorted(end[2] for end in found.ends) == pytest.approx([1.5, 6.5])
    assert {end[:2] for end in found.ends} == {(1, 2)}


def test_one_voxel():
    found = diameters(np.ones((1, 1, 1), bool), (1, 3, 2))
    assert (found.longest_mm, found.perpendicular_mm) == pytest.approx((3, 2))


def test_a_rectangle_of_4_by_3():
    """Its outline's corners are the middles of outer faces: 4 along x and 2 along y apart."""
    found = diameters(np.ones((1, 3, 4), bool), (1, 1, 1))
    assert found.longest_mm == pytest.approx(np.hypot(4, 2))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 0.5, 0.8)])
def test_an_ellipse_in_millimetres(axis, spacing):
    """Half axes of 20 and 12 mm, turned by 30 degrees, in the slice of the largest section."""
    shape = [int(60 / s) for s in spacing]
    grid = [(np.arange(n) - n // 2) * s for n, s in zip(shape, spacing, strict=True)]
    grids = list(np.meshgrid(*grid, indexing="ij"))
    depth = grids.pop(axis)
    u = np.cos(np.pi / 6) * grids[0] + np.sin(np.pi / 6) * grids[1]
    v = -np.sin(np.pi / 6) * grids[0] + np.cos(np.pi / 6) * grids[1]
    mask = (u / 20) ** 2 + (v / 12) ** 2 + (depth / 15) ** 2 <= 1
    found = diameters(mask, spacing, axis)
    voxel = max(np.delete(spacing, axis))
    assert abs(found.slice - shape[axis] // 2) * spacing[axis] <= 2.5  # nearly as long there
    assert found.longest_mm == pytest.approx(40, abs=voxel)
    assert found.perpendicular_mm == pytest.approx(24, abs=voxel)
    lines = [
        np.diff(np.array(e) * spacing, axis=0)[0] for e in (found.ends, found.perpendicular_ends)
    ]
    assert lines[0] @ lines[1] == pytest.approx(0, abs=1e-6)
    assert [np.linalg.norm(line) for line in lines] == pytest.approx(
        [found.longest_mm, found.perpendicular_mm]
    )


def test_agrees_with_every_pair_of_points():
    rng = np.random.default_rng(2)
    spacing = (3.0, 0.7, 1.3)
    faces = np.array([[0.5, 0], [-0.5, 0], [0, 0.5], [0, -0.5]])
    for _ in range(10):
        mask = rng.random((3, 9, 8)) > 0.7
        longest = 0.0
        for plane in mask:
            points = ((np.argwhere(plane)[:, None] + faces).reshape(-1, 2)) * spacing[1:]
            apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
            longest = max(longest, apart.max(initial=0))
        assert diameters(mask, spacing).longest_mm == pytest.approx(longest)


def test_of_a_finding_in_its_scan(volume):
    mask = np.zeros(volume.array.shape, np.uint16)  # voxels of 3 x 2 x 1 mm
    mask[7, 3:8, 5] = 2
    mask[2, 2, 2] = 1
    found = finding_diameters(mask, 2, volume)
    assert (found.longest_mm, found.perpendicular_mm, found.slice) == pytest.approx((10, 1, 7))
    assert sorted(found.ends) == [(7, 2.5, 5), (7, 7.5, 5)]
    assert distance_mm(volume, (2, 2, 2), (7, 3, 5)) == pytest.approx(np.sqrt(15**2 + 2**2 + 3**2))
    assert gap_mm(mask, 1, 2, volume) == pytest.approx(np.sqrt(15**2 + 2**2 + 3**2))


def test_what_is_not_there_is_named(volume):
    mask = np.zeros(volume.array.shape, np.uint16)
    with pytest.raises(MedadError, match="empty finding"):
        diameters(mask > 0, volume.spacing)
    with pytest.raises(MedadError, match="no finding 1"):
        finding_diameters(mask, 1, volume)
    with pytest.raises(MedadError, match="no finding 1"):
        gap_mm(mask, 1, 2, volume)
