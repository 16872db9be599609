from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from toy.recipe import ToyOptions, ToyRecipe

import napari_medad as medad
from napari_medad.detectors.brat.pretraining import Pretraining
from napari_medad.detectors.device import Device
from napari_medad.training import processes
from napari_medad.training.folder import TrainingFolder
from napari_medad.training.randomness import share_of
from napari_medad.weights.model_folder import ModelFolder

OPTIONS: dict[str, Any] = {"noise": False, "points": 41, "batch_size": 7, "epochs": 3}
"""Six steps an epoch, the last of 6 points; of the others, one process has 4 and one 3."""
SCRIPT = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import toy
from napari_medad.detectors import registry
from napari_medad.training import processes
known = {{**registry.cards(), "toy": toy.CARD}}
registry.cards = lambda: known
"""
COMMAND_LINE = """
from napari_medad.cli import main
sys.exit(main())
"""
STOPPED_AND_RESUMED = """
import shutil
import napari_medad as medad
out, options = sys.argv[1], eval(sys.argv[2])
try:
    medad.train("toy", "synthetic", out, options=options, device="cpu",
                progress=lambda p: "stop" if p.unit == "steps" and p.done >= 8 else None)
except medad.Cancelled:
    if processes.is_first():
        shutil.copytree(out, sys.argv[3])
medad.train("toy", "synthetic", out, device="cpu", resume=True)
"""


def run(
    script: str, folder: Path, *arguments: str, through: tuple[str, ...] = ()
) -> tuple[str, str]:
    """Output and errors of a script, which starts its other process or is started `through`."""
    file = folder / "script.py"
    file.write_text(SCRIPT + script)
    done = subprocess.run(
        [sys.executable, *through, str(file), *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def training(out: Path, **options: Any) -> list[str]:
    settings = [part for key, value in options.items() for part in ("--set", f"{key}={value}")]
    start = ["train", "toy", "--data", "synthetic", "--device", "cpu"]
    return [*start, "--out", str(out), *settings]


def losses_of(folder: Path) -> list[tuple[int, str, float]]:
    with (folder / "history.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["set"] != "note"]
    return [(int(row["step"]), row["set"], float(row["loss"])) for row in rows]


def assert_same(folder: Path, whole: Path) -> None:
    ours, theirs = losses_of(folder), losses_of(whole)
    assert [row[:2] for row in ours] == [row[:2] for row in theirs]
    assert [row[2] for row in ours] == pytest.approx([row[2] for row in theirs], rel=1e-6)
    expected = ModelFolder.read(whole, "toy").tensors()
    for key, tensor in ModelFolder.read(folder, "toy").tensors().items():
        torch.testing.assert_close(tensor, expected[key], rtol=1e-6, atol=1e-7)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """What one process learns."""
    return medad.train("toy", "synthetic", tmp_path / "whole", options=OPTIONS, device="cpu").path


def test_two_processes_are_one_and_speak_with_one_voice(tmp_path: Path, whole: Path) -> None:
    asked = training(tmp_path / "pair", **OPTIONS, devices=2, strategy="ddp")
    said, told = run(COMMAND_LINE, tmp_path, *asked)
    assert said == f"{tmp_path / 'pair'}\n"
    assert told.count("train toy") == told.count("Calibrating") == 1
    assert "Warning" not in told
    assert_same(tmp_path / "pair", whole)


def test_stopped_in_two_and_resumed_in_two_or_one_is_uninterrupted(
    tmp_path: Path, whole: Path
) -> None:
    pair, one = tmp_path / "pair", tmp_path / "one"
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    arguments = str(pair), repr({**OPTIONS, "strategy": "ddp"}), str(one)
    run(STOPPED_AND_RESUMED, tmp_path, *arguments, through=torchrun)
    assert_same(pair, whole)
    assert TrainingFolder(one).unfinished().step == 8
    medad.train("toy", "synthetic", one, options={"strategy": "auto"}, device="cpu", resume=True)
    assert_same(one, whole)


def test_shares_are_the_batch_and_an_empty_one_does_not_count() -> None:
    batch = [8, 3, 5, 1, 9]
    assert [share_of(batch, rank, 2) for rank in (0, 1)] == [([8, 5, 9], 0.6), ([3, 1], 0.4)]
    assert [share_of([8, 3], rank, 3) for rank in (1, 2)] == [([3], 0.5), ([8], 0.0)]


def options(**values: Any) -> ToyOptions:
    return ToyOptions(devices=2, **values)


@pytest.mark.parametrize(
    ("device", "wanted", "sentence"),
    [
        ("cuda:1", options(), "cuda:1 is one device, not 2; use --device cuda"),
        ("mps", options(), "There is one Apple GPU"),
        ("cpu", options(batch_size=1), "batch_size=1 is too small to share among 2 processes"),
    ],
)
def test_impossible_requests_are_one_sentence(
    device: str, wanted: ToyOptions, sentence: str
) -> None:
    with pytest.raises(medad.MedadError, match=sentence):
        processes.fabric_on(Device(device), wanted)


def test_more_gpus_than_there_are_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(medad.MedadError, match="2 GPUs were asked for and 1 are here"):
        processes.fabric_on(Device("cuda"), options())


def test_one_process_started_where_more_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    with pytest.raises(medad.MedadError, match="start as many with torchrun or srun"):
        processes.fabric_on(Device("cpu"), options())


@pytest.mark.parametrize(
    ("name", "first"),
    [("RANK", False), ("LOCAL_RANK", False), ("SLURM_PROCID", False), ("OTHER", True)],
)
def test_the_first_is_who_has_no_number_but_zero(
    name: str, first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv(name, "1")
    assert processes.is_first() is first


def on(device: str) -> Any:
    return SimpleNamespace(world_size=2, device=torch.device(device))


def test_normalising_over_the_batch_is_shared_on_gpus_and_refused_elsewhere() -> None:
    recipe = ToyRecipe(options(), ())
    layers = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    names = list(layers.state_dict())
    with pytest.raises(medad.MedadError, match="toy.*normalises over the batch"):
        processes.shareable(recipe, layers, on("cpu"))
    shared = processes.shareable(recipe, layers, on("cuda"))
    assert [type(layer) for layer in shared.children()] == [nn.Linear, nn.SyncBatchNorm]
    assert list(shared.state_dict()) == names


def test_contrasting_the_samples_of_a_batch_is_refused() -> None:
    recipe = object.__new__(Pretraining)
    with pytest.raises(medad.MedadError, match="brat contrasts the samples of a batch"):
        processes.shareable(recipe, nn.Linear(1, 1), on("cuda"))


@pytest.mark.parametrize("rank", [0, 1])
def test_what_fails_in_one_ends_all_and_the_first_tells(
    rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = medad.MedadError("b.nii.gz is damaged.")
    monkeypatch.setattr(processes, "gathered", lambda _, mine: [None, failure])
    fabric: Any = SimpleNamespace(is_global_zero=rank == 0)
    with pytest.raises(medad.Cancelled if rank else medad.MedadError) as raised:
        processes.together(fabric, lambda: json.loads("1"))
    assert (raised.value is failure) is (rank == 0)


def test_processes_that_see_different_data_do_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    both = iter([["these", "those"]])
    monkeypatch.setattr(processes, "gathered", lambda _, mine: next(both, [mine]))
    fabric: Any = SimpleNamespace(is_global_zero=True)
    with pytest.raises(medad.MedadError, match="that all machines share"):
        processes.refuse_different(fabric, "these")
