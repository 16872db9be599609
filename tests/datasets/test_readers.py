"""Every layout's made-up copy, against what is known of it by hand."""

import numpy as np
import pytest

from napari_medad.datasets import Box, DatasetCase, facts, layouts, read_dataset

NAMED = {
    "brats20": ["BraTS20_Training_001", "BraTS20_Training_355", "BraTS20_Validation_001"],
    "brats21": ["BraTS2021_00000", "BraTS2021_00002"],
    "brats23": ["BraTS-GLI-00000-000", "BraTS-GLI-00008-000", "BraTS-GLI-00008-001"],
    "brats-mets": ["BraTS-MET-00009-000"],
    "msd-task1": ["BRATS_001", "BRATS_485"],
    "fastmri-plus": ["file_brain_AXFLAIR_200_6000001", "file_brain_AXT1POST_201_6000002"],
    "bmad": [
        "test_ungood_00002_60", "test_ungood_00005_60", "test_good_00002_97", "train_good_00003_60",
        "valid_good_00025_99", "valid_ungood_00124_60",
    ],
    "rsna": ["0001", "0002"],
    "lag": ["non_glaucoma_0001", "suspicious_glaucoma_0001"],
    "busi": ["benign_4", "malignant_2", "normal_1"],
    "headct": ["000", "001"],
    "brain-tumor-mri": [
        "glioma_Tr-gl_0010", "meningioma_Te-me_0010", "notumor_Tr-no_0010", "pituitary_Te-pi_0010",
    ],
    "oct17": [
        "CNV-1016042-1", "CNV-1016042-2", "DME-15307-1", "DRUSEN-53018-1", "NORMAL-1384-2",
    ],
    "chestx-ray8": ["00000001_000", "00000001_001", "00000002_000"],
    "medianomaly": ["0001", "0002", "0003"],
}  # fmt: skip


def cases(dataset) -> dict[str, DatasetCase]:
    return {case.name: case for case in dataset.cases}


def voxels(truth: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(map(int, place)) for place in np.argwhere(truth)}


def rectangle(row: int, column: int, height: int, width: int, z: int = 0) -> set[tuple[int, ...]]:
    rows, columns = range(row, row + height), range(column, column + width)
    return {(z, y, x) for y in rows for x in columns}


def test_every_layout_is_tried_and_described():
    assert set(layouts()) == set(NAMED) == set(facts())


@pytest.mark.parametrize("layout", NAMED)
def test_a_folder_is_recognised_and_its_cases_are_named(laid_out, layout):
    dataset = read_dataset(laid_out(layout))
    assert dataset.layout == layout
    assert [case.name for case in dataset.cases] == sorted(NAMED[layout])


@pytest.mark.parametrize("layout", NAMED)
def test_every_case_can_be_read_and_its_truth_lies_on_it(laid_out, layout):
    for case in read_dataset(laid_out(layout)).cases:
        study = case.study()
        assert study.name == case.name
        assert set(study.volumes) == set(case.images)
        truth = case.truth(study)
        assert (truth is None) == (not case.located)
        if truth is not None:
            assert truth.dtype == bool
            assert truth.shape == study.volume().array.shape
            assert truth.any() == bool(case.masks or case.boxes)


def test_brats_2020(laid_out):
    held = read_dataset(laid_out("brats20"))
    first, stray, unlabelled = held.cases
    assert set(first.images) == {"t2f", "t1n", "t1c", "t2w"}
    assert (first.patient, first.split, first.abnormal) == ("BraTS20_Training_001", "train", True)
    assert stray.masks[0].name == "W39_1998.09.19_Segm.nii.gz"
    assert (unlabelled.split, unlabelled.masks) == ("validation", ())
    assert held.notes == ()


def test_a_brats_mask_lies_on_the_scan_in_display_orientation(laid_out):
    case = read_dataset(laid_out("brats21")).cases[0]
    study = case.study()
    truth = case.truth(study)
    # the file's affine is LPS: its order (i, j, k) is (x, y, z) of the display
    assert voxels(truth) == {(z, y, x) for z in (1, 2) for y in (3, 4) for x in (2, 3, 4)}
    assert (study.volume("t2f").array[truth] == 900).all()


def test_brats_2021_notes_what_has_no_mask(laid_out):
    held = read_dataset(laid_out("brats21"))
    assert held.notes == ("Cases without a mask, which cannot be measured (1): BraTS2021_00002.",)
    assert held.cases[1].truth() is None


def test_time_points_of_brats_2023_are_of_one_patient(laid_out):
    held = read_dataset(laid_out("brats23")).cases
    assert [c.patient for c in held] == ["BraTS-GLI-00000", "BraTS-GLI-00008", "BraTS-GLI-00008"]
    assert {c.split for c in held} == {"train"}


def test_a_case_without_an_image_is_left_out_and_noted(laid_out):
    assert read_dataset(laid_out("brats-mets")).notes == (
        "Cases left out, without an image (1): BraTS-MET-00017-000.",
    )


def test_the_decathlon_keeps_contrasts_in_frames(laid_out):
    train, test = read_dataset(laid_out("msd-task1")).cases
    study = train.study()
    lesion = train.truth(study)
    found = {name: set(volume.array[lesion]) for name, volume in study.volumes.items()}
    assert found == {"t2f": {900}, "t1n": {1900}, "t1c": {2900}, "t2w": {3900}}
    assert (train.split, test.split, test.truth()) == ("train", "test", None)


