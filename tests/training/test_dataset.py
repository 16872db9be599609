from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_medad.detectors.recipe import Example
from napari_medad.errors import MedadError
from napari_medad.training.dataset import empty_images, examples_from, fingerprint
from napari_medad.training.held_out import hold_out, patient_of
from napari_medad.volumes.volume import Volume


def picture(path: Path, value: int | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(pixels if value is None else np.full_like(pixels, value)).save(path)
    return path


def test_sub_folders_are_tasks_and_masks_are_left_out(tmp_path: Path) -> None:
    for name in ("chest/a.png", "chest/b.png", "chest/b_mask.png", "fundus/c.png", ".x/d.png"):
        picture(tmp_path / name)
    found = examples_from(tmp_path)
    assert [(Path(e.image).name, e.task, e.label) for e in found] == [
        ("a.png", "chest", 0),
        ("b.png", "chest", 0),
        ("c.png", "fundus", 0),
    ]


def test_flat_folder_is_one_task(tmp_path: Path) -> None:
    picture(tmp_path / "eyes" / "a.png")
    assert [e.task for e in examples_from(tmp_path / "eyes")] == ["eyes"]


def test_folders_of_several_modalities_are_patients(tmp_path: Path) -> None:
    for case in ("case1", "case2"):
        for modality in ("t1n", "t2f"):
            picture(tmp_path / "normal" / case / f"{case}-{modality}.png")
    found = examples_from(tmp_path / "normal")
    assert [(Path(e.image).name, e.task) for e in found] == [
        ("case1", "normal"),
        ("case2", "normal"),
    ]


def test_manifest_in_csv_and_json_say_the_same(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "m.png", "c.png"):
        picture(tmp_path / name)
    (tmp_path / "list.csv").write_text(
        "Image;task;label;mask;slices;split;age\n"
        "a.png;Brain;normal;;;;55\n"
        "b.png;Brain;1;m.png;0:1 1:0;val;60\n"
        "c.png;Brain;0;;;test;60\n"
    )
    rows = [
        {"image": "a.png", "task": "Brain", "label": 0},
        {
            "image": "b.png",
            "task": "Brain",
            "label": "abnormal",
            "mask": "m.png",
            "slices": {"0": 1, "1": 0},
            "split": "held-out",
        },
    ]
    (tmp_path / "list.json").write_text(json.dumps({"examples": rows}))
    for found in (examples_from(tmp_path / "list.csv"), examples_from(tmp_path / "list.json")):
        first, second = found
        assert (first.image, first.label, first.held_out) == (tmp_path / "a.png", 0, False)
        assert (second.label, second.mask, second.held_out) == (1, tmp_path / "m.png", True)
        assert second.slices == {0: 1, 1: 0}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("image\na.png\nb.png\n", r"Line 3 of .*list.csv names the image b.png, which is not"),
        ("image,label\na.png,sick\n", r"Line 2 of .*list.csv has the label 'sick'; it must be"),
        ("image,slices\na.png,three\n", r"Line 2 of .*list.csv has slices 'three'; write"),
        ("image,split\na.png,some\n", r"Line 2 of .*list.csv has the split 'some'"),
        ("picture\na.png\n", r"Line 2 of .*list.csv has no 'image'"),
        ("image,task\n,Brain\n", r"Line 2 of .*list.csv names no image"),
        ("image\n", r"There are no images in .*list.csv"),
    ],
)
def test_wrong_row_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(MedadError, match=sentence):
        examples_from(tmp_path / "list.csv")


def test_wrong_json_is_one_sentence(tmp_path: Path) -> None:
    for text, sentence in (("{", "is not readable JSON"), ('{"a": 1}', "must be a list")):
        (tmp_path / "list.json").write_text(text)
        with pytest.raises(MedadError, match=sentence):
            examples_from(tmp_path / "list.json")


