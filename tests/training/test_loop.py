from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy.recipe import TRUE

import napari_medad as medad
from napari_medad.detectors.recipe import Example
from napari_medad.training.folder import TrainingFolder, unfinished_trainings
from napari_medad.volumes.volume import Volume


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return medad.training.loop.ModelFolder.read(folder, "toy").tensors()


def rows_of(folder: Path, which: str = "train") -> list[dict[str, str]]:
    with (folder / "history.csv").open() as stream:
        return [row for row in csv.DictReader(stream) if row["set"] == which]


class Stop:
    """Answers "stop" once `at` steps are done."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self, progress: Any) -> str | None:
        return "stop" if progress.done >= self.at else None


def test_learns_the_known_optimum(tmp_path: Path) -> None:
    model = medad.train("toy", "synthetic", tmp_path / "m", preset="long")
    weight = model.tensors()["weight"]
    torch.testing.assert_close(weight, TRUE, atol=1e-2, rtol=0)
    rows = rows_of(tmp_path / "m")
    assert len(rows) == 60 * 5
    assert float(rows[-1]["loss"]) < 1e-3 < float(rows[0]["loss"])
    assert [int(row["step"]) for row in rows] == list(range(1, 301))
    assert len(rows_of(tmp_path / "m", "held-out")) == 60


def test_model_folder_tells_how_it_came_about(tmp_path: Path) -> None:
    model = medad.train("toy", "synthetic", tmp_path / "m", options={"epochs": 1, "seed": 3})
    assert model.settings == {"width": 2}
    assert model.facts["threshold"] == 0.5
    training = model.facts["training"]
    assert training["options"]["seed"] == 3
    assert training["data"]["source"] == "synthetic"
    assert training["steps"] == 5
    assert {"torch", "lightning", "napari-medad"} <= set(training["versions"])
    assert training["losses"]["loss"] > 0
    assert training["held_out_losses"]["loss"] > 0
    assert sorted(p.name for p in model.path.iterdir()) == [
        "history.csv",
        "model.json",
        "weights.safetensors",
    ]


def test_same_seed_same_weights_another_seed_others(tmp_path: Path) -> None:
    torch.manual_seed(1)
    first = medad.train("toy", "synthetic", tmp_path / "a").tensors()
    torch.manual_seed(2)
    again = medad.train("toy", "synthetic", tmp_path / "b").tensors()
    other = medad.train("toy", "synthetic", tmp_path / "c", options={"seed": 1}).tensors()
    assert torch.equal(first["weight"], again["weight"])
    assert not torch.equal(first["weight"], other["weight"])


def test_clipped_gradients_hardly_move_the_weights(tmp_path: Path) -> None:
    def learned(**options: float) -> torch.Tensor:
        out = tmp_path / "-".join(map(str, options.values()))
        return medad.train("toy", "synthetic", out, options=options).tensors()["weight"]

    still = learned(epochs=1, clip_norm=1e-12)
    torch.testing.assert_close(learned(epochs=4, clip_norm=1e-12), still, atol=1e-3, rtol=0)
    assert (learned(epochs=4, clip_norm=0) - still).abs().max() > 0.1


def test_training_leaves_the_callers_random_numbers_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    expected = torch.rand(1), np.random.rand()  # noqa: NPY002
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    medad.train("toy", "synthetic", tmp_path / "a")
    assert (torch.rand(1), np.random.rand()) == expected  # noqa: NPY002


@pytest.mark.parametrize("stop", [3, 5, 12, 19])
def test_stopped_and_resumed_is_uninterrupted(tmp_path: Path, stop: int) -> None:
    whole = medad.train("toy", "synthetic", tmp_path / "whole").tensors()
    torch.manual_seed(stop)
    with pytest.raises(medad.Cancelled):
        medad.train("toy", "synthetic", tmp_path / "part", progress=Stop(stop))
    assert unfinished_trainings(tmp_path)[0].step >= stop
    resumed = medad.train("toy", "synthetic", tmp_path / "part", resume=True).tensors()
    for key, tensor in whole.items():
        torch.testing.assert_close(resumed[key], tensor, atol=1e-6, rtol=0)
    for which in ("train", "held-out"):
        ours, theirs = (rows_of(tmp_path / run, which) for run in ("part", "whole"))
        assert [(r["step"], r["loss"]) for r in ours] == [(r["step"], r["loss"]) for r in theirs]


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import toy
from napari_medad.detectors import registry
known = {{**registry.cards(), "toy": toy.CARD}}
registry.cards = lambda: known
import napari_medad as medad
medad.train("toy", "synthetic", {out!r}, options={options!r}, device="cpu")
"""


