"""`medad datasets`."""

import pytest

from napari_medad.cli import run
from napari_medad.datasets import facts
from napari_medad.training.dataset import examples_from


def test_the_layouts_are_listed(capsys):
    assert run(["datasets"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in facts())


def test_one_layout_is_described(capsys):
    assert run(["datasets", "--layout", "busi"]) == 0
    told = capsys.readouterr().out
    assert "https://scholar.cu.edu.eg" in told
    assert "benign (4)_mask_1.png" in told


def test_what_a_folder_holds_is_told(laid_out, capsys):
    assert run(["datasets", str(laid_out("chestx-ray8"))]) == 0
    shown = capsys.readouterr()
    rows = [line.split() for line in shown.out.splitlines()]
    assert "(chestx-ray8): 3 cases." in shown.out
    assert ["test", "2", "1", "0", "2", "0", "1"] in rows
    assert ["train", "1", "1", "1", "0", "0", "0"] in rows
    assert ["Infiltration", "1"] in rows
    assert "Radiographs left out, not in Data_Entry_2017.csv (1): 00000003_000.png." in shown.err


def test_a_manifest_is_written(laid_out, tmp_path, capsys):
    table = tmp_path / "busi.csv"
    assert run(["datasets", str(laid_out("busi")), "--manifest", str(table)]) == 0
    assert capsys.readouterr().out.split()[-2:] == [str(tmp_path / "busi-masks"), str(table)]
    assert len(examples_from(table)) == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--manifest", "m.csv"], "Name the folder of the dataset"),
        (["--layout", "brats19"], "There is no layout 'brats19'"),
        (["nowhere"], "There is no folder nowhere"),
    ],
)
def test_what_is_wrong_is_one_sentence(arguments, sentence, capsys):
    assert run(["datasets", *arguments]) == 1
    assert sentence in capsys.readouterr().err
