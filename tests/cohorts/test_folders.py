"""Studies found in folders as people keep them; names are worked out by hand."""

from pathlib import Path

import pytest

from napari_medad.cohorts.folders import find_cohort, without_contrast
from napari_medad.cohorts.sources import StudySource
from napari_medad.errors import MedadError


def touched(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def found(root: Path, **options):
    """Relative place of each study by name."""
    cohort = find_cohort(root, **options)
    assert cohort is not None
    assert cohort.input == str(root)

    def place(where):
        if isinstance(where, Path):
            return str(where.relative_to(root))
        return {name: str(path.relative_to(root)) for name, path in where.items()}

    return {study.name: place(study.where) for study in cohort.studies}


def test_brats_tree(tmp_path):
    touched(tmp_path, "HGG/B-2/B-2-t1c.nii.gz", "HGG/B-2/B-2-seg.nii.gz", "LGG/B-1/B-1-t2f.nii.gz")
    assert found(tmp_path) == {"HGG_B-2": "HGG/B-2", "LGG_B-1": "LGG/B-1"}


def test_bids(tmp_path):
    root = touched(
        tmp_path,
        "dataset_description.json",
        "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-01/func/sub-01_task-rest_bold.nii.gz",
        "sub-02/ses-a/anat/sub-02_ses-a_run-2_T1w.nii.gz",
        "sub-02/ses-a/anat/sub-02_ses-a_run-1_T1w.nii.gz",
        "sub-02/ses-a/anat/sub-02_ses-a_FLAIR.nii.gz",
        "sub-02/ses-b/anat/sub-02_ses-b_T1w.nii.gz",
        "derivatives/sub-01/anat/sub-01_T1w.nii.gz",
    )
    assert found(root) == {
        "sub-01": "sub-01/anat",
        "sub-02_ses-a": {
            "t2f": "sub-02/ses-a/anat/sub-02_ses-a_FLAIR.nii.gz",
            "t1n": "sub-02/ses-a/anat/sub-02_ses-a_run-1_T1w.nii.gz",
        },
        "sub-02_ses-b": "sub-02/ses-b/anat",
    }


def test_a_subject_without_images_is_found_out_when_it_is_read(tmp_path):
    touched(tmp_path, "sub-01/anat/sub-01_T1w.nii.gz", "sub-02/anat/sub-02_T1w.json")
    cohort = find_cohort(tmp_path)
    with pytest.raises(MedadError, match="holds no image; add one or leave sub-02 out"):
        cohort.studies[1].read()


def test_files_of_several_patients_in_one_folder(tmp_path):
    touched(tmp_path, "a_t1.nii.gz", "a_flair.nii.gz", "b_t1.nii.gz", "b_mask.nii.gz")
    assert found(tmp_path) == {
        "a": {"t1n": "a_t1.nii.gz", "t2f": "a_flair.nii.gz"},
        "b": "b_t1.nii.gz",
    }


def test_channels_of_nnunet_are_one_study(tmp_path):
    names = [f"imagesTs/{case}_{c:04d}.nii.gz" for case in ("pat_1", "pat_2") for c in (0, 1)]
    touched(tmp_path, *names, "labelsTs/pat_1.nii.gz")
    assert found(tmp_path) == {
        f"imagesTs_pat_{n}": {f"{c:04d}": f"imagesTs/pat_{n}_{c:04d}.nii.gz" for c in (0, 1)}
        for n in (1, 2)
    }
    alone = touched(tmp_path / "alone", "case_0000.nii.gz", "case_0001.nii.gz")
    assert find_cohort(alone) is None  # one study, as read_study reads it
    assert list(found(alone, cohort=True)) == ["case_0000", "case_0001"]


@pytest.mark.parametrize(
    "names",
    [
        ("pat_0001.nii.gz", "pat_0002.nii.gz"),  # patients by number
        ("a_0000.nii.gz", "a_0001.nii.gz", "b_0000.nii.gz"),
        ("a_0000.nii.gz", "b_0000.nii.gz"),
        ("a_0000.nii.gz", "a_0001.nii.gz", "other.nii.gz"),
        ("a_0000.png", "a_0001.png"),
    ],
)
def test_other_numbers_are_studies_of_their_own(tmp_path, names):
    assert set(found(touched(tmp_path, *names)).values()) == set(names)


def test_plain_files_without_a_contrast(tmp_path):
    touched(tmp_path, "x/scan-1.nii.gz", "x/scan-2.nii.gz")
    assert found(tmp_path) == {"x_scan-1": "x/scan-1.nii.gz", "x_scan-2": "x/scan-2.nii.gz"}


@pytest.mark.parametrize(
    "names",
    [
        ["p_T1.nii.gz", "p_FLAIR.nii.gz", "p_lesion.nii.gz"],
        ["T1.nii.gz", "FLAIR.nii.gz", "deeper/other_T1.nii.gz"],
        ["dwi_of_a.nii.gz", "flair_of_b.nii.gz"],
    ],
)
def test_one_patients_scans_stay_a_single_study(tmp_path, names):
    assert find_cohort(touched(tmp_path, *names)) is None


def test_what_is_a_cohort_can_be_said(tmp_path):
    root = touched(tmp_path, "a_dwi.nii.gz", "b_flair.nii.gz")
    assert found(root, cohort=True) == {"a": "a_dwi.nii.gz", "b": "b_flair.nii.gz"}
    touched(tmp_path, "b_dwi.nii.gz")
    assert find_cohort(root, cohort=False) is None


def test_results_masks_and_hidden_folders_are_no_studies(tmp_path):
    touched(
        tmp_path,
        "a/t1.nii.gz",
        "b/t1.nii.gz",
        "masks/a.nii.gz",
        ".trash/t1.nii.gz",
        "results/cohort.json",
        "results/studies/a/a_moe_key.png",
    )
    assert set(found(tmp_path)) == {"a", "b"}


def test_a_folder_of_nothing_is_no_cohort(tmp_path):
    assert find_cohort(touched(tmp_path, "readme.txt")) is None


def test_studies_of_one_name_are_refused(tmp_path):
    touched(tmp_path, "a/b/t1.nii.gz", "a_b/t1.nii.gz")
    with pytest.raises(MedadError, match="are both called 'a_b'; give every study a name"):
        find_cohort(tmp_path)


def test_a_very_long_name_is_cut_and_stays_its_own(tmp_path):
    root = touched(tmp_path, *(f"{'x' * 100}/{'y' * 100}{end}/t1.nii.gz" for end in "ab"))
    names = set(found(root))
    assert len(names) == 2
    assert {len(name) for name in names} == {120}


@pytest.mark.parametrize(
    ("name", "patient"),
    [("pat-1_t2f", "pat-1"), ("BraTS-GLI-7-t1c", "BraTS-GLI-7"), ("T1", ""), ("chris_t1", "chris")],
)
def test_a_name_without_its_contrast(name, patient):
    assert without_contrast(name) == patient


def test_places_are_told_from_the_root(tmp_path, monkeypatch):
    touched(tmp_path, "a/t1.nii.gz", "b/t1.nii.gz")
    monkeypatch.chdir(tmp_path.parent)
    cohort = find_cohort(tmp_path.name)
    assert [study.where for study in cohort.studies] == [tmp_path / "a", tmp_path / "b"]


def test_a_sentence_about_a_study_keeps_its_folders_to_itself(tmp_path):
    touched(tmp_path, "Jane Doe/t1.nii.gz")
    folder, file = tmp_path / "Jane Doe", tmp_path / "Jane Doe" / "t1.nii.gz"
    told = f"{file} is broken."
    assert StudySource("s-1", folder).without_paths(told) == "s-1/t1.nii.gz is broken."
    assert StudySource("s-1", {"t1n": file}).without_paths(told) == "t1.nii.gz is broken."
