"""An evaluation of folders as files: metrics, tables, figures and a page, all or none."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from napari_medad.atomic import replacing, replacing_files
from napari_medad.errors import MedadError
from napari_medad.evaluation.comparison import Comparison, compare
from napari_medad.evaluation.evaluation import Evaluation, PatientFigures, SliceFigures
from napari_medad.evaluation.folder import FolderEvaluation
from napari_medad.evaluation.overlap import overlap_labels
from napari_medad.evaluation.page import write_page
from napari_medad.evaluation.pairing import Pair, on_grid_of
from napari_medad.evaluation.patients import found_mask
from napari_medad.inference.progress import Callback, Reporter
from napari_medad.results.run_record import RunRecord
from napari_medad.volumes.reader import read_volume
from napari_medad.volumes.volume import Volume

if TYPE_CHECKING:
    from napari_medad.evaluation.plots.drawing import NamedFigure
    from napari_medad.evaluation.plots.overlays import Outcome

WHOSE = ("detector", "policy")
PATIENT_COLUMNS = tuple(name for name in PatientFigures.model_fields if name != "slices")
SLICE_COLUMNS = tuple(SliceFigures.model_fields)
MOST_ROWS = 40
"""Patients that the heat map of experts names one by one; beyond, prompts stand for them."""

MOST_DETECTORS = 3
"""Whose key slices are shown."""


class Metrics(BaseModel):
    """What `metrics.json` holds.

    Attributes
    ----------
    evaluations : tuple of Evaluation
    comparisons : tuple of Comparison
        Of each two detectors under one policy.
    facts : mapping of str to str
        Weights, settings and versions of the runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    evaluations: tuple[Evaluation, ...]
    comparisons: tuple[Comparison, ...] = ()
    facts: dict[str, str] = {}


def write_evaluation(
    folder: str | Path,
    told: Sequence[FolderEvaluation],
    *,
    title: str | None = None,
    progress: Callback | None = None,
) -> list[Path]:
    """Write all that there is to say of evaluations into a folder.

    `metrics.json`; `patients.csv` and `slices.csv`, a row each of every detector and policy;
    `figures/`, each as PNG and SVG; `report.html`, which needs no other file. All appear
    together or none.

    Parameters
    ----------
    folder : path
    told : sequence of FolderEvaluation
        Of one detector or several, under one policy or several.
    title : str, optional
        Of the page.
    progress : callable, optional
        Takes a `Progress` counted in steps; answers "stop" to cancel.

    Raises
    ------
    MedadError
        If the folder cannot be written.
    Cancelled
    """
    from napari_medad.evaluation.plots.standard import write_figures

    folder, steps = Path(folder), _Steps(progress)
    evaluations = tuple(one.evaluation for one in told)
    metrics = Metrics(
        evaluations=evaluations, comparisons=comparisons(evaluations), facts=_facts(told)
    )
    figures = _figures(told, steps)
    with replacing_files(folder) as parts:
        with replacing(parts / "metrics.json") as part:
            part.write_text(metrics.model_dump_json(indent=2) + "\n", encoding="utf-8")
        write_patients(evaluations, parts / "patients.csv")
        write_slices(evaluations, parts / "slices.csv")
        write_figures(parts / "figures", figures, steps)
        write_page(
            parts / "report.html",
            title or f"Evaluation of {', '.join(dict.fromkeys(e.name for e in evaluations))}",
            evaluations,
            about=_about(evaluations),
            comparisons=metrics.comparisons,
            figures=figures,
            facts=metrics.facts,
            notes=_counted(evaluations),
        )
        steps.last()
        written = sorted(p.relative_to(parts) for p in parts.rglob("*") if p.is_file())
    return [folder / path for path in written]


def comparisons(evaluations: Sequence[Evaluation]) -> tuple[Comparison, ...]:
    """Each two detectors under one policy, where more than one patient has both."""
    return tuple(
        compare(first, second)
        for first, second in combinations(evaluations, 2)
        if first.policy == second.policy and first.name != second.name
    )