def run_script(out: Path, options: dict[str, Any], **more: Any) -> subprocess.Popen[bytes]:
    script = SCRIPT.format(tests=str(Path(__file__).parent), out=str(out), options=options)
    file = out.parent / "script.py"
    file.write_text(script)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, str(file)], env=environment, **more)


def test_killed_run_goes_on_with_the_same_result(tmp_path: Path) -> None:
    options = {"epochs": 30, "slow_s": 0.02, "checkpoint_s": 0.2}
    process = run_script(tmp_path / "killed", options)
    folder = TrainingFolder(tmp_path / "killed")
    deadline = time.monotonic() + 60
    while not folder.checkpoint_file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.7)
    process.send_signal(signal.SIGKILL)
    process.wait()
    step = folder.unfinished().step
    assert 0 < step < 150
    medad.train("toy", "synthetic", folder.path, resume=True)
    whole = medad.train("toy", "synthetic", tmp_path / "whole", options={**options, "slow_s": 0})
    for key, tensor in whole.tensors().items():
        torch.testing.assert_close(weights_of(folder.path)[key], tensor, atol=1e-6, rtol=0)
    assert [int(row["step"]) for row in rows_of(folder.path)] == list(range(1, 151))


def test_out_of_memory_halves_the_batch_and_keeps_the_steps(tmp_path: Path) -> None:
    notes = []
    whole = medad.train("toy", "synthetic", tmp_path / "whole")
    model = medad.train(
        "toy",
        "synthetic",
        tmp_path / "small",
        options={"fits": 3},
        progress=lambda p: notes.append(p.note) if p.note else None,
    )
    assert [n for n in notes if "2 at a time" in n] == [
        "Out of memory: each batch of 8 is now computed 2 at a time; the number of steps stays."
    ]
    assert len(rows_of(model.path)) == len(rows_of(whole.path)) == 20
    assert any("2 at a time" in row["note"] for row in rows_of(model.path, "note"))
    assert any("2 at a time" in note for note in model.facts["training"]["notes"])


def test_gradients_in_parts_are_those_of_the_batch(tmp_path: Path) -> None:
    from lightning.fabric import Fabric

    from napari_medad.training.objective import Gradients

    class Squares(torch.nn.Linear):
        def forward(self, batch: Any) -> dict[str, torch.Tensor]:
            return {"loss": super().forward(batch["x"]).pow(2).mean()}

    found = {}
    for parts in (1, 3):
        torch.manual_seed(0)
        module = Squares(4, 2)
        fabric = Fabric(accelerator="cpu", devices=1)
        wrapped = fabric.setup(module)
        gradients = Gradients(fabric, wrapped, parts, lambda: None, print)
        loss = gradients.accumulate({"x": torch.randn(7, 4)}, module.zero_grad)
        found[parts] = (loss["loss"], module.weight.grad)
    assert found[1][0] == pytest.approx(found[3][0], rel=1e-6)
    torch.testing.assert_close(found[1][1], found[3][1])


def test_one_sample_that_does_not_fit_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(medad.MedadError, match="Not even one sample"):
        medad.train("toy", "synthetic", tmp_path / "m", options={"fits": 0})


def test_diverging_loss_is_one_sentence_and_never_saved(tmp_path: Path) -> None:
    with pytest.raises(medad.MedadError, match=r"'loss' became nan; lower learning_rate"):
        medad.train("toy", "synthetic", tmp_path / "m", options={"diverges": True})
    assert not (tmp_path / "m" / "model.json").exists()
    assert not (tmp_path / "m" / "checkpoint.ckpt").exists()


