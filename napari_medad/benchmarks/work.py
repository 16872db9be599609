"""One cell, done: trained, run over its patients, measured; each step goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from napari_medad.benchmarks.category_measuring import look_at_slices, told_apart
from napari_medad.benchmarks.cell import RANDOM, Cell
from napari_medad.benchmarks.cell_folder import RANDOM_WEIGHTS, CellFolder, CellResult
from napari_medad.benchmarks.measuring import measured_volumes
from napari_medad.benchmarks.paper import Figure
from napari_medad.benchmarks.progress import Clock
from napari_medad.benchmarks.slice_measuring import measured_slices
from napari_medad.benchmarks.supervision import prompted, weak_examples
from napari_medad.datasets import DatasetCase
from napari_medad.detectors.detector import Detector
from napari_medad.detectors.recipe import Example
from napari_medad.detectors.registry import load_detector
from napari_medad.evaluation.image_level import image_metrics
from napari_medad.inference.progress import Progress
from napari_medad.inference.run import detect
from napari_medad.training.folder import TrainingFolder
from napari_medad.training.loop import train
from napari_medad.training.progress import TrainingProgress

IMAGES = "images"
"""What takes the place of a threshold policy where whole images are told apart."""


def do(cell: Cell, folder: CellFolder, clock: Clock, device: str) -> CellResult:
    """Train, detect and measure what is not done yet.

    Raises
    ------
    MedadError
        As `train`, `detect` and `evaluate_cases`.
    Cancelled
        What was done is kept.
    """
    held = folder.result()
    if held is not None:
        return held
    folder.begin(cell.made_of())
    weights = cell.weights if cell.options is None else _trained(cell, folder, clock, device)
    prompts = prompted(cell, folder, device, lambda _: clock.step("train", 0))

    @cache
    def detector() -> Detector:
        settings = {**cell.settings, **prompts}
        return load_detector(cell.card.name, weights=weights, device=device, **settings)

    if cell.kind == "categories":
        look_at_slices(cell, detector, folder, clock)
        result = told_apart(cell, folder, detector())
    elif cell.kind == "images":
        _score(cell, detector, folder, clock)
        result = _told_apart(cell, folder, detector())
    else:
        _detect(cell, (*cell.validation, *cell.test), detector, folder, clock)
        result = _measured(cell, folder, clock)
    folder.finish(result)
    return result


def _trained(cell: Cell, folder: CellFolder, clock: Clock, device: str) -> str:
    """Path of the model, which is trained where it is not there."""
    whole = cell.work["train"]
    if (folder.model / "model.json").is_file():
        clock.skip("train", whole)
        return str(folder.model)
    told = -1.0

    def listen(now: TrainingProgress) -> Any:
        nonlocal told
        if now.unit != "steps" or not now.total:
            return clock.step("train", 0)
        done = whole * now.done / now.total
        if told < 0:  # what an earlier run had done
            told = done
            clock.skip("train", done)
        step, told = max(0.0, done - told), max(told, done)
        return clock.step("train", step)

    if cell.weak is None:
        examples = [*_examples(cell, cell.train, False), *_examples(cell, cell.validation, True)]
    else:
        examples = weak_examples(cell, folder, device, lambda _: clock.step("train", 0))
    train(
        cell.card.name,
        examples,
        folder.model,
        options=cell.options,
        weights=None if cell.weights == RANDOM else cell.weights,
        device=device,
        resume=TrainingFolder(folder.model).request_file.is_file(),
        progress=listen,
    )
    return str(folder.model)


def _examples(cell: Cell, cases: Iterable[DatasetCase], held_out: bool) -> Iterator[Example]:
    for case in cases:
        mask = case.masks[0] if case.masks and cell.kind == "volumes" else None
        abnormal = bool(case.masks) if case.abnormal is None else case.abnormal
        yield Example(
            cell.image(case),
            task=cell.task(case),
            label=int(abnormal),
            mask=mask,
            categories=None if cell.shown is None else {cell.shown.slice: cell.shown.of(case)},
            held_out=held_out,
            patient=case.patient,
            frame=case.frames.get(cell.volume),
        )


def _detect(
    cell: Cell,
    cases: Iterable[DatasetCase],
    detector: Callable[[], Detector],
    folder: CellFolder,
    clock: Clock,
) -> None:
    """The anomaly map of every case that has none yet."""
    for case in cases:
        if folder.has_map(cell, case.name):
            clock.skip("detect", 1)
            continue
        done = 0.0

        def step(now: Progress) -> Any:
            nonlocal done
            share = 0.95 * now.done / now.total if now.total else done
            more, done = max(0.0, share - done), max(done, share)
            return clock.step("detect", more)

        study = replace(case, images={cell.volume: cell.image(case)}).study()
        detection = detect(study, detector(), volume=cell.volume, progress=step)
        folder.keep_map(cell, case.name, detection)
        clock.check("detect", 1 - done)


def _score(cell: Cell, detector: Callable[[], Detector], folder: CellFolder, clock: Clock) -> None:
    """The score of every image that has none yet: the highest of its slices."""
    known = folder.scores()
    for case in cell.test:
        if case.name in known:
            clock.skip("detect", 1)
            continue
        prompt = cell.task(case) if cell.card.prompt else None
        detection = detect(case.study(), detector(), prompt=prompt)
        scores = detection.slice_scores[np.isfinite(detection.slice_scores)]
        folder.add_score(case.name, float(scores.max(initial=0.0)))
        clock.check("detect", 1)


def _told_apart(cell: Cell, folder: CellFolder, detector: Detector) -> CellResult:
    """Normal images from abnormal ones by their scores."""
    known = folder.scores()
    scores = np.array([known[case.name] for case in cell.test])
    held = image_metrics(scores, np.array([bool(case.abnormal) for case in cell.test]))
    named = {name: getattr(held, name) for name in ("auroc", "f1", "accuracy")}
    figures = {name: Figure(mean=value) for name, value in named.items() if value is not None}
    notes = (RANDOM_WEIGHTS,) if detector.weights.state == "untrained" else ()
    return CellResult(
        figures={IMAGES: figures},
        weights=detector.weights,
        notes=notes,
        device=detector.device.name,
    )


def _measured(cell: Cell, folder: CellFolder, clock: Clock) -> CellResult:
    records = folder.records(cell)
    first = records[0]
    notes = []
    if any(record.untrained for record in records):
        notes.append(RANDOM_WEIGHTS)
    measured = measured_slices if cell.kind == "slices" else measured_volumes
    found = measured(cell, folder, clock)
    return CellResult(
        figures=found.figures,
        evaluations=tuple(
            held.model_copy(update={"notes": (*held.notes, *notes)}) for held in found.evaluations
        ),
        weights=first.weights,
        notes=(*notes, *found.notes),
        seconds={"detection": sum(record.duration_s for record in records) / len(records)},
        device=first.device,
    )