def write_patients(evaluations: Iterable[Evaluation], path: Path) -> Path:
    """One row a detector, policy and patient; empty where a figure is not defined."""
    rows = (
        {**_whose(held), **patient.model_dump(exclude={"slices"})}
        for held in evaluations
        for patient in held.patients
    )
    return _write(path, (*WHOSE, *PATIENT_COLUMNS), rows)


def write_slices(evaluations: Iterable[Evaluation], path: Path) -> Path:
    """One row a detector, policy and axial slice with a lesion."""
    rows = (
        {**_whose(held), "patient": patient.patient, **one.model_dump()}
        for held in evaluations
        for patient in held.patients
        for one in patient.slices
    )
    return _write(path, (*WHOSE, "patient", *SLICE_COLUMNS), rows)


class _Steps:
    """Counts drawing and writing, of which nobody knows beforehand how many there are."""

    def __init__(self, progress: Callback | None) -> None:
        self.report, self.done = Reporter(progress, 0, "steps"), 0

    def __call__(self) -> None:
        self.done += 1
        self.report(self.done, total=max(self.done + 1, 12))

    def last(self) -> None:
        """All is written."""
        self.report(self.done, total=self.done)


def _whose(held: Evaluation) -> dict[str, object]:
    return {"detector": held.name, "policy": held.policy_text}


def _write(path: Path, columns: Sequence[str], rows: Iterable[dict[str, object]]) -> Path:
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows({k: "" if v is None else v for k, v in row.items()} for row in rows)
    return path


def _counted(evaluations: Sequence[Evaluation]) -> list[str]:
    """A warning where detectors are measured on other voxels."""
    voxels = {held.name: held.pooled.voxels for held in evaluations}
    if len(set(voxels.values())) == 1:
        return []
    told = ", ".join(f"{name} {count:,}" for name, count in voxels.items())
    return [
        f"The detectors' maps cover different voxels ({told}), so that their rankings are not "
        "quite comparable; count inside given masks, or the whole grid."
    ]


def _about(evaluations: Sequence[Evaluation]) -> str:
    patients = len({p.patient for held in evaluations for p in held.patients})
    names = list(dict.fromkeys(held.name for held in evaluations))
    return (
        f"Anomaly maps of {', '.join(names)} against the reference masks of {patients} "
        f"volume{'' if patients == 1 else 's'}."
    )


def _facts(told: Sequence[FolderEvaluation]) -> dict[str, str]:
    """What the runs' records say, by detector; paths stay out of it: they bear patients' names."""
    facts: dict[str, str] = {}
    for one in {held.evaluation.name: held for held in told}.values():
        records = [pair.map.record for pair in one.pairs if pair.map.record is not None]
        for what, say in SAID.items():
            said = list(dict.fromkeys(text for text in map(say, records) if text))
            if said:
                more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
                facts[f"{one.evaluation.name}: {what}"] = said[0] + more
    return facts


SAID: dict[str, Callable[[RunRecord], str]] = {
    "weights": lambda r: " · ".join(filter(None, (r.weights.state, r.weights.name))),
    "weights' sha256": lambda r: r.weights.sha256 or "",
    "volume": lambda r: r.volume,
    "prompt": lambda r: r.prompt or "",
    "settings": lambda r: ", ".join(f"{k} = {v}" for k, v in r.settings.items()),
    "threshold of the run": lambda r: r.threshold_source,
    "versions": lambda r: ", ".join(f"{k} {v}" for k, v in r.versions.items()),
}
"""What the page tells of runs, each distinct answer once."""


def _figures(told: Sequence[FolderEvaluation], steps: _Steps) -> list[NamedFigure]:
    from napari_medad.evaluation.plots.drawing import NamedFigure
    from napari_medad.evaluation.plots.heat_maps import expert_selection, text_similarity
    from napari_medad.evaluation.plots.standard import standard_figures

    outcomes = list(_outcomes(told, steps))
    steps()
    figures = standard_figures([one.evaluation for one in told], outcomes)
    routed, likeness = _routed(told), _similarity(told)
    if routed:
        figures.append(
            NamedFigure(
                "expert_selection",
                "Experts that the router chose",
                expert_selection(routed),
                "Mean weight over a volume's slices; every row adds up to 1.",
            )
        )
    if likeness:
        before = likeness.get("before")
        figures.append(
            NamedFigure(
                "text_similarity",
                "Likeness of images and texts",
                text_similarity(
                    likeness["shots"],
                    likeness["signs"],
                    np.array(likeness["after"]),
                    None if before is None else np.array(before),
                ),
                "Cosines of the shots that were learned from (rows) and the signs (columns), the "
                "normal sentence last.",
            )
        )
    return figures


