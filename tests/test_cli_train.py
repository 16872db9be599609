"""`medad train`, from normal images to a detector that runs by its folder."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_medad.cli import run

SMALL = {"size": 64, "hidden": 16, "decoder_fc": "direct", "epochs": 2, "batch_size": 8}
SMALL |= {"slices_per_volume": 8, "warm_up": 2, "text": "n-grams", "precision": "fp32"}


@pytest.fixture
def normals(tmp_path: Path) -> Path:
    """Four balls of noise."""
    folder = tmp_path / "normals"
    folder.mkdir()
    i, j, k = np.indices((32, 32, 12))
    ball = (i - 16) ** 2 + (j - 16) ** 2 + 4 * (k - 6) ** 2 < 14**2
    for seed in range(4):
        array = np.where(ball, np.random.default_rng(seed).normal(100, 5, ball.shape), 0)
        nib.Nifti1Image(array.astype(np.float32), np.eye(4)).to_filename(folder / f"{seed}.nii.gz")
    return folder


def train(normals: Path, out: Path, *more: str, **changes: object) -> int:
    """Train a very small moe."""
    settings = {**SMALL, **changes}
    sets = [text for key, value in settings.items() for text in ("--set", f"{key}={value}")]
    fixed = ["train", "moe", "--data", str(normals), "--out", str(out), "--device", "cpu"]
    return run([*fixed, *sets, *more])


def test_a_trained_model_detects_by_its_folder(normals, tmp_path, capsys):
    model = tmp_path / "model"
    assert train(normals, model) == 0
    assert str(model) in capsys.readouterr().out
    arguments = ["--detector", "moe", "--weights", str(model), "--out", str(tmp_path / "results")]
    assert run(["detect", str(normals / "0.nii.gz"), *arguments]) == 0
    record = json.loads((tmp_path / "results" / "0_moe_record.json").read_text())
    assert record["weights"]["state"] == "trained"
    assert run(["weights", "add", "moe", str(model), "--name", "ours"]) == 0
    assert run(["weights", "verify", "moe"]) == 0
    assert "moe ours: intact" in capsys.readouterr().out


def test_ctrl_c_keeps_what_was_learned_and_resume_goes_on(normals, tmp_path, capsys, monkeypatch):
    from napari_medad.detectors.moe.recipe import MoeRecipe

    model = tmp_path / "model"
    losses, steps = MoeRecipe.losses, []

    def interrupted(self, network, batch):
        steps.append(len(steps))
        if len(steps) == 2:
            signal.raise_signal(signal.SIGINT)
        return losses(self, network, batch)

    monkeypatch.setattr(MoeRecipe, "losses", interrupted)
    assert train(normals, model) == 130
    assert "add --resume to go on" in capsys.readouterr().err
    assert not (model / "model.json").exists()
    assert train(normals, model, "--resume") == 0
    assert (model / "model.json").is_file()


@pytest.mark.parametrize(
    ("more", "changes", "told"),
    [
        ([], {"colour": "red"}, "'colour'"),
        ([], {"epochs": 0}, "'epochs'"),
        (["--preset", "huge"], {}, "'huge'"),
        (["--resume"], {}, "model"),
    ],
)
def test_a_wrong_option_is_one_sentence(normals, tmp_path, capsys, more, changes, told):
    assert train(normals, tmp_path / "model", *more, **changes) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert told in last


def test_what_cannot_be_trained_says_so(normals, tmp_path, capsys):
    arguments = ["--data", str(normals), "--out", str(tmp_path / "model")]
    assert run(["train", "hyperintensity", *arguments]) == 1
    assert "hyperintensity" in capsys.readouterr().err
