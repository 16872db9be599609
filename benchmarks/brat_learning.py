"""brat learns from made-up brains with templated reports, with the DPP and without.

Taught as `medad train brat` teaches; the figures are those of the last step, for combinations of
findings and brains that were never learned from.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch

import napari_medad as medad
from napari_medad.detectors.brat.detector import BratDetector
from napari_medad.detectors.brat.made_up import SMALL, examples
from napari_medad.detectors.recipe import Example
from napari_medad.training.loop import train
from napari_medad.training.progress import TrainingProgress

PRESETS = {"with the DPP": None, "without": "no-qd"}


def told(progress: TrainingProgress) -> None:
    """A line for every epoch."""
    if progress.held_out:
        losses = ", ".join(f"{name} {value:.3f}" for name, value in progress.held_out.items())
        print(f"  step {progress.done} of {progress.total}, held out: {losses}", flush=True)


def cosines_of(held_out: list[Example], folder: Path) -> dict[str, np.ndarray]:
    """Mean cosine [q, q] of every two views, and of where they looked, over the held-out scans."""
    detector = medad.load_detector("brat", weights=str(folder), device="cpu")
    assert isinstance(detector, BratDetector)
    seen = [detector.embed(example.study()) for example in held_out]
    looked = np.stack([study.attention.reshape(len(study.views), -1) for study in seen])
    looked /= np.linalg.norm(looked, axis=-1, keepdims=True)
    units = {"what they say": np.stack([study.views for study in seen]), "where they look": looked}
    return {name: (unit @ unit.mT).mean(axis=0) for name, unit in units.items()}


def between(table: np.ndarray) -> float:
    """Mean over all pairs of different views."""
    return float(table[~np.eye(len(table), dtype=bool)].mean())


def picture(found: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """Mean cosines of every two views, with the DPP and without (the paper's figure of queries)."""
    figure, axes = plt.subplots(2, len(found), figsize=(7, 6), layout="constrained")
    for column, (run, tables) in zip(axes.T, found.items(), strict=True):
        for axis, (what, table) in zip(column, tables.items(), strict=True):
            shown = axis.imshow(table, vmin=-1, vmax=1, cmap="coolwarm")
            axis.set_title(f"{what}, {run}: {between(table):.2f}", fontsize=10)
            for (y, x), value in np.ndenumerate(table):
                axis.text(x, y, f"{value:.2f}", ha="center", va="center", fontsize=8)
            axis.set(xticks=range(len(table)), yticks=range(len(table)), xlabel="view")
    figure.colorbar(shown, ax=axes, label="mean cosine over held-out scans")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--scans", type=int, default=10, help="of each learned combination")
    asked.add_argument("--epochs", type=int, default=24)
    asked.add_argument("--threads", type=int, default=1)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--out", type=Path, help="folder to keep the two models in")
    asked.add_argument("--picture", type=Path, default=Path("docs/images/brat-views.png"))
    given = asked.parse_args()
    torch.set_num_threads(given.threads)
    data = examples(scans=given.scans, seed=given.seed)
    held_out = [example for example in data if example.held_out]
    options: dict[str, Any] = {**SMALL, "epochs": given.epochs, "seed": given.seed}
    cosines: dict[str, dict[str, np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as home:
        for name, preset in PRESETS.items():
            began, folder = time.perf_counter(), (given.out or Path(home)) / (preset or "brat")
            model = train("brat", data, folder, options=options, preset=preset, device="cpu",
                          progress=told)  # fmt: skip
            found = model.facts["held_out_retrieval"]
            print(f"{name}, in {time.perf_counter() - began:.0f} s: {json.dumps(found)}")
            cosines[name] = cosines_of(held_out, folder)
            for what, table in cosines[name].items():
                print(f"{name}, mean cosine of two views in {what}: {between(table):.2f}")
    count = len(held_out)
    print(f"by chance: R@1 {1 / count:.3f}, median rank {(count + 1) / 2:.0f}")
    picture(cosines, given.picture)


if __name__ == "__main__":
    main()
