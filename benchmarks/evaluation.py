"""What ranking the voxels of many volumes costs: memory, time, and the error against a sort.

    python benchmarks/evaluation.py                # 50 volumes, the size of the zero-shot benchmark
    python benchmarks/evaluation.py --volumes 300  # memory and time only beyond --exact volumes

Scores are continuous float32, as different as they can be, so that levels must be merged; 1 % of
the voxels are lesion. Memory is what the process holds beyond one volume and its truth.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from napari_medad.evaluation.pooled import StreamedRanking
from napari_medad.evaluation.voxel_metrics import Ranking

SHAPE = (155, 240, 240)
PREVALENCE = 0.01
LIMIT = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--volumes", type=int, default=50)
    parser.add_argument("--exact", type=int, default=10, help="volumes that are sorted too")
    options = parser.parse_args()
    made(0)
    before, start = held_gb(), time.perf_counter()
    ranking = StreamedRanking()
    for seed in range(options.volumes):
        ranking.add(*made(seed))
        if seed + 1 in (1, 10, options.volumes):
            spent = time.perf_counter() - start
            print(f"{seed + 1} volumes: {held_gb() - before:.2f} GB more, {spent:.0f} s")
    compare(min(options.exact, options.volumes))


def compare(volumes: int) -> None:
    """Streamed figures beside those of one sort of all voxels."""
    ranking = StreamedRanking()
    for seed in range(volumes):
        ranking.add(*made(seed))
    scores, truth = (np.concatenate(part) for part in zip(*map(made, range(volumes)), strict=True))
    exact = Ranking.of(scores, truth)
    assert exact.best_f1 is not None
    told = {
        "AUROC": (ranking.auroc(), exact.auroc),
        "average precision": (ranking.average_precision(), exact.average_precision),
        "F1-max": ((ranking.best_f1() or (0.0,))[0], exact.best_f1[0]),
    }
    print(f"{volumes} volumes, {scores.size:,} voxels, {ranking.keys.size:,} levels")
    for name, (streamed, sorted_all) in told.items():
        error = abs((streamed or 0) - (sorted_all or 0))
        print(f"  {name}: {streamed:.8f}, error {error:.1e}")
        assert error < LIMIT


def made(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores [n] float32 and truth [n] bool of one volume."""
    rng = np.random.default_rng(seed)
    truth = rng.random(np.prod(SHAPE), np.float32) < PREVALENCE
    scores = rng.standard_normal(truth.size, np.float32)
    scores += np.float32(1.5) * truth
    return 1 / (1 + np.exp(-scores)), truth


def held_gb() -> float:
    """The most that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()
