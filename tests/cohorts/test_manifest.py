from pathlib import Path

import pytest

from napari_medad.cohorts.folders import find_cohort
from napari_medad.cohorts.manifest import read_manifest
from napari_medad.errors import MedadError


def manifest(folder: Path, text: str, *files: str) -> Path:
    for name in files:
        (folder / name).touch()
    path = folder / "cohort.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_volumes_by_column(tmp_path):
    path = manifest(
        tmp_path, "Study,FLAIR,t1c\nb,b1.nii,b2.nii\na,a1.nii,\n", "a1.nii", "b1.nii", "b2.nii"
    )
    cohort = find_cohort(path)
    assert cohort.input == str(path)
    assert {s.name: s.where for s in cohort.studies} == {
        "b": {"t2f": tmp_path / "b1.nii", "t1c": tmp_path / "b2.nii"},
        "a": {"t2f": tmp_path / "a1.nii"},
    }


def test_paths(tmp_path):
    (tmp_path / "folder").mkdir()
    path = manifest(tmp_path, "study;path\na;folder\n")
    assert read_manifest(path)[0].where == tmp_path / "folder"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("study,path\n", "lists no study; write a row for each"),
        ("name,path\na,x.nii\n", "has no column 'study'; it needs 'study', and 'path' or volumes"),
        ("study,path,age\na,x.nii,40\n", "has the column 'age', which names no volume"),
        ("study,path,t1c\na,x.nii,x.nii\n", "must have either 'path' or columns of volumes"),
        ("study\na\n", "must have either 'path' or columns of volumes"),
        ("study,flair,t2f\na,x.nii,x.nii\n", "has two columns of the volume t2f"),
        ("study,path\n../a,x.nii\n", "Line 2 of .* has the study '../a'; write a name"),
        ("study,path\n,x.nii\n", "has the study ''"),
        (f"study,path\n{'a' * 121},x.nii\n", "a study's name of more than 120 bytes"),
        ("study,path\na,\n", "names no file of a"),
        ("study,path\na,x.nii\nA,x.nii\n", r"Line 2 .* and Line 3 .* 'A' \(and 'a'\)"),
        ("study,path\na,x.nii\na,x.nii\n", "Line 2 .* and Line 3 .* are both called 'a'"),
        ("study,path\na,x.nii\nb,gone.nii\n", "Line 3 .*gone.nii, which is not there; correct"),
        (
            "study,t1c,t2f\na,gone.nii,gone2.nii\n",
            r"gone.nii, which is not there \(and 1 more are missing\)",
        ),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(tmp_path, text, told):
    with pytest.raises(MedadError, match=told):
        read_manifest(manifest(tmp_path, text, "x.nii"))
