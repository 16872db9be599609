"""`medad benchmark` with a detector that reads categories off the brightness of a slice."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_medad.cli import run
from napari_medad.detectors.detector import Case, Prediction, SliceBatch, SliceDetector
from napari_medad.detectors.device import Device
from napari_medad.detectors.recipe import Example
from napari_medad.detectors.registry import card
from napari_medad.detectors.sdmad.settings import SdmadSettings
from napari_medad.errors import Cancelled, MedadError
from napari_medad.evaluation import benchmark as module
from napari_medad.evaluation.benchmark import benchmark
from napari_medad.results.run_record import WeightsRecord
from napari_medad.volumes.volume import Volume

DEFAULTS = SdmadSettings()


class Bright(SliceDetector):
    """Says "Cyst" above 15 and "Fat" above 25; without selection all is decided present."""

    card = card("sdmad")
    categories = ("Cyst", "Fat")

    def load(self, weights: str) -> None:
        self.weights = WeightsRecord(state="trained", name=weights)

    def predict(self, batch: SliceBatch, state: object) -> Prediction:
        pixels = batch.pixels()
        peak = pixels.max(axis=(1, 2))
        scores = {"Cyst": peak / 15, "Fat": peak / 25}
        always = not self.settings.select_signs
        return Prediction(
            {"anomaly": pixels},
            peak,
            categories=scores,
            present={name: (score > 1) | always for name, score in scores.items()},
        )

    def threshold(self, case: Case, state: object) -> float:
        return 1.0


@pytest.fixture(autouse=True)
def _bright(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, *, weights: str = "auto", **settings: object) -> Bright:
        settings.pop("device", None)
        return Bright(SdmadSettings.parse(settings, name), Device(), weights)

    monkeypatch.setattr(module, "load_detector", load)


def volume(*peaks: float) -> Volume:
    """A slice for each peak, with a border of 0."""
    array = np.zeros((len(peaks), 12, 12), np.float32)
    array[:, 2:10, 2:10] = 5
    array[:, 4:6, 4:6] = np.array(peaks)[:, None, None]
    return Volume(array, np.eye(4), "t2f")


EXAMPLES = [
    Example(volume(10, 20, 30, 12), categories={0: (), 1: ("Cyst",), 2: ("Cyst", "Fat")}),
    Example(volume(11, 40), categories={0: ("Fat",)}),
]
"""Peaks 10, 20, 30 and 11 are named; the last is a Fat that does not shine."""


def test_both_runs_are_measured_by_hand() -> None:
    found = benchmark("sdmad", EXAMPLES, weights="mine")
    assert list(found.runs) == ["signs selected", "all signs"]
    selected, whole = found.runs.values()
    assert (found.images, selected.slices, found.weights.name) == (2, 4, "mine")
    # Cyst: 20 and 30 against 10 and 11; Fat: 30 and 11 against 10 and 20, of four pairs one lost
    assert selected.auroc == {"Cyst": 1.0, "Fat": 0.75}
    assert selected.hamming == 1 - 1 / 8
    assert selected.subset_accuracy == 3 / 4
    assert selected.abnormal_auroc == 1.0
    assert whole.hamming == 4 / 8
    assert whole.subset_accuracy == 1 / 4


def test_a_choice_of_the_user_makes_one_run() -> None:
    found = benchmark("sdmad", EXAMPLES, settings={"select_signs": "false"})
    assert list(found.runs) == ["sdmad"]
    assert found.settings["select_signs"] is False


def test_rows_of_one_image_are_looked_at_together(monkeypatch) -> None:
    looked = []
    monkeypatch.setattr(
        module, "detect_all", lambda s, d, **k: looked.append(s) or original(s, d, **k)
    )
    image = EXAMPLES[0].image
    rows = [Example(image, categories={1: ("Cyst",)}), Example(image, categories={2: ("Fat",)})]
    found = benchmark("sdmad", [*rows, Example(image, categories={2: ("Cyst",)})])
    assert len(looked) == 1
    assert next(iter(found.runs.values())).slices == 2
    assert next(iter(found.runs.values())).subset_accuracy == 1.0


original = module.detect_all


@pytest.mark.parametrize(
    ("examples", "said"),
    [
        ([Example(volume(10))], "no categories to compare with for an image in"),
        (
            [replace(EXAMPLES[0], categories={1: names}) for names in ((), ("Cyst",))],
            "slice 1 of .* called normal and Cyst",
        ),
        ([Example(volume(10), categories={0: ("Bone",)})], "'Bone'.* they know Cyst, Fat"),
        ([Example(volume(10), categories={7: ()})], "no axial slice 7"),
    ],
)
def test_what_cannot_be_measured_is_told(examples, said) -> None:
    with pytest.raises(MedadError, match=said):
        benchmark("sdmad", examples)


def test_weights_without_categories_are_refused(monkeypatch) -> None:
    monkeypatch.setattr(Bright, "categories", ())
    with pytest.raises(MedadError, match="'mvfa' tells no categories apart"):
        benchmark("sdmad", EXAMPLES, weights="mvfa")


def test_it_stops_within_an_image() -> None:
    seen = []
    with pytest.raises(Cancelled):
        benchmark("sdmad", EXAMPLES, progress=lambda step: seen.append(str(step)) or "stop")
    assert seen == ["0/2 images"]


def test_the_command_writes_a_table_and_its_json(tmp_path: Path, capsys) -> None:
    scan = EXAMPLES[0].image
    nib.Nifti1Image(scan.array.T, np.eye(4)).to_filename(tmp_path / "scan.nii.gz")
    (tmp_path / "slices.csv").write_text(
        "image,slice,categories,split\n"
        "scan.nii.gz,0,normal,test\n"
        "scan.nii.gz,1,Cyst,test\n"
        "scan.nii.gz,2,Bone,train\n"
    )
    arguments = ["--data", tmp_path / "slices.csv", "--out", tmp_path / "out", "--weights", "mine"]
    assert run(["benchmark", "sdmad", *map(str, arguments)]) == 0
    told = capsys.readouterr().out
    assert "2 slices of 1 images" in told
    assert "undefined" in told  # no slice shows Fat
    with (tmp_path / "out" / "benchmark.csv").open() as stream:
        rows = {row["figure"]: row for row in csv.DictReader(stream)}
    assert rows["AUROC Cyst"]["signs selected"] == "1.0"
    assert rows["AUROC Fat"]["signs selected"] == ""
    assert rows["Hamming score"]["all signs"] == "0.25"
    held = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert held["runs"]["all signs"]["subset_accuracy"] == 0.0
    assert "scan" not in (tmp_path / "out" / "benchmark.json").read_text()


def test_rows_that_taught_are_not_tested_on(tmp_path: Path, capsys) -> None:
    scan = EXAMPLES[0].image
    nib.Nifti1Image(scan.array.T, np.eye(4)).to_filename(tmp_path / "scan.nii.gz")
    (tmp_path / "slices.csv").write_text("image,slice,categories,split\nscan.nii.gz,1,Cyst,train\n")
    arguments = ["--data", str(tmp_path / "slices.csv"), "--out", str(tmp_path)]
    assert run(["benchmark", "sdmad", *arguments]) == 1
    assert "marks no row for testing" in capsys.readouterr().err