def _routed(told: Sequence[FolderEvaluation]) -> dict[str, dict[str, float]]:
    """The router's weights by patient, or by prompt where there are many; of the first that has."""
    routing = [one for one in told if _router(one.pairs[0])]
    if not routing:
        return {}
    pairs = routing[0].pairs
    if len(pairs) <= MOST_ROWS:
        return {pair.map.patient: _router(pair) for pair in pairs}
    by_prompt: dict[str, list[dict[str, float]]] = {}
    for pair in pairs:
        record = pair.map.record
        prompt = record.evidence.get("prompt") if record is not None else ""
        by_prompt.setdefault(prompt or "no prompt", []).append(_router(pair))
    return {
        f"{prompt} (n = {len(rows)})": {
            name: float(np.mean([row.get(name, 0) for row in rows])) for name in rows[0]
        }
        for prompt, rows in by_prompt.items()
    }


def _router(pair: Pair) -> dict[str, float]:
    record = pair.map.record
    return record.evidence.get("router", {}) if record is not None else {}


def _similarity(told: Sequence[FolderEvaluation]) -> dict[str, Any]:
    """The training's cosines of shots and signs, where a detector kept them."""
    records = (pair.map.record for one in told for pair in one.pairs)
    held = (r.evidence.get("similarity") for r in records if r is not None)
    return next((likeness for likeness in held if likeness), {})


def _outcomes(told: Sequence[FolderEvaluation], steps: _Steps) -> Iterator[Outcome]:
    """The patients with the best, the middle and the worst Dice of the first, of each detector."""
    from napari_medad.evaluation.plots.overlays import key_slices

    by_name: dict[str, FolderEvaluation] = {}
    for one in told:
        by_name.setdefault(one.evaluation.name, one)
    detectors = list(by_name.values())[:MOST_DETECTORS]
    first = told[0].evaluation
    ranked = sorted(
        (row for row, patient in enumerate(first.patients) if patient.lesions),
        key=lambda row: first.patients[row].dice or 0,
    )
    if not ranked:
        return
    chosen = dict.fromkeys((ranked[-1], ranked[len(ranked) // 2], ranked[0]))
    for patient in (first.patients[row].patient for row in chosen):
        shown = []
        for one in detectors:
            steps()
            shown.append(_outcome(one, patient))
        slices = key_slices([outcome.labels for outcome in shown])
        yield from (replace(outcome, slices=slices) for outcome in shown)


def _outcome(one: FolderEvaluation, patient: str) -> Outcome:
    """A patient's outcome by one detector."""
    from napari_medad.evaluation.plots.overlays import Outcome

    row = [held.patient for held in one.evaluation.patients].index(patient)
    figures, case = one.evaluation.patients[row], one.case(row)
    truth = case.truth if case.counted is None else case.truth & case.counted
    labels = overlap_labels(found_mask(case, figures.threshold, one.minimum_ml), truth)
    title = f"{patient} · {one.evaluation.name} · Dice {figures.dice:.2f}"
    return Outcome(title, _scan(one.pairs[row], case.scores), labels, case.spacing)


def _scan(pair: Pair, scores: np.ndarray) -> np.ndarray:
    """The scan that a run looked at, on the truth's voxels; its map where the scan is gone."""
    record = pair.map.record
    for source in record.sources if record is not None else ():
        if record is None or source.volume != record.volume:
            continue
        try:
            if source.path is not None and Path(source.path).exists():
                volume: Volume = read_volume(source.path, frame=source.frame)
                return on_grid_of(read_volume(pair.truth), volume, record.volume)
        except MedadError:
            continue
    return scores
