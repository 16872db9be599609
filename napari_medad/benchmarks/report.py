"""The files of a benchmark: tables, every number, figures, and a page."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_medad.atomic import replacing
from napari_medad.benchmarks.matrix import Outcome
from napari_medad.benchmarks.tables import Printed, markdown, state
from napari_medad.evaluation.page import write_page
from napari_medad.evaluation.plots.standard import standard_figures, write_figures
from napari_medad.evaluation.tables import Table
from napari_medad.results.run_record import installed_versions


@dataclass(frozen=True)
class Report:
    """A benchmark's results, ready to be written.

    Attributes
    ----------
    name, title, about, citation : str
    outcomes : sequence of Outcome
    printed : Printed
        The paper's figures.
    tables : sequence of Table
    policies : sequence of str
        Those that are told, as the results' `figures` name them.
    shown : str
        The policy of the figures and the patients' tables.
    deviations : sequence of str
        What is not the protocol; empty where everything is.
    choices : sequence of str
        Where the paper is silent or odd.
    """

    name: str
    title: str
    about: str
    citation: str
    outcomes: Sequence[Outcome]
    printed: Printed
    tables: Sequence[Table]
    policies: Sequence[str]
    shown: str
    deviations: Sequence[str] = ()
    choices: Sequence[str] = ()

    @property
    def warnings(self) -> list[str]:
        """What nobody should miss."""
        found = [f"NOT THE PROTOCOL: {text}" for text in self.deviations]
        held = [o.result for o in self.outcomes if o.result is not None]
        return [*found, *dict.fromkeys(n for r in held for n in r.notes if n.startswith("UNTR"))]

    def write(self, folder: str | Path) -> list[Path]:
        """Write table.md, table.csv, results.json, report.html and figures/ into a folder.

        Raises
        ------
        MedadError
            If the folder cannot be written.
        """
        folder = Path(folder)
        files = [folder / name for name in ("table.md", "table.csv", "results.json")]
        with replacing(files[0]) as part:
            part.write_text(self._markdown(), encoding="utf-8")
        rows = self.rows()
        with replacing(files[1]) as part, part.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        with replacing(files[2]) as part:
            part.write_text(json.dumps(self._held(), indent=2) + "\n", encoding="utf-8")
        return [*files, self._page(folder)]

    def rows(self) -> list[dict[str, Any]]:
        """One figure of one cell under one policy a row; None where there is none."""
        names = dict.fromkeys(
            [*self.printed.figures, *(n for row in self.printed.rows for n in row.figures)]
        )
        return [
            self._row(outcome, policy, name)
            for outcome in self.outcomes
            for policy in self.policies
            for name in names
        ]

    def _row(self, outcome: Outcome, policy: str, name: str) -> dict[str, Any]:
        cell, result = outcome.cell, outcome.result
        ours = None if result is None else result.figures.get(policy, {}).get(name)
        theirs = self.printed.figure(cell.method, cell.setup, name)
        scale = self.printed.scale
        return {
            "method": cell.method,
            "setup": cell.setup,
            "policy": policy,
            "figure": name,
            "mean": None if ours is None else ours.mean,
            "sd": None if ours is None else ours.sd,
            "paper_mean": None if theirs is None else theirs.mean / scale,
            "paper_sd": None if theirs is None or theirs.sd is None else theirs.sd / scale,
            "paper_flag": self.printed.flag(cell.method, cell.setup, name),
            "state": state(outcome),
        }

    def _markdown(self) -> str:
        told = [f"# {self.title}", "", self.about, "", f"Paper: {self.citation}.", ""]
        told += [f"**{text}**\n" for text in self.warnings]
        told += [markdown(table) for table in self.tables]
        told += [f"- {text}" for text in self.choices]
        return "\n".join(told) + "\n"

    def _held(self) -> dict[str, Any]:
        return {
            "benchmark": self.name,
            "citation": self.citation,
            "protocol": not self.deviations,
            "deviations": list(self.deviations),
            "choices": list(self.choices),
            "versions": installed_versions(),
            "cells": [
                {
                    "method": o.cell.method,
                    "setup": o.cell.setup,
                    "state": state(o),
                    "settings": dict(o.cell.settings),
                    "training_options": None if o.cell.options is None else dict(o.cell.options),
                    "patients": {
                        part: [case.name for case in getattr(o.cell, part)]
                        for part in ("train", "validation", "test")
                    },
                    "weights": o.result and o.result.weights.model_dump(mode="json"),
                    "device": o.result and o.result.device,
                    "seconds": o.result and o.result.seconds,
                    "notes": list(o.result.notes) if o.result else [],
                }
                for o in self.outcomes
            ],
            "figures": self.rows(),
        }

    def _page(self, folder: Path) -> Path:
        held = [o.result.evaluation(self.shown) for o in self.outcomes if o.result is not None]
        shown = [evaluation for evaluation in held if evaluation is not None]
        figures = standard_figures(shown) if shown else []
        write_figures(folder / "figures", figures)
        return write_page(
            folder / "report.html",
            self.title,
            shown,
            about=f"{self.about} {self.citation}.",
            tables=self.tables,
            figures=figures,
            facts={
                "Benchmark": self.name,
                **({"Threshold of figures and patients": self.shown} if shown else {}),
            },
            notes=[*self.warnings, *self.choices],
        )