def test_pause_holds_the_run_and_saves_it(tmp_path: Path) -> None:
    answers: list[tuple[int, bool]] = []

    def callback(progress: Any) -> str | None:
        if progress.unit != "steps":
            return None
        answers.append((progress.done, progress.paused))
        if progress.paused:
            assert (tmp_path / "m" / "checkpoint.ckpt").exists()
            return "pause" if sum(paused for _, paused in answers) < 4 else None
        return "pause" if progress.done == 0 and progress.unit == "steps" else None

    medad.train("toy", "synthetic", tmp_path / "m", progress=callback)
    assert [done for done, paused in answers if paused] == [0, 0, 0, 0]
    assert answers[-1][0] == 20


def test_stop_is_obeyed_within_a_second_of_slow_samples(tmp_path: Path) -> None:
    asked = []

    def callback(progress: Any) -> str | None:
        if progress.done >= 1:
            asked.append(time.monotonic())
            return "stop"
        return None

    options = {"slow_s": 0.3, "batch_size": 20}
    with pytest.raises(medad.Cancelled):
        medad.train("toy", "synthetic", tmp_path / "m", options=options, progress=callback)
    assert time.monotonic() - asked[0] < 1


def test_stop_is_obeyed_while_data_are_made(tmp_path: Path) -> None:
    reports: list[Any] = []

    def callback(progress: Any) -> str:
        reports.append(progress)
        return "stop"

    with pytest.raises(medad.Cancelled):
        medad.train("toy", "synthetic", tmp_path / "m", progress=callback)
    assert [(r.done, r.total, r.unit) for r in reports] == [(0, 40, "images")]
    assert not (tmp_path / "m").exists()


def test_reports_losses_epochs_eta_and_previews(tmp_path: Path) -> None:
    reports: list[Any] = []
    pixels = np.arange(12, dtype=np.float32).reshape(3, 4)
    medad.train("toy", "synthetic", tmp_path / "m", progress=reports.append, preview=lambda: pixels)
    assert reports[-1].note.startswith("Calibrating")
    last = [r for r in reports if r.losses][-1]
    assert (last.done, last.total, last.epoch, last.epochs) == (20, 20, 3, 4)
    assert last.eta_s == 0
    held_out = [r for r in reports if r.held_out]
    assert [r.epoch for r in held_out] == [0, 1, 2, 3]
    previews = [r.preview for r in reports if r.preview is not None]
    np.testing.assert_array_equal(previews[0], np.abs(pixels - pixels.mean()))


def test_a_preview_that_fails_is_a_note(tmp_path: Path) -> None:
    notes = []
    medad.train(
        "toy",
        "synthetic",
        tmp_path / "m",
        progress=lambda p: notes.append(p.note),
        preview=lambda: np.zeros(3),
    )
    assert "The preview could not be made: A preview needs a slice [h, w]." in notes


def test_fine_tuning_begins_where_the_model_ended(tmp_path: Path) -> None:
    first = medad.train("toy", "synthetic", tmp_path / "first", preset="long")
    second = medad.train(
        "toy", "synthetic", tmp_path / "second", weights=str(first.path), options={"epochs": 1}
    )
    assert float(rows_of(second.path)[0]["loss"]) < 1e-3
    assert second.facts["training"]["fine_tuned_from"] == "first"


def test_fine_tuning_takes_the_models_shape(tmp_path: Path) -> None:
    first = medad.train("toy", "synthetic", tmp_path / "first")
    held = json.loads((first.path / "model.json").read_text())
    held["settings"]["width"] = 5
    (first.path / "model.json").write_text(json.dumps(held))
    with pytest.raises(medad.MedadError, match=r"'weight' has shape \(1, 2\), not \(1, 5\)"):
        medad.train("toy", "synthetic", tmp_path / "second", weights=str(first.path))


