"""Findings as CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_medad.atomic import replacing
from napari_medad.export.outcome import Outcome
from napari_medad.results.files import FINDING_COLUMNS, write_csv


def write_csv_table(outcome: Outcome, folder: Path, tick: Callable[[], None]) -> None:
    """Write `STEM_findings.csv`; corrected findings have their `state` as well."""
    tick()
    columns = [*FINDING_COLUMNS, *(["state"] if outcome.corrected else [])]
    rows = (finding.row() for finding in outcome.findings)
    write_csv(folder / f"{outcome.stem}_findings.csv", columns, rows)


def write_json(outcome: Outcome, folder: Path, tick: Callable[[], None]) -> None:
    """Write `STEM_findings.json`: findings, and what decides how far to trust them."""
    tick()
    with replacing(folder / f"{outcome.stem}_findings.json") as part:
        part.write_text(json.dumps(described(outcome), indent=2) + "\n", encoding="utf-8")


def described(outcome: Outcome) -> dict[str, Any]:
    """The findings as plain values. Names no file, so that no patient's name comes along."""
    record = outcome.record
    return {
        "case": outcome.detection.study.name,
        "detector": record.detector,
        "volume": record.volume,
        "weights": record.weights.model_dump(include={"state", "name", "sha256"}),
        "untrained": record.untrained,
        "corrected": outcome.corrected,
        "threshold": outcome.detection.threshold,
        "threshold_source": record.threshold_source,
        "minimum_ml": outcome.detection.minimum_ml,
        "statements": list(outcome.statements),
        "findings": [asdict(finding) for finding in outcome.findings],
    }
