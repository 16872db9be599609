"""Folders of maps and truths: pairs, policies, other grids, and every kind of bad input."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_medad.errors import MedadError
from napari_medad.evaluation.folder import evaluate_folder, write_patients, write_slices
from napari_medad.evaluation.pairing import Reading, find_maps, lesion_of
from napari_medad.results.run_record import RunRecord
from napari_medad.volumes.nifti import read_nifti, write_nifti
from napari_medad.volumes.volume import Volume

AFFINE = np.eye(4)
AFFINE[:3, :3] = Rotation.from_euler("xyz", (8, -5, 12), degrees=True).as_matrix()
AFFINE[:3, :3] *= (-1.9, 2.1, 3.0)
AFFINE[:3, 3] = 30, -20, 5
"""Oblique, anisotropic, flipped."""
SHAPE = (8, 12, 10)


def _write(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    import nibabel as nib

    nib.save(nib.Nifti1Image(array.T, affine), path)


def _patient(folder: Path, name: str, *, seed: int = 0, threshold: float = 0.55) -> np.ndarray:
    """A map with its record and a truth with labels 1 and 2; answers the truth."""
    rng = np.random.default_rng(seed)
    truth = np.zeros(SHAPE, np.uint8)
    truth[2:5, 3:7, 2:6] = 1
    truth[3, 4, 3] = 2
    scores = (rng.uniform(0.1, 0.6, SHAPE) + 0.3 * (truth > 0)).astype(np.float32)
    _write(folder / "maps" / name / f"{name}_moe_anomaly.nii.gz", scores)
    record = RunRecord(detector="moe", volume="t2f", case=name, threshold_value=threshold)
    (folder / "maps" / name / f"{name}_moe_record.json").write_text(record.model_dump_json())
    _write(folder / "truth" / f"{name}-seg.nii.gz", truth)
    return truth


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three patients."""
    for seed, name in enumerate(("a", "b", "c")):
        _patient(tmp_path, name, seed=seed, threshold=0.5 + 0.02 * seed)
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


def test_policies_come_from_what_is_given(folder: Path) -> None:
    maps, truth = folder / "maps", folder / "truth"
    assert evaluate_folder(maps, truth, threshold=0.5).evaluation.policy == "fixed"
    other = folder / "other"
    _patient(other, "v", seed=9)
    held = evaluate_folder(maps, truth, validation=(other / "maps", other / "truth")).evaluation
    assert held.policy == "validation"
    pooled = evaluate_folder(other / "maps", other / "truth", policy="test pool").evaluation
    assert held.patients[0].threshold == pooled.pooled.f1_max_threshold
    with pytest.raises(MedadError, match="Patient a is in the validation and in the test part"):
        evaluate_folder(maps, truth, validation=(maps, truth))
    with pytest.raises(MedadError, match="--validation-map"):
        evaluate_folder(maps, truth, policy="validation")


def test_tables_hold_a_row_a_patient_and_a_row_a_slice(folder: Path) -> None:
    told = evaluate_folder(folder / "maps", folder / "truth", threshold=0.99).evaluation
    rows = _rows(write_patients(told, folder / "patients.csv"))
    assert [row["patient"] for row in rows] == ["a", "b", "c"]
    assert float(rows[0]["dice"]) == told.patients[0].dice
    assert rows[0]["hausdorff95_mm"] == ""
    slices = _rows(write_slices(told, folder / "slices.csv"))
    assert [row["z"] for row in slices[:3]] == ["2", "3", "4"]


def test_labels_choose_what_is_lesion(folder: Path) -> None:
    options = {"threshold": 0.5, "surface": False}
    two = evaluate_folder(folder / "maps", folder / "truth", reading=Reading((2,)), **options)
    assert two.evaluation.pooled.lesion_voxels == 3
    assert any("Labels 2" in note for note in two.evaluation.notes)
    with pytest.raises(MedadError, match=r"a-seg.nii.gz has no label 4; it has 1, 2"):
        evaluate_folder(folder / "maps", folder / "truth", reading=Reading((4,)), **options)
    with pytest.raises(MedadError, match="is not a mask: it holds values such as 0.4"):
        lesion_of(np.array([0.0, 0.4]), Path("soft.nii.gz"))


def test_other_grids_are_refused_or_resampled(folder: Path) -> None:
    path = folder / "maps/a/a_moe_anomaly.nii.gz"
    scores = read_nifti(path).array
    finer = AFFINE.copy()
    finer[:3, :3] /= 2
    doubled = scores.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    finer[:3, 3] -= AFFINE[:3, :3] @ np.full(3, 0.25)
    import nibabel as nib

    raw = np.asarray(nib.load(path).dataobj)
    nib.save(nib.Nifti1Image(raw.repeat(2, 0).repeat(2, 1).repeat(2, 2), finer), path)
    assert doubled.shape == (16, 24, 20)
    with pytest.raises(MedadError, match="same voxels.*--resample"):
        evaluate_folder(folder / "maps", folder / "truth")
    reading = Reading(resample=True)
    told = evaluate_folder(folder / "maps", folder / "truth", reading=reading, threshold=0.55)
    plain = folder / "plain"
    _patient(plain, "a", seed=0)
    before = evaluate_folder(plain / "maps", plain / "truth", threshold=0.55).evaluation
    assert told.evaluation.patients[0].dice == pytest.approx(before.patients[0].dice, abs=1e-6)


def test_air_counts_only_when_asked(folder: Path) -> None:
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
    _write(folder / "brain" / "a.nii.gz", np.flip(mask, 2).astype(np.uint8))
    masked = evaluate_folder(one, folder / "truth", mask=folder / "brain", **options).evaluation
    assert masked.pooled.voxels == mask.sum()


def test_untrained_maps_are_told(folder: Path) -> None:
    path = folder / "maps/a/a_moe_record.json"
    record = RunRecord.read(path)
    record.weights.state = "untrained"
    path.write_text(record.model_dump_json())
    told = evaluate_folder(folder / "maps", folder / "truth", surface=False).evaluation
    assert any(note.startswith("UNTRAINED: 1 of 3") for note in told.notes)


def test_bad_folders_are_told_in_a_sentence(folder: Path) -> None:
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
    _write(truth / "b_mask.nii.gz", np.zeros(SHAPE, np.uint8))
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
