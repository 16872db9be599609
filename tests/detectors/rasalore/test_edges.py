"""The guided filter against its definition, and what it does to a map."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_medad.detectors.rasalore import edges
from napari_medad.detectors.rasalore.edges import SOFTNESS, follow_edges
from napari_medad.detectors.rasalore.framing import Framing

RADIUS = (1, 2, 1)


def by_definition(image: np.ndarray, p: np.ndarray, place: tuple[int, ...]) -> float:
    """Of all windows over a voxel, the mean of what their best fits a I + b say of it."""
    said = []
    for shift in np.ndindex(*(2 * r + 1 for r in RADIUS)):
        middle = [x + s - r for x, s, r in zip(place, shift, RADIUS, strict=True)]
        window = tuple(slice(x - r, x + r + 1) for x, r in zip(middle, RADIUS, strict=True))
        i, q = image[window].ravel(), p[window].ravel()
        a = ((i * q).mean() - i.mean() * q.mean()) / (i.var() + SOFTNESS)
        said.append(a * image[place] + q.mean() - a * i.mean())
    return float(np.mean(said))


def test_every_voxel_is_the_mean_of_linear_fits() -> None:
    rng = np.random.default_rng(0)
    image = rng.uniform(-2, 2, (8, 14, 10)).astype(np.float32)
    p = rng.uniform(0.3, 0.7, image.shape).astype(np.float32)
    found = p.copy()
    follow_edges(found, 40 * image + 200, np.ones(image.shape, bool), (200.0, 40.0), RADIUS)
    for place in ((3, 6, 5), (4, 8, 4), (3, 5, 6)):
        assert found[place] == pytest.approx(by_definition(image, p, place), abs=1e-5)


def test_a_coarse_border_goes_to_that_of_the_image() -> None:
    image = np.zeros((5, 40, 40), np.float32)
    image[:, 12:28, 12:28] = 4  # robust standard deviations
    lesion, everywhere = image > 0, np.ones(image.shape, bool)
    coarse = gaussian_filter(lesion.astype(np.float32), (0, 3, 3))
    guided, averaged = coarse.copy(), coarse.copy()
    follow_edges(guided, image, everywhere, (0.0, 1.0), (1, 3, 3))
    follow_edges(averaged, np.zeros_like(image), everywhere, (0.0, 1.0), (1, 3, 3))
    jump = [float(map_[2, 20, 12] - map_[2, 20, 11]) for map_ in (guided, coarse, averaged)]
    assert jump[0] > 2 * jump[1] > 2 * jump[2]


def test_what_a_single_slice_says_is_weighed_by_its_neighbours() -> None:
    map_ = np.zeros((9, 20, 20), np.float32)
    map_[4, 5:15, 5:15] = 0.9
    alone = map_.copy()
    flat = np.zeros(map_.shape, np.float32)
    follow_edges(alone, flat, np.ones(map_.shape, bool), (0.0, 1.0), (1, 2, 2))
    assert alone[4, 10, 10] == pytest.approx(0.9 / 3, abs=1e-5)  # a mean over three, twice
    map_[3:6] = map_[4]
    follow_edges(map_, flat, np.ones(map_.shape, bool), (0.0, 1.0), (1, 2, 2))
    assert map_[4, 10, 10] == pytest.approx(0.9 * 7 / 9, abs=1e-5)


def test_slabs_do_not_show_and_nothing_is_said_outside(monkeypatch) -> None:
    rng = np.random.default_rng(1)
    image = rng.normal(100, 10, (40, 24, 20)).astype(np.float32)
    image[3, 3, 3] = np.nan
    map_ = rng.uniform(0, 1, image.shape).astype(np.float32)
    inside = np.zeros(image.shape, bool)
    inside[:, 4:20, 4:16] = True
    map_ *= inside
    whole, pieces = map_.copy(), map_.copy()
    follow_edges(whole, image, inside, (100.0, 10.0), (2, 2, 2))
    monkeypatch.setattr(edges, "SLAB", 7)
    follow_edges(pieces, image, inside, (100.0, 10.0), (2, 2, 2))
    assert np.allclose(whole, pieces, atol=1e-5)
    assert not whole[~inside].any()
    assert 0 < whole[inside].min() <= whole.max() <= 1
    empty = np.zeros_like(map_)
    follow_edges(empty, image, inside, (100.0, 10.0), (2, 2, 2))
    assert not empty.any()


def test_windows_are_millimetres() -> None:
    framing = Framing("volume", edge_mm=4.0)
    assert framing.reach((1.0, 1.0, 1.0)) == (4, 4, 4)
    assert framing.reach((6.0, 0.5, 0.9)) == (1, 8, 4)
    assert framing.reach((10.0, 12.0, 12.0)) == (0, 1, 1)
