"""How long strokes, undo and the table take on a 512 x 512 x 600 mask: no lag, 100 ms at most."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from napari_medad.corrections import shapes, strokes
from napari_medad.corrections.correction import Correction
from napari_medad.corrections.files import save_recovery
from napari_medad.results.detection import Detection
from napari_medad.results.run_record import RunRecord
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

SHAPE = (600, 512, 512)
SPACING = (1.0, 0.8, 0.8)
ALLOWED_S = 0.1


def detection(findings: int) -> Detection:
    """A large CT with balls of 4 to 40 mm that are found."""
    rng = np.random.default_rng(3)
    anomaly = np.zeros(SHAPE, np.float32)
    for _ in range(findings):
        radius = rng.uniform(4, 40)
        reach = np.ceil(radius / np.array(SPACING)).astype(int)
        middle = rng.integers(reach, np.array(SHAPE) - reach)
        box = tuple(slice(m - r, m + r + 1) for m, r in zip(middle, reach, strict=True))
        axes = np.ogrid[box]
        squares = [((a - m) * s) ** 2 for a, m, s in zip(axes, middle, SPACING, strict=True)]
        anomaly[box] = np.maximum(anomaly[box], 1 - np.sqrt(sum(squares)) / (2 * radius))
    z, y, x = SPACING
    volume = Volume(np.broadcast_to(np.int16(0), SHAPE), np.diag([-x, -y, z, 1.0]), "ct")
    record = RunRecord(case="large", detector="hyperintensity", volume="ct", threshold_value=0.5)
    return Detection(
        study=Study("large", {"ct": volume}, "ct"),
        detector="hyperintensity",
        maps={"anomaly": anomaly},
        slice_scores=anomaly.max(axis=(1, 2)),
        foreground=np.broadcast_to(True, SHAPE),
        threshold=0.5,
        minimum_ml=0.0,
        record=record,
    )


def timed(what: str, work: Callable[[], object], times: int = 5) -> None:
    """Print the slowest of some calls."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    print(f"{what:48} {max(spent) * 1000:8.1f} ms")


def main() -> None:
    found = detection(findings=40)
    began = time.perf_counter()
    correction = Correction.of(found)
    print(f"{' x '.join(map(str, SHAPE))} voxels, {len(correction.ids)} findings")
    print(f"{'starting a correction':48} {(time.perf_counter() - began) * 1000:8.1f} ms")
    largest = max(correction.findings, key=lambda f: f.volume_ml)
    at = np.array(largest.peak_zyx)
    line = np.stack([at, at + np.array([0, 60, 60])])

    def brush(radius: float, axis: int | None) -> None:
        correction.apply(strokes.paint(correction, line, radius, largest.id, axis=axis))
        correction.undo()

    def eraser() -> None:
        correction.apply(strokes.erase(correction, line, 10.0))
        correction.undo()

    timed("stroke of 60 mm, disc of 5 mm, and its undoing", lambda: brush(5, 0))
    timed("stroke of 60 mm, ball of 10 mm, and its undoing", lambda: brush(10, None))
    timed("eraser through the largest finding, and undoing", eraser)
    timed("all rows of the table", lambda: correction.findings)
    timed(
        f"grow {largest.volume_ml:.0f} mL by 2 mm (in a thread)",
        lambda: shapes.grow(correction, largest.id, 2.0),
        times=2,
    )
    correction.apply(strokes.paint(correction, line, 5, largest.id))
    (step,) = list(correction.history.done)[-1:]
    print(
        f"memory of that stroke: {step.nbytes / 2**20:.2f} MiB of {found.mask.nbytes / 2**20:.0f}"
    )
    with TemporaryDirectory() as folder:
        timed(
            "autosave (in a thread)", lambda: save_recovery(correction, Path(folder) / "a.npz"), 2
        )


if __name__ == "__main__":
    main()
