"""The folder of one cell: what it was made of, its model, its maps and its result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from napari_medad.atomic import replacing, replacing_files
from napari_medad.benchmarks.cell import Cell
from napari_medad.benchmarks.paper import Figure
from napari_medad.errors import MedadError
from napari_medad.evaluation.evaluation import Evaluation
from napari_medad.results.detection import Detection
from napari_medad.results.run_record import RunRecord, WeightsRecord
from napari_medad.volumes.nifti import write_nifti

RANDOM_WEIGHTS = "UNTRAINED: what is marked so ran with random weights; its figures mean nothing."


class CellResult(BaseModel):
    """What a finished cell says.

    Attributes
    ----------
    figures : mapping of str to mapping of str to Figure
        By the threshold policy, then by the figure.
    evaluations : tuple of Evaluation
        One a policy, where voxels were measured.
    weights : WeightsRecord
        That looked.
    notes : tuple of str
    seconds : mapping of str to float
        Of detection, by patient on average; of training, where it is known.
    device : str
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    figures: dict[str, dict[str, Figure]]
    evaluations: tuple[Evaluation, ...] = ()
    weights: WeightsRecord
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = {}
    device: str = ""

    @property
    def untrained(self) -> bool:
        """Whether the figures come from random weights and mean nothing."""
        return self.weights.state == "untrained"

    def evaluation(self, policy: str) -> Evaluation | None:
        """Under one policy."""
        return next((held for held in self.evaluations if held.policy == policy), None)


class Said(BaseModel):
    """What a detector says of one slice.

    Attributes
    ----------
    scores : tuple of float
        Of each category; empty where the slice shows background only.
    present : tuple of bool
        The decision on each.
    abnormal : float
        Score of the slice.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    scores: tuple[float, ...] = ()
    present: tuple[bool, ...] = ()
    abnormal: float = 0.0


@dataclass(frozen=True)
class CellFolder:
    """Everything in it appears whole or not at all, so that a killed run goes on.

    Attributes
    ----------
    path : Path
    shared : Path or None
        The model's folder where cells share it.
    """

    path: Path
    shared: Path | None = None

    @property
    def model(self) -> Path:
        """The folder of the training, and then of its model."""
        return self.shared or self.path / "model"

    @property
    def maps(self) -> Path:
        """Anomaly maps with their records, as `medad evaluate` reads them."""
        return self.path / "maps"

    def refuse_others(self, made_of: Mapping[str, Any]) -> None:
        """Refuse a folder of other settings, weights or data.

        Raises
        ------
        MedadError
            Names what differs.
        """
        file = self.path / "cell.json"
        if not file.is_file():
            return
        try:
            held = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            raise MedadError(f"{file} is damaged; delete {self.path} and run it again.") from None
        differs = difference(held, json.loads(json.dumps(made_of)))
        if differs:
            raise MedadError(
                f"{self.path} was made with other inputs: {differs}; choose another --out, or "
                "delete that folder."
            )

    def begin(self, made_of: Mapping[str, Any]) -> None:
        """Write down what the cell is made of."""
        with replacing(self.path / "cell.json") as part:
            part.write_text(json.dumps(made_of, indent=2) + "\n", encoding="utf-8")

    def result(self) -> CellResult | None:
        """The result of a finished cell.

        Raises
        ------
        MedadError
            If the file is damaged.
        """
        file = self.path / "result.json"
        if not file.is_file():
            return None
        try:
            return CellResult.model_validate_json(file.read_text(encoding="utf-8"))
        except ValidationError:
            raise MedadError(f"{file} is damaged; delete it and run the benchmark again.") from None

    def finish(self, result: CellResult) -> None:
        """Write the result, after which nothing of the cell is done again."""
        with replacing(self.path / "result.json") as part:
            part.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def map_file(self, cell: Cell, case: str) -> Path:
        """Where the anomaly map of a case is, or will be."""
        return self.maps / f"{case}_{cell.card.name}_anomaly.nii.gz"

    def record_file(self, cell: Cell, case: str) -> Path:
        """Where its record is; it comes last."""
        return self.maps / f"{case}_{cell.card.name}_record.json"

    def has_map(self, cell: Cell, case: str) -> bool:
        """Whether the case has been looked at."""
        return self.record_file(cell, case).is_file()

    def keep_map(self, cell: Cell, case: str, detection: Detection) -> None:
        """Write the anomaly map float32 and the record of its run."""
        values = detection.maps["anomaly"].astype(np.float32, copy=False)
        with replacing_files(self.maps) as parts:
            write_nifti(values, detection.volume, parts / self.map_file(cell, case).name)
            record = parts / self.record_file(cell, case).name
            record.write_text(detection.record.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def scores(self) -> dict[str, float]:
        """Scores of the images that have been looked at."""
        rows = (line.rsplit(",", 1) for line in _whole_lines(self.path / "scores.csv"))
        return {name: float(score) for name, score in rows}

    def add_score(self, case: str, score: float) -> None:
        """Append an image's score."""
        with (self.path / "scores.csv").open("a", encoding="utf-8") as stream:
            stream.write(f"{case},{score!r}\n")

    def said(self) -> dict[str, Said]:
        """What was said of the images that have been looked at."""
        rows = (json.loads(line) for line in _whole_lines(self.path / "said.jsonl"))
        return {row.pop("case"): Said.model_validate(row) for row in rows}

    def add_said(self, case: str, said: Said) -> None:
        """Append what was said of an image."""
        with (self.path / "said.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"case": case, **said.model_dump()}) + "\n")

    def records(self, cell: Cell) -> list[RunRecord]:
        """Of the test cases."""
        return [RunRecord.read(self.record_file(cell, case.name)) for case in cell.test]


def _whole_lines(file: Path) -> list[str]:
    """Lines of a file that grows; one that a kill cut off is dropped."""
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        with replacing(file) as part:
            part.write_text(whole, encoding="utf-8")
    return whole.splitlines()


def difference(before: Any, now: Any, where: str = "") -> str:
    """The first thing that two JSON values differ in, in words; empty where they are alike.

    Names of many (patients with their checksums) are counted, not listed.
    """
    if before == now:
        return ""
    if not isinstance(before, dict) or not isinstance(now, dict):
        return f"{where} was {_told(before)} and is now {_told(now)}"
    if where.endswith("patients"):
        gone, new = sorted(before.keys() - now.keys()), sorted(now.keys() - before.keys())
        if gone or new:
            return f"the {where} were {len(before)} and are now {len(now)} ({(gone + new)[0]})"
        changed = next(name for name in before if before[name] != now[name])
        return f"the files of {changed}, of the {where}, have changed"
    key = next(
        k for k in [*before, *now] if before.get(k) != now.get(k) or (k in before) != (k in now)
    )
    return difference(before.get(key), now.get(key), f"{where} {key}".strip())


def _told(value: Any) -> str:
    return "nothing" if value is None else str(value)
