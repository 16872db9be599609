"""From slice labels to rasalore: every step kept, resumed, and wrong labels named."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_medad.cli import run
from napari_medad.errors import MedadError
from napari_medad.training import weak_to_strong
from napari_medad.training.manifest import read_manifest
from napari_medad.training.weak_to_strong import (
    Chain,
    WeakToStrong,
    labelled_examples,
    train_from_labels,
)
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.phantom import make_brain
from napari_medad.volumes.reader import read_volume
from napari_medad.weights.model_folder import ModelFolder

TEACHER = Chain("gradcam", {"epochs": 1, "size": 64, "batch_size": 8, "workers": 0})
QUICK = {
    "epochs": 1,
    "width": 2,
    "side": 8,
    "per_case": 2,
    "batch_size": 2,
    "healthy_share": 1.0,
    "objective": "exact",
    "optimiser_kind": "adamw",
    "learning_rate": 1e-4,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients at 4 mm, and a label for every second slice."""
    home = tmp_path_factory.mktemp("scans")
    rows = ["image,slice,label"]
    for seed in (1, 2):
        brain = make_brain(seed, lesions=("tumour",), spacing=4.0, contrasts=("t2f",))
        volume = brain.study.volume("t2f")
        write_nifti(volume.array, volume, home / f"p{seed}.nii.gz")
        shown = read_volume(home / f"p{seed}.nii.gz").array
        used = np.flatnonzero((shown > 0).any((1, 2)))
        abnormal = brain.truth.any(axis=(1, 2))
        rows += [f"p{seed}.nii.gz,{z},{int(abnormal[z])}" for z in used[::2]]
    (home / "labels.csv").write_text("\n".join(rows))
    return home


def test_labels_of_a_folders_images(folder: Path) -> None:
    first, second = labelled_examples(folder, folder / "labels.csv")
    assert first.label == 1
    assert set(first.slices.values()) == {0, 1}
    assert first.image != second.image


def test_pairs_and_words_are_labels_too(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("image,slices\np1,3:0 4:1\np1,9:normal\n")
    (example,) = labelled_examples(folder, tmp_path / "labels.csv")
    assert example.slices == {3: 0, 4: 1, 9: 0}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("p3.nii.gz,3,1", "Line 2 of .* names the image p3.nii.gz, which is not in"),
        ("p1.nii.gz,three,1", "Line 2 of .* has no labels that can be read"),
        ("p1.nii.gz,3,2", "Line 2 of .* has no labels that can be read"),
        (",3,1", "Line 2 of .* names no image"),
    ],
)
def test_wrong_labels_are_named(folder: Path, tmp_path: Path, row: str, said: str) -> None:
    (tmp_path / "labels.csv").write_text(f"image,slice,label\n{row}\n")
    with pytest.raises(MedadError, match=said):
        labelled_examples(folder, tmp_path / "labels.csv")


def test_a_frame_of_a_series_stays_that_frame(folder: Path, tmp_path: Path) -> None:
    still = read_volume(folder / "p1.nii.gz")
    voxels = np.stack([np.zeros_like(still.array), still.array]).transpose(3, 2, 1, 0)
    nib.save(nib.Nifti1Image(voxels, still.affine), tmp_path / "series.nii.gz")
    (tmp_path / "labels.csv").write_text("image,slices\nseries,3:0 4:1\n")
    table = tmp_path / "scans.csv"
    table.write_text("image,frame\nseries.nii.gz,1\n")
    steps = WeakToStrong(tmp_path, labelled_examples(table, tmp_path / "labels.csv"))
    (mask,) = steps.masks("weak")
    write_nifti((still.array > 0).astype(np.uint8), still, mask, labels=True)
    (example,) = read_manifest(steps.write_manifest())
    assert example.frame == 1
    assert np.array_equal(example.study().volume().array, still.array)
    table.write_text("image,frame\nseries.nii.gz,0\nseries.nii.gz,1\n")
    with pytest.raises(MedadError, match="several frames of series.nii.gz"):
        labelled_examples(table, tmp_path / "labels.csv")


def test_teachers_and_refiners_that_cannot_be_are_refused() -> None:
    with pytest.raises(MedadError, match="'moe' does not learn from slice labels"):
        Chain("moe").check()
    with pytest.raises(MedadError, match="refiner 'sam' is unknown"):
        Chain("gradcam", refiner="sam").check()


def test_every_step_is_kept_and_done_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, looks = tmp_path / "chain", []
    found = weak_to_strong.detect
    monkeypatch.setattr(weak_to_strong, "detect", lambda *a, **k: looks.append(1) or found(*a, **k))
    finished = weak_to_strong.train

    def interrupted(name: str, *args, **options):
        if name == "rasalore":
            raise MedadError("The power went.")
        return finished(name, *args, **options)

    monkeypatch.setattr(weak_to_strong, "train", interrupted)
    with pytest.raises(MedadError, match="The power went"):
        train_from_labels(
            "rasalore", folder, folder / "labels.csv", out, chain=TEACHER, options=QUICK
        )
    assert ModelFolder.read(out / "teacher", "gradcam").settings
    manifest = read_manifest(out / "weak.csv")
    assert [e.label for e in manifest] == [1, 1]
    for example in manifest:
        mask, image = read_volume(example.mask), read_volume(example.image)
        assert mask.grid.same_as(image.grid)
        marked = np.flatnonzero(mask.array.any((1, 2)))
        assert all(example.slices.get(int(z)) == 1 for z in marked)
    assert (out / "weak" / "p1_gradcam_record.json").is_file()
    painted = out / "weak" / "p1_weak_mask.nii.gz"
    volume = read_volume(painted)
    abnormal = next(z for z, label in manifest[0].slices.items() if label)
    mine = np.zeros(volume.array.shape, np.uint8)
    mine[abnormal, 20:40, 20:40] = 1
    write_nifti(mine, volume, painted, labels=True)
    monkeypatch.setattr(weak_to_strong, "train", finished)
    with pytest.raises(MedadError, match="unfinished chain; go on with it"):
        train_from_labels("rasalore", folder, folder / "labels.csv", out, chain=TEACHER)
    model = train_from_labels(
        "rasalore", folder, folder / "labels.csv", out, chain=TEACHER, options=QUICK, resume=True
    )
    assert len(looks) == 2  # once for each image, before the power went
    assert np.array_equal(read_volume(painted).array, mine)
    assert model.path == out
    assert model.settings["width"] == 2


def test_the_command_needs_labels_for_a_teacher(tmp_path: Path, capsys) -> None:
    command = ["train", "rasalore", "--data", str(tmp_path), "--teacher", "gradcam"]
    assert run([*command, "--out", str(tmp_path / "out")]) == 1
    assert "--teacher is about masks made from slice labels" in capsys.readouterr().err
