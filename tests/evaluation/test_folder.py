"""Folders of maps and truths: pairs, policies, other grids, and every kind of bad input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_medad.errors import MedadError
from napari_medad.evaluation.folder import Maps, evaluate_folder, evaluate_several
from napari_medad.evaluation.pairing import Reading, find_maps, lesion_of
from napari_medad.results.run_record import RunRecord
from napari_medad.volumes.nifti import read_nifti, write_nifti
from napari_medad.volumes.volume import Volume

SHAPE = (8, 12, 10)
Add = Callable[..., None]
Write = Callable[..., None]


@pytest.fixture
def folder(tmp_path: Path, add_patient: Add) -> Path:
    """Three patients."""
    for seed, name in enumerate(("a", "b", "c")):
        add_patient(tmp_path, name, seed=seed, threshold=0.5 + 0.02 * seed)
    return tmp_path


def test_every_map_meets_the_truth_of_its_patient(folder: Path) -> None:
    told = evaluate_folder(folder / "maps", folder / "truth").evaluation
    assert (told.name, told.policy) == ("moe", "run")
    assert [p.patient for p in told.patients] == ["a", "b", "c"]
    for patient, cut in zip(told.patients, (0.5, 0.52, 0.54), strict=True):
        name = patient.patient
        scores = read_nifti(folder / f"maps/{name}/{name}_moe_anomaly.nii.gz").array
        truth = read_nifti(folder / f"truth/{name}-seg.nii.gz").array > 0
        found = scores > np.float32(cut)
        assert patient.dice == pytest.approx(2 * (found & truth).sum() / (found.sum() + 48))
        assert patient.lesion_ml == pytest.approx(48 * 1.9 * 2.1 * 3 / 1000)


def test_policies_come_from_what_is_given(folder: Path, add_patient: Add) -> None:
    maps, truth = folder / "maps", folder / "truth"
    assert evaluate_folder(maps, truth, threshold=0.5).evaluation.policy == "fixed"
    other = folder / "other"
    add_patient(other, "v", seed=9)
    held = evaluate_folder(maps, truth, validation=(other / "maps", other / "truth")).evaluation
    assert held.policy == "validation"
    pooled = evaluate_folder(other / "maps", other / "truth", policy="test pool").evaluation
    assert held.patients[0].threshold == pooled.pooled.f1_max_threshold
    with pytest.raises(MedadError, match="Patient a is in the validation and in the test part"):
        evaluate_folder(maps, truth, validation=(maps, truth))
    with pytest.raises(MedadError, match="Give a threshold or validation maps, not both"):
        evaluate_folder(maps, truth, validation=(other / "maps", other / "truth"), threshold=0.5)
    healthy = folder / "healthy"
    add_patient(healthy, "h", lesion=False)
    with pytest.raises(MedadError, match="No validation volume has a lesion"):
        evaluate_folder(maps, truth, validation=(healthy / "maps", healthy / "truth"))
    with pytest.raises(MedadError, match="No volume has a lesion, so no threshold is best"):
        evaluate_folder(healthy / "maps", healthy / "truth", policy="test pool")
    with pytest.raises(MedadError, match="--validation-map"):
        evaluate_folder(maps, truth, policy="validation")


def test_a_threshold_goes_to_the_policy_that_takes_it(folder: Path) -> None:
    maps, truth = folder / "maps", folder / "truth"
    policies = ("fixed", "run", "test pool", "each volume")
    told = evaluate_several([Maps(maps)], truth, policies=policies, threshold=0.5, surface=False)
    assert [one.evaluation.policy for one in told] == [*policies]
    assert [one.evaluation.oracle for one in told] == [False, False, True, True]
    assert {p.threshold for p in told[0].evaluation.patients} == {0.5}
    with pytest.raises(MedadError, match="only the policy 'fixed' takes one"):
        evaluate_folder(maps, truth, policy="test pool", threshold=0.5)
    with pytest.raises(MedadError, match="only the policy 'fixed' takes one"):
        evaluate_several([Maps(maps)], truth, policies=("run",), threshold=0.5)
    with pytest.raises(MedadError, match="needs a threshold"):
        evaluate_folder(maps, truth, policy="fixed")


def test_detectors_of_one_name_are_told_apart_and_must_have_the_same_patients(
    folder: Path, add_patient: Add
) -> None:
    other = folder / "again"
    for seed, name in enumerate(("a", "b", "c")):
        add_patient(other, name, seed=seed + 50)
    seen: list[tuple[int, int]] = []
    told = evaluate_several(
        [Maps(folder / "maps"), Maps(other / "maps")],
        folder / "truth",
        progress=lambda now: seen.append((now.done, now.total)),
        surface=False,
    )
    assert [one.evaluation.name for one in told] == ["moe (1)", "moe (2)"]
    assert seen == [(n, 12) for n in range(1, 13)]
    named = (other / "maps").rename(other / "second")
    told = evaluate_several([Maps(folder / "maps"), Maps(named)], folder / "truth", surface=False)
    assert [one.evaluation.name for one in told] == ["moe (maps)", "moe (second)"]
    (named / "c/c_moe_anomaly.nii.gz").unlink()
    with pytest.raises(MedadError, match="not of the same patients: c is in one alone"):
        evaluate_several([Maps(folder / "maps"), Maps(named)], folder / "truth")


def test_labels_choose_what_is_lesion(folder: Path) -> None:
    options = {"threshold": 0.5, "surface": False}
    two = evaluate_folder(folder / "maps", folder / "truth", reading=Reading((2,)), **options)
    assert two.evaluation.pooled.lesion_voxels == 3
    assert any("Labels 2" in note for note in two.evaluation.notes)
    with pytest.raises(MedadError, match=r"a-seg.nii.gz has no label 4; it has 1, 2"):
        evaluate_folder(folder / "maps", folder / "truth", reading=Reading((4,)), **options)
    with pytest.raises(MedadError, match="is not a mask: it holds values such as 0.4"):
        lesion_of(np.array([0.0, 0.4]), Path("soft.nii.gz"))


def test_other_grids_are_refused_or_resampled(folder: Path, add_patient: Add) -> None:
    path = folder / "maps/a/a_moe_anomaly.nii.gz"
    scores = read_nifti(path).array
    raw = nib.load(path)
    finer = raw.affine.copy()
    finer[:3, :3] /= 2
    doubled = scores.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    finer[:3, 3] -= raw.affine[:3, :3] @ np.full(3, 0.25)
    nib.save(
        nib.Nifti1Image(
            raw.get_fdata().astype(np.float32).repeat(2, 0).repeat(2, 1).repeat(2, 2), finer
        ),
        path,
    )
    assert doubled.shape == (16, 24, 20)
    with pytest.raises(MedadError, match="same voxels.*--resample"):
        evaluate_folder(folder / "maps", folder / "truth")
    reading = Reading(resample=True)
    told = evaluate_folder(folder / "maps", folder / "truth", reading=reading, threshold=0.55)
    plain = folder / "plain"
    add_patient(plain, "a", seed=0)
    before = evaluate_folder(plain / "maps", plain / "truth", threshold=0.55).evaluation
    assert told.evaluation.patients[0].dice == pytest.approx(before.patients[0].dice, abs=1e-6)


def test_air_counts_only_when_asked(folder: Path, write: Write) -> None:
    path = folder / "maps/a/a_moe_anomaly.nii.gz"
    volume = read_nifti(path)
    scores = volume.array.copy()
    scores[:, :, :2] = 0
    write_nifti(scores, volume, path)
    one, options = folder / "maps" / "a", {"threshold": 0.5, "surface": False}
    inside = evaluate_folder(one, folder / "truth", **options).evaluation
    whole = evaluate_folder(
        one, folder / "truth", reading=Reading(whole_grid=True), **options
    ).evaluation
    assert whole.pooled.voxels == np.prod(SHAPE)
    assert inside.pooled.voxels < whole.pooled.voxels
    mask = (np.arange(SHAPE[2]) > 4)[None, None, :] & np.ones(SHAPE, bool)
    write(folder / "brain" / "a.nii.gz", np.flip(mask, 2).astype(np.uint8))
    masked = evaluate_folder(one, folder / "truth", mask=folder / "brain", **options).evaluation
    assert masked.pooled.voxels == mask.sum()


def test_untrained_maps_are_told(folder: Path) -> None:
    path = folder / "maps/a/a_moe_record.json"
    record = RunRecord.read(path)
    record.weights.state = "untrained"
    path.write_text(record.model_dump_json())
    told = evaluate_folder(folder / "maps", folder / "truth", surface=False).evaluation
    assert any(note.startswith("UNTRAINED: 1 of 3") for note in told.notes)


def test_bad_folders_are_told_in_a_sentence(folder: Path, write: Write) -> None:
    maps, truth = folder / "maps", folder / "truth"
    with pytest.raises(MedadError, match="check the path of the maps"):
        find_maps(folder / "nowhere")
    (folder / "empty").mkdir()
    with pytest.raises(MedadError, match="holds no anomaly map"):
        find_maps(folder / "empty")
    (truth / "b-seg.nii.gz").rename(truth / "x-seg.nii.gz")
    with pytest.raises(MedadError, match="holds no truth of patient b; call it b.nii.gz"):
        evaluate_folder(maps, truth)
    (truth / "x-seg.nii.gz").rename(truth / "b-seg.nii.gz")
    write(truth / "b_mask.nii.gz", np.zeros(SHAPE, np.uint8))
    with pytest.raises(MedadError, match="are both a truth of patient b"):
        evaluate_folder(maps, truth)


def test_two_maps_of_one_patient_are_refused_or_chosen(folder: Path) -> None:
    name = folder / "maps/a/a_moe"
    for kind in ("anomaly.nii.gz", "record.json"):
        source = Path(f"{name}_{kind}")
        (source.with_name(f"a_vand_{kind}")).write_bytes(source.read_bytes())
    path = folder / "maps/a/a_vand_record.json"
    path.write_text(RunRecord.read(path).model_copy(update={"detector": "vand"}).model_dump_json())
    with pytest.raises(MedadError, match=r"both of patient a; choose one with --detector \(moe, v"):
        evaluate_folder(folder / "maps", folder / "truth")
    assert len(find_maps(folder / "maps", "moe")) == 3
    with pytest.raises(MedadError, match="no anomaly map of ddpt"):
        find_maps(folder / "maps", "ddpt")


def test_maps_without_a_record_need_a_threshold(tmp_path: Path) -> None:
    volume = Volume(np.ones((2, 3, 4), np.float32), np.eye(4))
    for kind in ("maps", "truth"):
        (tmp_path / kind).mkdir()
        write_nifti(volume.array, volume, tmp_path / kind / "p.nii.gz")
    with pytest.raises(MedadError, match="no run record.*--threshold"):
        evaluate_folder(tmp_path / "maps", tmp_path / "truth")
    told = evaluate_folder(tmp_path / "maps", tmp_path / "truth", threshold=0.5).evaluation
    assert told.name == "maps"
    assert told.patients[0].dice == 1


def test_a_map_with_nan_is_told_with_its_patient(folder: Path, write: Write) -> None:
    path = folder / "maps/b/b_moe_anomaly.nii.gz"
    scores = read_nifti(path).array
    scores[0, 0, 0] = np.nan
    write_nifti(scores, read_nifti(path), path)
    with pytest.raises(MedadError, match="b: the map holds NaN or infinite voxels"):
        evaluate_folder(folder / "maps", folder / "truth")


def test_grids_that_do_not_meet_are_told(folder: Path, write: Write) -> None:
    far = np.diag([1.0, 1, 1, 1])
    far[:3, 3] = 5000
    write(folder / "truth/a-seg.nii.gz", np.ones((3, 3, 3), np.uint8), far)
    with pytest.raises(MedadError, match="does not overlap"):
        evaluate_folder(folder / "maps", folder / "truth", reading=Reading(resample=True))


def test_a_truth_without_lesion_is_measured_and_told(folder: Path, add_patient: Add) -> None:
    add_patient(folder, "d", lesion=False)
    told = evaluate_folder(folder / "maps", folder / "truth", surface=False).evaluation
    healthy = told.patients[3]
    assert (healthy.dice, healthy.sensitivity, healthy.lesions) == (0, None, 0)
    assert any(note.startswith("1 of 4 volumes have no lesion") for note in told.notes)
    assert told.images is not None
    assert told.images.auroc is not None


def test_labels_on_a_sheared_grid_are_never_mixed(tmp_path: Path, write: Write) -> None:
    sheared = np.array([[1.0, 0, 0, 0], [0, 1, 0.4, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
    truth = np.zeros((9, 12, 10), np.uint8)
    truth[3:6, 3:8, 3:8] = 4
    write(tmp_path / "t.nii.gz", truth, sheared)
    write(tmp_path / "maps/t.nii.gz", truth.astype(np.float32), sheared)
    told = evaluate_folder(
        tmp_path / "maps", tmp_path / "t.nii.gz", reading=Reading((4,)), threshold=2.0
    ).evaluation
    mixed = read_nifti(tmp_path / "t.nii.gz").array
    assert set(np.unique(mixed)) > {0, 4}  # linear: what a label must not become
    assert told.pooled.lesion_voxels == pytest.approx(75, abs=10)
    assert told.patients[0].dice is not None
    assert told.patients[0].dice > 0.9
