"""A detector that tells abnormalities apart, measured on slices whose abnormalities are known."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from napari_medad.atomic import replacing
from napari_medad.detectors.detector import Detector
from napari_medad.detectors.recipe import Example
from napari_medad.detectors.registry import card, load_detector
from napari_medad.errors import MedadError
from napari_medad.evaluation.multi_label import MultiLabelMetrics, check_known, measured, table
from napari_medad.inference.progress import Callback, Reporter
from napari_medad.inference.run import detect_all
from napari_medad.results.run_record import WeightsRecord

SELECTION = "select_signs"
VARIANTS = {"signs selected": True, "all signs": False}
"""The paper's table holds both, the second as "no SS"."""


class Benchmark(BaseModel):
    """Figures of a detector, and what they are of. Holds no name of an image or patient.

    Attributes
    ----------
    detector : str
    weights : WeightsRecord
    settings : mapping
        Of the first run.
    images : int
        Volumes or pictures, each looked at once along an axis.
    runs : mapping of str to MultiLabelMetrics
        By what distinguishes the runs.
    """

    model_config = ConfigDict(frozen=True)

    detector: str
    weights: WeightsRecord
    settings: dict[str, Any]
    images: int
    runs: dict[str, MultiLabelMetrics]

    def save(self, folder: str | Path) -> list[Path]:
        """Write `benchmark.csv`, one figure a row, and `benchmark.json` into a folder."""
        paths = [Path(folder) / f"benchmark.{kind}" for kind in ("csv", "json")]
        rows = table(self.runs)
        with replacing(paths[0]) as part, part.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        with replacing(paths[1]) as part:
            part.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return paths


def benchmark(
    name: str,
    examples: Sequence[Example],
    *,
    settings: Mapping[str, Any] | None = None,
    progress: Callback | None = None,
    **loading: Any,
) -> Benchmark:
    """Run a detector over images and measure what it says of the slices that are named.

    A detector that selects signs runs with and without, unless the settings choose.

    Parameters
    ----------
    name : str
        A detector that tells categories apart.
    examples : sequence of Example
        With `categories`. Those of one image along one axis are looked at together.
    settings : mapping, optional
        Of the detector.
    progress : callable, optional
        Takes a `Progress` counted in images; answers "stop" to cancel.
    **loading
        Of `load_detector`: weights, device, precision.

    Raises
    ------
    MedadError
        If the detector knows no categories, or an example says nothing of them, names an
        unknown one, or a slice that is not there.
    Cancelled
        If `progress` answered "stop".
    """
    images = _by_image(examples)
    detectors = _variants(name, dict(settings or {}), loading)
    first = next(iter(detectors.values()))
    if not first.categories:
        raise MedadError(
            f"{name} with the weights '{first.weights.name}' tells no categories apart; choose "
            "weights that learned some."
        )
    for example in images:
        check_known(example, first.categories)
    reporter = Reporter(progress, len(images), "images")
    found = []
    for number, example in enumerate(images):
        found.append(
            detect_all(
                example.study(),
                list(detectors.values()),
                axis=example.axis,
                progress=lambda step: reporter(reporter.done),
            )
        )
        reporter(number + 1)
    runs = {
        run: measured(list(zip(images, said, strict=True)), first.categories)
        for run, said in zip(detectors, zip(*found, strict=True), strict=True)
    }
    used = first.settings.model_dump(mode="json")
    return Benchmark(
        detector=name, weights=first.weights, settings=used, images=len(images), runs=runs
    )


def _variants(
    name: str, settings: dict[str, Any], loading: Mapping[str, Any]
) -> dict[str, Detector]:
    """The detector by run: with and without selection where it has one, else as it is."""
    free = SELECTION in card(name).settings_type().model_fields and SELECTION not in settings
    runs: dict[str, dict[str, Any]] = {name: {}}
    if free:
        runs = {run: {SELECTION: on} for run, on in VARIANTS.items()}
    return {run: load_detector(name, **loading, **settings, **own) for run, own in runs.items()}


def _by_image(examples: Sequence[Example]) -> list[Example]:
    """One example for each image and axis, with all slices that are named of it."""
    together: dict[tuple[object, str], Example] = {}
    for example in examples:
        where = example.image if isinstance(example.image, Path) else "an image in memory"
        if example.categories is None:
            raise MedadError(
                f"There are no categories to compare with for {where}; give every row a 'slice' "
                "and 'categories', or 'normal'."
            )
        known = example.image if isinstance(example.image, Path) else id(example.image)
        before = together.setdefault((known, example.axis), replace(example, categories={}))
        named = dict(before.categories or {})
        for z, shown in example.categories.items():
            if z in named and bool(named[z]) != bool(shown):
                raise MedadError(
                    f"The {example.axis} slice {z} of {where} is called normal and "
                    f"{', '.join(named[z] or shown)}; delete one of its rows."
                )
            named[z] = tuple(dict.fromkeys((*named.get(z, ()), *shown)))
        together[known, example.axis] = replace(before, categories=named)
    return list(together.values())
