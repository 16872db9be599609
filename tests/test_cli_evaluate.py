"""`medad evaluate` on folders: detect, measure, compare, and every wrong option in a sentence."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_medad.cli import run
from napari_medad.evaluation import folder_files
from napari_medad.evaluation.plots import standard

AFFINE = np.diag([-2.0, 2.0, 3.0, 1.0])


@pytest.fixture(scope="module")
def detected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Maps of two scans by the baseline, at two settings, and truths."""
    home = tmp_path_factory.mktemp("detected")
    i, j, k = np.indices((30, 28, 12))
    ball = ((i - 15) / 13) ** 2 + ((j - 14) / 12) ** 2 + ((k - 6) / 6) ** 2 < 1
    (home / "truth").mkdir()
    for seed, name in enumerate(("one", "two")):
        truth = np.zeros(ball.shape, np.uint8)
        truth[8 : 12 + seed, 10:15, 4:8] = 1
        texture = np.random.default_rng(seed).normal(100, 8, ball.shape)
        array = np.where(ball, texture + 60 * truth, 0).astype(np.float32)
        nib.Nifti1Image(array, AFFINE).to_filename(home / f"{name}.nii.gz")
        nib.Nifti1Image(truth, AFFINE).to_filename(home / "truth" / f"{name}_seg.nii.gz")
        for maps, threshold in (("strict", "quantile:0.995"), ("loose", "quantile:0.9")):
            arguments = ["--detector", "hyperintensity", "--threshold", threshold]
            out = str(home / maps / name)
            assert run(["detect", str(home / f"{name}.nii.gz"), *arguments, "--out", out]) == 0
    return home


def evaluate(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run the command; its status, stdout and stderr."""
    status = run(["evaluate", *map(str, arguments)])
    told = capsys.readouterr()
    return status, told.out, told.err


def test_folders_become_metrics_tables_figures_and_a_page(capsys, detected, tmp_path):
    out = tmp_path / "out"
    maps = ["--map", detected / "strict", "--map", detected / "loose"]
    status, told, complaint = evaluate(
        capsys, *maps, "--truth", detected / "truth", "--out", out, "--no-surface"
    )
    assert status == 0, complaint
    assert str(out / "report.html") in told
    assert "Dice" in told
    metrics = json.loads((out / "metrics.json").read_text())
    names = [held["name"] for held in metrics["evaluations"]]
    assert names == ["hyperintensity (strict)", "hyperintensity (loose)"]
    assert metrics["comparisons"][0]["differences"][0]["patients"] == 2
    assert (out / "figures" / "ranking_curves.svg").is_file()


def test_policies_and_validation_are_chosen_by_options(capsys, detected, tmp_path, monkeypatch):
    monkeypatch.setattr(standard, "standard_figures", lambda *of: [])
    out = tmp_path / "out"
    one = ["--map", detected / "strict" / "one", "--truth", detected / "truth", "--out", out]
    other = ["--validation-map", detected / "strict" / "two"]
    policies = [text for p in ("validation", "test-pool", "fixed") for text in ("--policy", p)]
    options = [*policies, "--threshold", 0.9, "--whole-grid", "--label", 1]
    status, _, complaint = evaluate(
        capsys, *one, *other, "--validation-truth", detected / "truth", *options
    )
    assert status == 0, complaint
    held = json.loads((out / "metrics.json").read_text())["evaluations"]
    assert [h["policy"] for h in held] == ["validation", "test pool", "fixed"]
    assert held[2]["patients"][0]["threshold"] == 0.9
    assert held[0]["pooled"]["voxels"] == 30 * 28 * 12
    assert "ORACLE" in (out / "report.html").read_text()


def test_a_case_to_a_json_file_takes_a_threshold(capsys, detected, tmp_path):
    path = detected / "strict/one/one_hyperintensity_anomaly.nii.gz"
    arguments = ["--map", path, "--truth", detected / "truth/one_seg.nii.gz"]
    out = tmp_path / "m.json"
    assert evaluate(capsys, *arguments, "--threshold", 0.5, "--out", out)[0] == 0
    assert json.loads(out.read_text())["threshold"] == 0.5


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--out", "m.json"], "is a folder; give a folder as --out too"),
        (["--out", "m.json", "--label", "1"], "--label is for a folder as --out"),
        (["--out", "m.json", "--map", "strict"], "More than one --map is for a folder"),
        (["--out", "o", "--policy", "best"], "There is no policy 'best'; choose fixed, val"),
        (["--out", "o", "--policy", "test-pool", "--threshold", "1"], "only the policy 'fixed'"),
        (["--out", "o", "--validation-map", "loose"], "--validation-truth go together"),
        (["--out", "o", "--label", "7"], "has no label 7; it has 1: choose with --label"),
        (
            ["--out", "o", "--validation-map", "loose", "--validation-truth", "truth"],
            "Patient one is in the validation and in the test part, and 1 more",
        ),
        (["--out", "o", "--mask", "nowhere"], "There is no folder nowhere"),
        (["--out", "o", "--detector", "moe"], "holds no anomaly map of moe"),
    ],
)
def test_wrong_options_are_told_in_a_sentence(
    capsys, detected, monkeypatch, tmp_path, options, sentence
):
    monkeypatch.chdir(tmp_path)
    for name in ("strict", "loose", "truth"):
        (tmp_path / name).symlink_to(detected / name)
    status, _, complaint = evaluate(capsys, "--map", "strict", "--truth", "truth", *options)
    assert status == 1
    assert sentence in " ".join(complaint.split())
    assert not (tmp_path / "o").exists()
    assert not (tmp_path / "m.json").exists()


def test_ctrl_c_leaves_nothing(capsys, detected, monkeypatch, tmp_path):
    def interrupted(evaluations, path):
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(folder_files, "write_slices", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    arguments = ["--map", detected / "strict", "--truth", detected / "truth"]
    status, _, complaint = evaluate(capsys, *arguments, "--out", tmp_path / "out", "--no-surface")
    signal.signal(signal.SIGINT, before)
    assert status == 130
    assert "Cancelled." in complaint
    assert not (tmp_path / "out").exists()