def refused(sentence: str, name: str, data: Any, out: Path, **more: Any) -> None:
    with pytest.raises(medad.MedadError, match=sentence):
        medad.train(name, data, out, **more)


def test_wrong_requests_are_one_sentence_each(tmp_path: Path) -> None:
    out = tmp_path / "m"
    refused("There is no detector 'nothing'", "nothing", "synthetic", out)
    refused("cannot be trained; these can: .*toy", "fixed", "synthetic", out)
    refused("no preset 'x'; its presets are: long", "toy", "synthetic", out, preset="x")
    refused("no setting 'depth'", "toy", "synthetic", out, options={"depth": 3})
    refused("There is no file or folder", "toy", tmp_path / "nowhere", out)
    refused("There is no training to go on with", "toy", "synthetic", out, resume=True)
    assert not out.exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    medad.train("toy", "synthetic", tmp_path / "m", options={"epochs": 1})
    refused("already holds a model", "toy", "synthetic", tmp_path / "m")
    refused("is finished", "toy", "synthetic", tmp_path / "m", resume=True)
    with pytest.raises(medad.Cancelled):
        medad.train("toy", "synthetic", tmp_path / "part", progress=Stop(2))
    refused("holds an unfinished training", "toy", "synthetic", tmp_path / "part")
    changed = {"options": {"learning_rate": 0.1}, "resume": True}
    refused("began with learning_rate=0.05", "toy", "synthetic", tmp_path / "part", **changed)


def test_damaged_checkpoint_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(medad.Cancelled):
        medad.train("toy", "synthetic", tmp_path / "part", progress=Stop(2))
    (tmp_path / "part" / "checkpoint.ckpt").write_bytes(b"half")
    refused("cannot be read; delete it", "toy", "synthetic", tmp_path / "part", resume=True)


def test_moe_learns_and_resumes_exactly(tmp_path: Path) -> None:
    _, y, x = np.indices((12, 40, 40)) - 20
    ball = (y**2 + x**2 < 300).astype(np.float32)
    examples = [
        Example(Volume(ball * (100 + 10 * np.cos(x / scale)), np.eye(4)), task, patient=str(scale))
        for scale in (2, 3, 4)
        for task in ("Brain MRI slice, T1", "Head CT slice")
    ]
    options = {
        "size": 64,
        "hidden": 32,
        "decoder_fc": "direct",
        "text": "n-grams",
        "batch_size": 8,
        "warm_up": 4,
        "epochs": 6,
        "precision": "fp32",
    }
    whole = medad.train("moe", examples, tmp_path / "whole", options=options)
    with pytest.raises(medad.Cancelled):
        medad.train(
            "moe",
            examples,
            tmp_path / "part",
            options=options,
            progress=lambda p: "stop" if p.unit == "steps" and p.done >= 7 else None,
        )
    resumed = medad.train("moe", examples, tmp_path / "part", resume=True)
    for key, tensor in whole.tensors().items():
        torch.testing.assert_close(resumed.tensors()[key], tensor, atol=1e-6, rtol=0)
    rows = rows_of(whole.path)
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert whole.facts["tasks"]


@pytest.mark.parametrize("stopped", [False, True])
def test_new_weights_lie_between_the_old_and_the_learned(tmp_path: Path, stopped: bool) -> None:
    """Also where the run was stopped and resumed."""
    first = str(medad.train("toy", "synthetic", tmp_path / "first", options={"seed": 5}).path)
    learned = medad.train("toy", "synthetic", tmp_path / "all", weights=first).tensors()
    out, mixed = tmp_path / "mixed", {"blend": 0.25}
    if stopped:
        with pytest.raises(medad.Cancelled):
            medad.train("toy", "synthetic", out, weights=first, options=mixed, progress=Stop(7))
    medad.train("toy", "synthetic", out, weights=first, options=mixed, resume=stopped)
    old, new = weights_of(Path(first)), weights_of(out)
    for key, tensor in new.items():
        torch.testing.assert_close(tensor, old[key] + 0.25 * (learned[key] - old[key]))
    assert not torch.allclose(learned["weight"], old["weight"])
