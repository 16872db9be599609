"""Which abnormalities each test image is said to show, against those that it shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_medad.benchmarks.cell import Cell
from napari_medad.benchmarks.cell_folder import RANDOM_WEIGHTS, CellFolder, CellResult, Said
from napari_medad.benchmarks.paper import Figure
from napari_medad.benchmarks.progress import Clock
from napari_medad.detectors.detector import Detector
from napari_medad.errors import MedadError
from napari_medad.evaluation.multi_label import multi_label_metrics
from napari_medad.inference.run import detect

CATEGORIES = "categories"
"""What takes the place of a threshold policy."""


def look_at_slices(
    cell: Cell, detector: Callable[[], Detector], folder: CellFolder, clock: Clock
) -> None:
    """What the detector says of every test image of which nothing is known yet.

    Raises
    ------
    MedadError
        As `detect`.
    Cancelled
        What was done is kept.
    """
    assert cell.shown is not None
    known, z = folder.said(), cell.shown.slice
    for case in cell.test:
        if case.name in known:
            clock.skip("detect", 1)
            continue
        found = detect(case.study(), detector(), progress=lambda now: clock.step("detect", 0))
        said = Said()
        if not np.isnan(found.slice_scores[z]):
            said = Said(
                scores=tuple(float(found.category_scores[c][z]) for c in cell.shown.categories),
                present=tuple(bool(found.category_present[c][z]) for c in cell.shown.categories),
                abnormal=float(found.slice_scores[z]),
            )
        folder.add_said(case.name, said)
        clock.check("detect", 1)


def told_apart(cell: Cell, folder: CellFolder, detector: Detector) -> CellResult:
    """AUROC of each category and their mean, Hamming score and subset accuracy.

    Raises
    ------
    MedadError
        If every test image shows background only.
    """
    assert cell.shown is not None
    known, names = folder.said(), cell.shown.categories
    seen = [case for case in cell.test if known[case.name].scores]
    if not seen:
        raise MedadError(f"All images of {cell.setup} show background only at this slice.")
    said = [known[case.name] for case in seen]
    shown = [cell.shown.of(case) for case in seen]
    truth = np.array([[name in found for name in names] for found in shown])
    held = multi_label_metrics(
        names,
        truth,
        np.array([one.scores for one in said]),
        np.array([one.present for one in said]),
        np.array([one.abnormal for one in said]),
    )
    figures = {
        "mean_auroc": held.mean_auroc,
        "hamming": held.hamming,
        "subset_accuracy": held.subset_accuracy,
        **held.auroc,
    }
    notes = [
        f"{len(seen)} images were measured. Whoever names none in any has a Hamming score of "
        f"{100 * (~truth).mean():.1f} and a subset accuracy of {100 * (~truth).all(1).mean():.1f}."
    ]
    if len(seen) < len(cell.test):
        notes.append(f"{len(cell.test) - len(seen)} show background only and were left out.")
    alone = [name for name, value in held.auroc.items() if value is None]
    if alone:
        notes.append(f"No AUROC, as all or none of the images show it: {', '.join(alone)}.")
    if detector.weights.state == "untrained":
        notes.insert(0, RANDOM_WEIGHTS)
    return CellResult(
        figures={CATEGORIES: {k: Figure(mean=v) for k, v in figures.items() if v is not None}},
        weights=detector.weights,
        notes=tuple(notes),
        device=detector.device.name,
    )
