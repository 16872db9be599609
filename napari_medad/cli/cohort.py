"""`medad detect` on a cohort."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medad.cli.console import progress_bar, say, show_table, warn
from napari_medad.errors import MedadError

if TYPE_CHECKING:
    from napari_medad.cohorts.sources import StudyList

SHOWN = 10
"""Studies of the highest scores, and failures, that the terminal shows."""


def studies_of(
    source: Path | None, cohort: bool | None, spread: Mapping[str, object]
) -> StudyList | None:
    """The studies of INPUT; None where it is a single one.

    Raises
    ------
    MedadError
        If a cohort was asked for and INPUT is none.
    """
    if source is None or not source.expanduser().exists():
        return None
    from napari_medad.cohorts.folders import find_cohort

    found = find_cohort(source, cohort=cohort)
    if found is None and (cohort or spread):
        asked = f"--{next(iter(spread), 'cohort')}"
        raise MedadError(
            f"{source} is not a cohort, and {asked} is for cohorts; give a folder of studies or a "
            f"manifest, or leave out {asked}."
        )
    return found


def detect_many(studies: StudyList, detector: str | None, out: Path, **options: Any) -> None:
    """Run a detector over a cohort and tell what came of it.

    Raises
    ------
    MedadError
        As `detect_cohort`; if no study could be looked at.
    """
    from napari_medad import detect_cohort
    from napari_medad.cohorts.index import INDEX, about
    from napari_medad.cohorts.summary import SUMMARY, TABLE
    from napari_medad.detectors.registry import cards

    if detector is None:
        raise MedadError(f"--detector is missing; there are: {', '.join(cards())}.")
    if "," in detector:
        raise MedadError(
            f"A cohort is gone through by one detector, not by {detector}; run each into an --out "
            "of its own."
        )
    with progress_bar(detector) as report:
        cohort = detect_cohort(
            studies,
            detector,
            out,
            progress=lambda step: report(step, step.details),
            **options,
        )
    best = sorted(
        (row for row in cohort.rows if row.score is not None), key=lambda row: -(row.score or 0)
    )
    say(f"{detector}: {about(cohort.rows)}")
    show_table(
        ("Study", "Score ()", "Findings ()", "Volume (mL)"),
        ([r.study, f"{r.score:.4g}", r.findings, f"{r.volume_ml:.2f}"] for r in best[:SHOWN]),
        title="The highest scores",
    )
    for name in (TABLE, SUMMARY, INDEX):
        say(str(out / name))
    for row in cohort.failed[:SHOWN]:
        warn(f"{row.study} failed: {row.reason}")
    if len(cohort.failed) > SHOWN:
        warn(f"{len(cohort.failed) - SHOWN} more failed; {out / TABLE} says why.")
    if cohort.record.weights.state == "untrained":
        warn(f"UNTRAINED: {detector} ran with random weights; these maps mean nothing.")
    if cohort.failed and not best:
        raise MedadError(f"None of the {len(cohort.failed)} studies could be looked at.")
