"""Which layout a folder has, and folders that have none."""

import shutil
import sys

import pytest

from napari_medad.datasets import read_dataset, read_datasets
from napari_medad.datasets.tree import Tree
from napari_medad.errors import MedadError


def refused(*args) -> str:
    with pytest.raises(MedadError) as caught:
        read_dataset(*args)
    return str(caught.value)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    sentence = refused(tmp_path)
    assert "like none of the datasets" in sentence
    assert "chestx-ray8" in sentence


def test_no_folder_and_an_empty_one_are_refused(tmp_path):
    assert "There is no folder" in refused(tmp_path / "nowhere")
    assert "holds no files" in refused(tmp_path)


def test_two_datasets_in_one_folder_need_a_name(laid_out):
    root = laid_out("brats23")
    laid_out("brats-mets")
    assert "holds brats-mets and brats23; name the layout" in refused(root)
    assert len(read_dataset(root, "brats-mets").cases) == 1


def test_datasets_side_by_side_are_each_read(laid_out, tmp_path):
    home = tmp_path / "all"
    home.mkdir()
    for layout in ("oct17", "busi"):
        laid_out(layout).rename(home / layout)
        alone = read_dataset(home / layout)
        assert read_datasets(home / layout) == (alone,)
    (home / "other").mkdir()
    (home / "other" / "notes.txt").write_text("nothing")
    assert read_datasets(home) == (read_dataset(home / "busi"), read_dataset(home / "oct17"))
    laid_out("oct17").rename(home / "again")
    with pytest.raises(MedadError, match="holds busi and oct17; name the layout"):
        read_datasets(home)


def test_an_unknown_layout_is_refused(tmp_path):
    assert refused(tmp_path, "brats19").startswith("There is no layout 'brats19'; choose from bmad")


def test_a_named_layout_without_cases_is_refused(laid_out):
    assert "holds no case of the layout busi" in refused(laid_out("lag"), "busi")


def test_a_table_that_is_missing_is_named(laid_out):
    root = laid_out("rsna")
    (root / "stage_2_detailed_class_info.csv").unlink()
    assert "holds no stage_2_detailed_class_info.csv" in refused(root)


def test_a_table_without_its_column_is_refused(laid_out):
    root = laid_out("headct")
    (root / "labels.csv").write_text("id,bleeding\n0,1\n")
    assert "has no column 'hemorrhage'" in refused(root)


def test_several_sets_of_bmad_are_refused(laid_out):
    root = laid_out("bmad")
    shutil.copytree(root / "Brain", root / "Liver")
    assert "several sets of BMAD (Brain, Liver)" in refused(root)


def test_two_copies_of_a_picture_are_refused(laid_out):
    root = laid_out("headct")
    shutil.copytree(root / "head_ct", root / "copy/head_ct")
    assert "two cases 000" in refused(root)


def test_fastmri_without_h5py_says_what_to_install(laid_out, monkeypatch):
    root = laid_out("fastmri-plus")
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert "pip install 'napari-medad[fastmri]'" in refused(root)


def test_hidden_files_are_no_data_and_links_are_followed_once(tmp_path):
    real = tmp_path / "real"
    (real / "__MACOSX").mkdir(parents=True)
    for name in ("a.png", "._a.png", "__MACOSX/b.png"):
        (real / name).write_bytes(b"")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/linked").symlink_to(real)
    (real / "around").symlink_to(tmp_path / "root")
    assert Tree.of(tmp_path / "root").files == ("linked/a.png",)
