"""`medad followup`, from two files to the table."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_medad import cli


@pytest.fixture
def masks(tmp_path: Path) -> list[str]:
    """A finding of 8 voxels that becomes one of 27, of 2 mm each; paths as options."""
    options: list[str] = []
    for name, size in (("before", 2), ("after", 3)):
        mask = np.zeros((12, 10, 8), np.uint8)
        mask[4 : 4 + size, 4 : 4 + size, 4 : 4 + size] = 1
        path = tmp_path / f"{name}_mask.nii.gz"
        nib.Nifti1Image(mask, np.diag([2.0, 2, 2, 1])).to_filename(path)
        options += [f"--{name}", str(path)]
    return options


def test_the_table_is_shown_and_written(masks, tmp_path: Path, capsys) -> None:
    out = tmp_path / "followup.csv"
    assert cli.run(["followup", *masks, "--out", str(out)]) == 0
    with out.open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["change"], float(row["before_ml"]), float(row["after_ml"])) == (
        "same",
        0.064,
        0.216,
    )
    assert float(row["growth_percent"]) == 237.5
    assert "237.5" in capsys.readouterr().out


def test_a_missing_mask_is_one_sentence(masks, tmp_path: Path, capsys) -> None:
    masks[1] = str(tmp_path / "absent.nii.gz")
    assert cli.run(["followup", *masks, "--out", str(tmp_path / "f.csv")]) == 1
    assert "absent.nii.gz" in capsys.readouterr().err
    assert not (tmp_path / "f.csv").exists()
