"""Synthetic brains: deterministic, different, plausible, with a truth that is true."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medad.errors import MedadError
from napari_medad.volumes.modality import modality_of
from napari_medad.volumes.phantom import brain as phantom_brain
from napari_medad.volumes.phantom import make_brain, write_sample
from napari_medad.volumes.phantom.anatomy import make_anatomy, template
from napari_medad.volumes.phantom.brain import CONTRASTS
from napari_medad.volumes.phantom.contrast import Acquisition
from napari_medad.volumes.phantom.lesions import lesion_kinds
from napari_medad.volumes.reader import read_study

CLEAN = Acquisition(shading=0.0, thickness=1.0, blur=0.2, noise=0.005)


def test_the_template_comes_from_the_installed_package_and_is_a_brain():
    channels, affine = template()
    gm, wm, csf, texture = channels
    litres = channels[:3].sum(axis=(1, 2, 3)) * abs(np.linalg.det(affine[:3, :3])) / 1e6
    assert litres.sum() == pytest.approx(1.8, abs=0.3)
    assert gm.sum() > wm.sum() > csf.sum()
    assert abs(texture).max() <= 1
    # display orientation: the frontal pole is anterior (small y), the cerebellum inferior
    assert (np.diag(affine)[:3] < [0, 0, np.inf]).all()
    assert affine[2, 2] > 0


def test_tissues_share_every_voxel_of_the_brain():
    anatomy = make_anatomy(np.random.default_rng(0), spacing=4.0)
    total = anatomy.tissues.sum(axis=0)
    assert total[anatomy.brain].min() > 0.5
    assert total.max() < 1.01
    assert anatomy.tissues.min() >= 0
    assert anatomy.spacing == 4


def test_the_same_seed_gives_the_same_voxels_and_another_a_different_brain():
    first, again, other = (
        make_brain(seed, contrasts=("t1n",), spacing=4.0).study.volume().array for seed in (5, 5, 6)
    )
    assert np.array_equal(first, again)
    assert ((first > 0) != (other > 0)).mean() > 0.02


def test_contrasts_show_the_tissues_as_scanners_do():
    rng = np.random.default_rng(2)
    brain = make_brain(2, spacing=3.0, acquisition=CLEAN)
    gm, wm, csf = make_anatomy(rng, 3.0).tissues > 0.9  # what seed 2 draws first
    mean = {
        c: [float(brain.study.volume(c).array[t].mean()) for t in (gm, wm, csf)] for c in CONTRASTS
    }
    for contrast in ("t1n", "t1c"):
        assert mean[contrast][1] > mean[contrast][0] > mean[contrast][2]
    assert mean["t2w"][2] > mean["t2w"][0] > mean["t2w"][1]
    assert mean["t2f"][0] > mean["t2f"][1] > mean["t2f"][2]


def test_a_healthy_brain_has_no_truth_and_air_around_it_is_zero():
    brain = make_brain(1, spacing=4.0)
    assert not brain.truth.any()
    assert brain.lesions == []
    assert set(brain.study.volumes) == set(CONTRASTS)
    for volume in brain.study.volumes.values():
        assert volume.array.dtype == np.int16
        assert 0.2 < (volume.array > 0).mean() < 0.7
        assert not volume.array[:, [0, -1]][:, :, [0, -1]].any()


@pytest.mark.parametrize("kind", sorted(lesion_kinds()))
def test_every_kind_of_lesion_is_drawn_where_the_truth_says(kind):
    healthy = {"lesions": (), "acquisition": CLEAN, "spacing": 3.0, "contrasts": ("t2w", "t2f")}
    for seed in range(5):
        brain = make_brain(seed, **(healthy | {"lesions": (kind,)}))
        if np.count_nonzero(brain.truth) > 5:
            break
    assert {lesion.kind for lesion in brain.lesions} == {kind}
    inside = brain.study.volume().array > 0
    assert not brain.truth[~inside].any()
    assert brain.truth.max() <= len(lesion_kinds()[kind]["parts"])
    lesion, rest = brain.truth > 0, inside & (brain.truth == 0)
    array = brain.study.volume("t2f").array
    assert abs(np.median(array[lesion]) - np.median(array[rest])) > 0.1 * np.median(array[rest])


def test_a_ring_enhances_around_a_dark_core_within_bright_oedema():
    brain = make_brain(11, lesions=("tumour",), spacing=2.0, acquisition=CLEAN)
    core, ring, oedema = (brain.truth == level for level in (1, 2, 3))
    t1c, t2f = (brain.study.volume(c).array.astype(float) for c in ("t1c", "t2f"))
    healthy = (t2f > 0) & (brain.truth == 0)
    assert t1c[ring].mean() > 1.2 * t1c[healthy].mean() > 1.2 * t1c[core].mean()
    assert t2f[oedema].mean() > 1.3 * t2f[healthy].mean()


def test_an_unknown_kind_is_one_sentence():
    with pytest.raises(MedadError, match="There is no kind of lesion 'boil'; there are: tumour"):
        make_brain(0, lesions=("boil",))


def test_the_sample_reads_back_as_a_patient_of_four_contrasts(tmp_path, monkeypatch):
    small = make_brain(
        phantom_brain.SAMPLE_SEED,
        lesions=("tumour",),
        spacing=4.0,
        name=phantom_brain.SAMPLE_NAME,
    )
    monkeypatch.setattr(phantom_brain, "sample_study", lambda: small)
    case = write_sample(tmp_path)
    study = read_study(case)
    assert study.name == "synthetic-patient"
    assert set(study.volumes) == set(CONTRASTS)
    for name, volume in study.volumes.items():
        assert np.array_equal(volume.array, small.study.volume(name).array)
        assert np.allclose(volume.affine, small.study.volume().affine)
    assert modality_of("synthetic-patient-t1c") == "t1c"
    assert (case / "synthetic-patient-seg.nii.gz").is_file()