def test_empty_images_are_found_and_broken_ones_named(tmp_path: Path) -> None:
    shows, constant = picture(tmp_path / "a.png"), picture(tmp_path / "b.png", 7)
    nothing = Volume(np.full((2, 3, 3), np.nan, np.float32), np.eye(4))
    looked = []
    examples = [Example(shows), Example(constant), Example(nothing)]
    assert empty_images(examples, lambda done, total: looked.append((done, total))) == [1, 2]
    assert looked == [(0, 3), (1, 3), (2, 3)]
    (tmp_path / "c.png").write_bytes(b"no picture")
    with pytest.raises(MedadError, match=r"c\.png"):
        empty_images([Example(tmp_path / "c.png")])


def test_fingerprint_sees_every_voxel() -> None:
    one, other = np.zeros((2, 3, 3), np.int16), np.zeros((2, 3, 3), np.int16)
    assert fingerprint([Example(Volume(one, np.eye(4)))]) == fingerprint(
        [Example(Volume(other, np.eye(4)))]
    )
    changed = other.copy()
    changed[1, 2, 2] = 1
    assert fingerprint([Example(Volume(one, np.eye(4)))]) != fingerprint(
        [Example(Volume(changed, np.eye(4)))]
    )


def brains(patients: int) -> list[Example]:
    return [
        Example(Path(f"/d/p{n:02}_{modality}_slice{z}.png"), task=modality)
        for n in range(patients)
        for modality in ("t1", "flair")
        for z in range(3)
    ]


def test_patients_are_held_out_whole() -> None:
    held = hold_out(brains(20), 0.1, seed=0)
    patients = {
        split: {patient_of(e, 0) for e in held if e.held_out is split} for split in (True, False)
    }
    assert len(patients[True]) == 2
    assert len(patients[False]) == 18
    assert not patients[True] & patients[False]
    assert sum(e.held_out for e in held) == 2 * 2 * 3


def test_the_choice_is_the_same_in_any_order_and_by_seed() -> None:
    examples = brains(20)

    def chosen(found: tuple[Example, ...]) -> set[str]:
        return {str(e.image) for e in found if e.held_out}

    first = chosen(hold_out(examples, 0.1, seed=0))
    assert chosen(hold_out(examples[::-1], 0.1, seed=0)) == first
    assert chosen(hold_out(examples, 0.1, seed=1)) != first


def test_marked_examples_and_single_patients_stay_as_they_are() -> None:
    marked = [Example(Path("a.png"), held_out=True), Example(Path("b.png"))]
    assert [e.held_out for e in hold_out(marked, 0.5, 0)] == [True, False]
    assert not any(e.held_out for e in hold_out(brains(1), 0.5, 0))
    assert sum(e.held_out for e in hold_out(brains(2), 0.1, 0)) == 6
    assert not any(e.held_out for e in hold_out(brains(20), 0, 0))


def test_rows_of_a_support_set_name_the_categories_of_a_slice(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "support.csv").write_text(
        "image,axis,slice,categories\n"
        "a.png,coronal,5,Craniotomy; Enlarged ventricles\n"
        "a.png,coronal,7,normal\n"
        "a.png,,,Craniotomy\n"
    )
    several, normal, plain = examples_from(tmp_path / "support.csv")
    assert several.categories == {5: ("Craniotomy", "Enlarged ventricles")}
    assert (several.axis, several.label) == ("coronal", 1)
    assert (normal.categories, normal.label) == ({7: ()}, 0)
    assert (plain.categories, plain.axis) == ({0: ("Craniotomy",)}, "axial")
    assert len({fingerprint([e]) for e in (several, normal, plain)}) == 3


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("axial,five,Craniotomy", "Line 2 of .* has the slice 'five'"),
        ("oblique,5,Craniotomy", "Line 2 of .* has the axis 'oblique'"),
        ("axial,5,normal; Craniotomy", "Line 2 of .* normal or has categories, not both"),
    ],
)
def test_wrong_rows_of_a_support_set_are_named(tmp_path: Path, row: str, said: str) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "support.csv").write_text(f"image,axis,slice,categories\na.png,{row}\n")
    with pytest.raises(MedadError, match=said):
        examples_from(tmp_path / "support.csv")