def test_boxes_of_fastmri_count_rows_from_the_bottom(laid_out):
    held = read_dataset(laid_out("fastmri-plus"))
    marked, normal = held.cases
    study = marked.study()
    truth = marked.truth(study)
    assert voxels(truth) == rectangle(7, 4, 2, 3, z=1)
    assert (study.volume("t2f").array[truth] == 500).all()
    assert study.volume().array[~truth].max() == 107
    assert marked.boxes == (Box(7, 4, 2, 3, 1, "Edema"),)
    small = "Small vessel chronic white matter ischemic change"
    assert marked.slices == {0: (small,), 1: ("Edema",), 2: (), 3: ()}
    assert (marked.split, marked.abnormal, marked.labels) == ("train", True, (small, "Edema"))
    assert (list(normal.images), normal.split, normal.abnormal) == (["t1c"], "validation", False)
    assert not normal.truth().any()
    assert held.notes == (
        "Scans left out, which no radiologist has looked at (1): file_brain_AXT2_203_6000003.",
        "Scans left out, without an image that can be read (1): file_brain_AXT1_201_6000004.",
    )


def test_bmad(laid_out):
    held = read_dataset(laid_out("bmad"))
    known = cases(held)
    assert known["train_good_00003_60"].patient == "00003"
    assert known["valid_good_00025_99"].split == "validation"
    assert known["test_good_00002_97"].patient == known["test_ungood_00002_60"].patient == "00002"
    assert voxels(known["test_ungood_00002_60"].truth()) == rectangle(3, 5, 2, 4)
    assert not known["test_good_00002_97"].truth().any()
    assert known["test_ungood_00005_60"].truth() is None
    assert held.notes == ("Abnormal pictures without a mask (1): test_ungood_00005_60.",)


def test_mvfas_copy_of_bmad_calls_the_masks_otherwise(laid_out):
    root = laid_out("bmad") / "Brain"
    for part in ("valid", "test"):
        (root / part / "Ungood/label").rename(root / part / "Ungood/anomaly_mask")
    known = cases(read_dataset(root))
    assert voxels(known["valid_ungood_00124_60"].truth()) == rectangle(3, 5, 2, 4)


def test_boxes_of_rsna_lie_on_what_is_bright(laid_out):
    held = read_dataset(laid_out("rsna"))
    normal, opacity = held.cases
    assert (normal.abnormal, normal.labels, opacity.labels) == (False, (), ("Lung Opacity",))
    study = opacity.study()
    assert voxels(study.volume().array == 220) == rectangle(3, 5, 2, 4)
    assert voxels(opacity.truth(study)) == rectangle(3, 5, 2, 4) | rectangle(8, 12, 3, 2)
    assert held.notes == (
        "Radiographs left out, neither normal nor with lung opacity (1): 0003.",
        "Radiographs left out, of no told class (1): 0004.",
    )


def test_lag(laid_out):
    normal, glaucoma = read_dataset(laid_out("lag")).cases
    assert (normal.abnormal, glaucoma.abnormal) == (False, True)
    assert glaucoma.labels == ("glaucoma",)
    assert glaucoma.images["image"].parts[-3:] == ("suspicious_glaucoma", "image", "0001.jpg")


def test_several_masks_of_busi_are_one_truth(laid_out):
    held = read_dataset(laid_out("busi"))
    known = cases(held)
    assert voxels(known["benign_4"].truth()) == rectangle(3, 5, 2, 4) | rectangle(8, 0, 1, 3)
    assert not known["normal_1"].truth().any()
    assert {name: case.labels for name, case in known.items()} == {
        "benign_4": ("benign",), "malignant_2": ("malignant",), "normal_1": (),
    }  # fmt: skip
    assert held.notes == ("Pictures of lesions without a mask (1): malignant (2).png.",)


def test_headct(laid_out):
    held = read_dataset(laid_out("headct"))
    assert [(c.name, c.labels) for c in held.cases] == [("000", ("haemorrhage",)), ("001", ())]
    assert held.notes == ("Slices left out, not in labels.csv (1): 002.png.",)


def test_brain_tumor_mri(laid_out):
    known = cases(read_dataset(laid_out("brain-tumor-mri")))
    told = {name: (case.split, case.labels) for name, case in known.items()}
    assert told == {
        "glioma_Tr-gl_0010": ("train", ("glioma",)),
        "notumor_Tr-no_0010": ("train", ()),
        "meningioma_Te-me_0010": ("test", ("meningioma",)),
        "pituitary_Te-pi_0010": ("test", ("pituitary",)),
    }


def test_a_patient_of_oct17_is_in_one_part(laid_out):
    held = read_dataset(laid_out("oct17"))
    known = cases(held)
    assert known["NORMAL-1384-2"].split == "test"
    assert known["CNV-1016042-1"].patient == known["CNV-1016042-2"].patient == "1016042"
    assert known["DME-15307-1"].split == "validation"
    assert held.notes == (
        "Pictures left out, no patient in their names (1): CNV.jpeg.",
        "Images of the part train left out, their patients are in the part test too (1).",
    )


def test_chestx_ray8(laid_out):
    held = read_dataset(laid_out("chestx-ray8"))
    several, boxed, normal = held.cases
    assert (several.labels, several.split) == (("Cardiomegaly", "Pleural Thickening"), "test")
    assert several.patient == boxed.patient == "1"
    assert boxed.boxes == (Box(3, 5, 2, 4, 0, "Infiltration"),)
    assert voxels(boxed.truth()) == rectangle(3, 5, 2, 4)
    assert several.truth() is None
    assert (normal.split, normal.abnormal) == ("train", False)
    assert held.notes == (
        "Radiographs left out, not in Data_Entry_2017.csv (1): 00000003_000.png.",
    )


def test_medianomaly(laid_out):
    held = read_dataset(laid_out("medianomaly"))
    told = [(case.name, case.split, case.abnormal) for case in held.cases]
    assert told == [("0001", "train", False), ("0002", "test", False), ("0003", "test", True)]
    assert held.notes == ("Pictures listed in data.json but not there (1): 0009.jpg.",)
