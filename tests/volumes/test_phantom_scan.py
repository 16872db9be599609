"""Scans for learning: detail that the template lacks, lesions of every strength, whole heads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_medad.volumes.phantom import make_brain
from napari_medad.volumes.phantom.anatomy import Anatomy, make_anatomy
from napari_medad.volumes.phantom.contrast import clean_image, contrasts
from napari_medad.volumes.phantom.detail import depth_of, folded, smooth_noise, vessels
from napari_medad.volumes.phantom.head import ABOVE, BELOW, with_head
from napari_medad.volumes.phantom.lesions import Variety, draw_lesions, plan_lesions
from napari_medad.volumes.phantom.lining import lining_distance, ventricles
from napari_medad.volumes.phantom.scan import RANDOM, planes_of, scan, wider


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return make_anatomy(np.random.default_rng(0), spacing=3.0)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_planes_lie_where_they_were_and_average_their_neighbours(anatomy) -> None:
    planes = planes_of(anatomy, first=4, step=5, thickness=2)
    assert np.allclose(planes.tissues[:, 1], anatomy.tissues[:, 9:11].mean(axis=1), atol=1e-6)
    whole = anatomy.affine @ [7, 8, 4 + 5 * 3, 1]
    assert np.allclose(planes.affine @ [7, 8, 3, 1], whole)
    assert planes.spacing == anatomy.spacing


def test_folds_bring_fluid_near_the_surface_and_keep_every_voxel_whole(anatomy) -> None:
    shown = folded(anatomy, rng())
    assert np.allclose(shown.tissues.sum(axis=0), anatomy.tissues.sum(axis=0), atol=1e-5)
    assert shown.tissues.min() > -1e-6
    depth = depth_of(anatomy)
    more = shown.tissues[2] - anatomy.tissues[2]
    assert more[(depth > 0) & (depth < 8)].mean() > 0.005
    assert abs(more[depth > 30]).max() < 1e-6


def test_vessels_are_few_and_inside(anatomy) -> None:
    share = vessels(anatomy, rng())
    assert not share[~anatomy.brain].any()
    assert 0.001 < share[anatomy.brain].mean() < 0.3


def test_noise_is_smooth_within_planes_and_new_in_each() -> None:
    noise = smooth_noise(rng(), (6, 80, 70), sigma=6)
    assert noise.std() == pytest.approx(1, abs=0.3)
    beside = np.corrcoef(noise[:, :, 1:].ravel(), noise[:, :, :-1].ravel())[0, 1]
    above = np.corrcoef(noise[1:].ravel(), noise[:-1].ravel())[0, 1]
    assert beside > 0.95
    assert abs(above) < 0.5


@pytest.mark.parametrize("contrast", ["t2f", RANDOM])
def test_a_scan_shows_the_lesion_where_the_truth_says(anatomy, contrast) -> None:
    lesions = [replace(p, radii=p.radii + 8) for p in plan_lesions(rng(3), ("glioma",))]
    volume, truth = scan(anatomy, anatomy, contrast, lesions, rng(5))
    healthy, nothing = scan(anatomy, anatomy, contrast, [], rng(5))
    assert truth.any()
    assert not nothing.any()
    assert not truth[volume.array == 0].any()
    changed = np.abs(volume.array - healthy.array.astype(float))
    assert changed[truth].mean() > 2 * changed[~truth & (volume.array > 0)].mean()
    again, _ = scan(anatomy, anatomy, contrast, lesions, rng(5))
    assert np.array_equal(volume.array, again.array)


def test_faint_lesions_lie_where_plain_ones_do_and_show_less(anatomy) -> None:
    (lesion,) = plan_lesions(rng(3), ("glioma",))
    lesions = [replace(lesion, centre=np.array([35.0, -10, 25]), radii=np.full(3, 14.0))]
    image = clean_image(anatomy, "t2f", rng())
    plain, faint = {"t2f": image.copy()}, {"t2f": image.copy()}
    truth = draw_lesions(lesions, anatomy, plain)
    same = draw_lesions(lesions, anatomy, faint, Variety(faintest=0.3))
    assert np.array_equal(truth, same)
    strength = [np.abs(images["t2f"] - image)[truth > 0].mean() for images in (plain, faint)]
    assert 0.1 < strength[1] / strength[0] < 1


def test_lesions_of_scans_hardly_cross_the_falx(anatomy) -> None:
    (lesion,) = plan_lesions(rng(3), ("glioma",))
    lesion = replace(lesion, centre=np.array([-15.0, 0, 25], np.float32), radii=np.full(3, 30.0))
    image = {"t2f": clean_image(anatomy, "t2f", rng())}
    across = draw_lesions([lesion], anatomy, dict(image)) > 0
    kept = draw_lesions([lesion], anatomy, dict(image), Variety()) > 0
    x = np.arange(kept.shape[2]) * anatomy.affine[0, 0] + anatomy.affine[0, 3]
    assert across[..., x > 8].any()
    assert not kept[..., x > 8].any()
    assert np.array_equal(kept[..., x < 0], across[..., x < 0])


def test_ranges_grow_on_both_sides_and_stay_positive() -> None:
    for ranges in contrasts().values():
        grown = wider(ranges)
        assert set(grown) == set(ranges) - {"task"}
        for key, (low, high) in grown.items():
            assert low <= max(ranges[key][0], 0.05)
            assert high >= ranges[key][1]
            assert key == "texture" or low > 0


def test_a_head_surrounds_the_brain_and_leaves_it_where_it_was(anatomy) -> None:
    planes = planes_of(anatomy, 0, 4, 1)
    volume, _ = scan(planes, planes, "t1n", [], rng())
    truth = np.zeros(volume.array.shape, bool)
    truth[3, 20, 30] = True
    head, moved = with_head(volume, truth, rng())
    pad = (head.array.shape[1] - volume.array.shape[1]) // 2
    inner = head.array[BELOW:-ABOVE, pad:-pad, pad:-pad]
    brain = volume.array > 0
    assert np.array_equal(inner[brain], volume.array[brain])
    assert (head.array > 0).sum() > 1.2 * brain.sum()
    assert head.array[:BELOW].any()
    assert moved[3 + BELOW, 20 + pad, 30 + pad]
    assert moved.sum() == 1
    assert np.allclose(volume.to_ras((3, 20, 30)), head.to_ras((3 + BELOW, 20 + pad, 30 + pad)))


def test_brighter_lesions_lie_where_plain_ones_do_and_outshine_them(anatomy) -> None:
    (lesion,) = plan_lesions(rng(3), ("glioma",))
    lesion = replace(lesion, centre=np.array([35.0, -10, 25]), radii=np.full(3, 14.0))
    image = clean_image(anatomy, "t2f", rng())
    plain = {"t2f": image.copy()}
    truth = draw_lesions([lesion], anatomy, plain)
    usual, ratios = float((plain["t2f"] - 1)[truth > 0].mean()), []
    for seed in range(12):
        bright = {"t2f": image.copy()}
        same = draw_lesions([replace(lesion, seed=seed)], anatomy, bright, Variety(brightest=2.5))
        ratios.append(float((bright["t2f"] - 1)[same > 0].mean()) / usual)
    assert 1.5 < max(ratios) < 3.5  # seeds draw other intensities, too
    assert min(ratios) < 1


def test_whole_heads_have_eyes_of_fluid(anatomy) -> None:
    planes = planes_of(anatomy, 0, 4, 1)
    volume, truth = scan(planes, planes, "t2w", [], rng())
    head, _ = with_head(volume, truth, rng())
    typical = np.median(volume.array[volume.array > 0])
    to_index = np.linalg.inv(head.affine)
    for side in (-32.0, 32.0):
        x, y, z = np.rint(to_index @ [side, 58, -34, 1])[:3].astype(int)
        middle = head.array[z, y - 1 : y + 2, x - 1 : x + 2]
        assert middle.min() > 1.5 * typical
        assert middle.std() < 0.2 * middle.mean()


def test_bands_lie_along_the_ventricles_of_both_sides() -> None:
    brain = make_brain(0, lesions=("confluent",), contrasts=("t2f",), spacing=2.0)
    z, y, x = np.nonzero(brain.truth)
    right = brain.study.volume().to_ras(np.stack([z, y, x], -1))[:, 0] > 0
    assert 0.2 < right.mean() < 0.8
    assert brain.truth.astype(bool).sum() * 0.008 > 5  # mL


def test_ventricles_can_be_wide_and_uneven() -> None:
    narrow = make_anatomy(rng(), 3.0, ventricles=(0.3, 0.3))
    wide = make_anatomy(rng(), 3.0, ventricles=(-0.6, -0.6))
    middle = (slice(20, 34), slice(25, 45), slice(15, 40))
    assert wide.tissues[2][middle].sum() > 1.5 * narrow.tissues[2][middle].sum()
    uneven = make_anatomy(rng(), 3.0, ventricles=(-0.6, -0.6), uneven=0.9)
    assert not np.allclose(uneven.tissues, wide.tissues)


def test_a_lining_follows_the_ventricles_wall_and_is_as_thick_as_asked(anatomy) -> None:
    fluid = ventricles(anatomy)
    x = np.arange(fluid.shape[2]) * anatomy.affine[0, 0] + anatomy.affine[0, 3]
    assert 0.3 < (fluid.sum(axis=(0, 1))[x > 0]).sum() / fluid.sum() < 0.7
    assert not fluid[anatomy.tissues[2] < 0.5].any()
    assert not fluid[depth_of(anatomy) <= 14].any()  # sulci are no ventricles
    thin, thick = (lining_distance(anatomy, mm, rng()) < 1 for mm in (4.0, 12.0))
    assert not (thin & ~thick).any()
    away = np.stack([_away(plane) for plane in fluid]) * anatomy.spacing
    assert 2 < np.median(away[thick & ~fluid]) < 12
    assert not thick[~fluid.any(axis=(1, 2))].any()


def _away(fluid: np.ndarray) -> np.ndarray:
    """Pixels to the nearest fluid of a plane, by looking at all of it."""
    there, out = np.argwhere(fluid), np.full(fluid.shape, 1e3)
    if len(there):
        where = np.argwhere(np.ones_like(fluid))
        square = ((where[:, None] - there[None]) ** 2).sum(-1)
        out = np.sqrt(square.min(1)).reshape(fluid.shape)
    return out


@pytest.mark.parametrize("alike", [0.0, 1.0])
def test_lesions_of_one_disease_are_alike_where_they_should_be(anatomy, alike) -> None:
    (lesion, *_) = plan_lesions(rng(3), ("patches",))
    centres = [(side * 30.0, y, 25.0) for side in (-1, 1) for y in (-45, -15, 15)]
    lesions = [
        replace(lesion, centre=np.array(centre), radii=np.full(3, 9.0), seed=seed)
        for seed, centre in enumerate(centres)
    ]
    image = np.where(anatomy.brain, np.float32(1), 0)
    drawn = {"t2f": image.copy()}
    truth = draw_lesions(lesions, anatomy, drawn, Variety(0.45, 2.5, alike=alike)) > 0
    means = []
    for x, y, z in centres:
        to_index = np.linalg.inv(anatomy.affine) @ [x, y, z, 1]
        i, j, k = np.rint(to_index[2::-1]).astype(int)
        near = (slice(i - 1, i + 2), slice(j - 1, j + 2), slice(k - 1, k + 2))
        assert truth[near].any()
        means.append(drawn["t2f"][near][truth[near]].mean() - 1)
    apart = np.std(means) / np.mean(means)
    assert (apart < 0.15) if alike else (apart > 0.25)
