"""Lessons from corrections: what they begin from, what counts, what is not forgotten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_medad.detectors.moe.losses import reconstruction_loss
from napari_medad.detectors.rasalore.losses import dice, exact_loss
from napari_medad.detectors.recipe import Example
from napari_medad.detectors.registry import load_detector
from napari_medad.errors import MedadError
from napari_medad.inference.run import detect
from napari_medad.training.loop import train
from napari_medad.training.teach import lesson, teach, teachable
from napari_medad.volumes.phantom import make_brain
from napari_medad.weights.model_folder import ModelFolder

SMALL = {"width": 4, "side": 8, "synthetic_patients": 2, "synthetic_cases": 4, "per_case": 8}


def test_what_corrections_can_teach() -> None:
    assert {"rasalore", "moe", "anomalyclip", "vand", "adaclip", "sdmad"} <= set(teachable())
    with pytest.raises(MedadError, match="'hyperintensity' cannot be taught by corrections"):
        lesson("hyperintensity", 1)
    with pytest.raises(MedadError, match="correct one first"):
        lesson("moe", 0)
    with pytest.raises(MedadError, match="know nothing to build on"):
        lesson("moe", 1, "untrained")


def test_a_lesson_keeps_the_networks_shape_and_shortens_with_many_scans() -> None:
    begin, options = lesson("moe", 1, "starter")
    assert begin.state == "starter"
    assert options["size"] == 64
    assert options["rehearsal"] == 3
    assert options["epochs"] == 4
    assert lesson("moe", 12, "starter")[1]["epochs"] == 1
    _, options = lesson("rasalore", 1, "starter")
    assert options["modalities"] == ("any",)
    assert options["encoder_kind"] == "unet"
    assert options["blend"] == 0.5


def test_importance_weighs_both_terms_of_the_exact_loss() -> None:
    """Two pixels, one right and one wrong; the wrong one counts 0, 1 or 3."""
    logits, truth = torch.tensor([[[9.0, 9.0]]]), torch.tensor([[[1.0, 0.0]]])
    p = torch.sigmoid(torch.tensor(9.0)).item()
    for wrong in (0.0, 1.0, 3.0):
        counts = torch.tensor([[[1.0, wrong]]])
        entropy = (-np.log(p) - wrong * np.log(1 - p)) / (1 + wrong)
        overlap = (2 * p) / (p + 1 + wrong * p)
        found = exact_loss(logits, truth, counts).item()
        assert found == pytest.approx(entropy + 1 - overlap, rel=1e-4)
    assert dice(truth, truth).item() == pytest.approx(1)


def test_lesions_teach_nothing_to_a_reconstruction() -> None:
    error, u = torch.tensor([[[[2.0, 1.0]]]]), torch.zeros(1, 1, 1, 2)
    counts = torch.tensor([[[[0.0, 4.0]]]])
    assert reconstruction_loss(error, u, importance=counts).item() == pytest.approx(1.0)
    assert reconstruction_loss(error, u).item() == pytest.approx(2.5)


@pytest.fixture(scope="module")
def taught_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small rasalore that has seen a few synthetic scans."""
    out = tmp_path_factory.mktemp("models") / "small"
    options = {**SMALL, "epochs": 1, "workers": 0, "batch_size": 8}
    train("rasalore", "synthetic", out, preset="starter", options=options, device="cpu")
    return out


def test_a_lesson_changes_the_corrected_scan_and_rehearses(
    taught_once: Path, tmp_path: Path
) -> None:
    brain = make_brain(3, lesions=("tumour",), spacing=2.5, contrasts=("t2f",))
    study, truth = brain.study, brain.truth > 0
    importance = np.where(truth, 4.0, 1.0).astype(np.float32)
    example = Example(study.volume(), label=1, mask=truth, importance=importance, patient="a")
    before = detect(study, load_detector("rasalore", weights=str(taught_once), device="cpu"))
    quick = {"per_case": 32, "rehearsal": 2, "synthetic_patients": 2, "epochs": 6, "blend": 1}
    teach(
        "rasalore",
        [example],
        tmp_path / "taught",
        weights=str(taught_once),
        options={**quick, "learning_rate": 5e-3},
        device="cpu",
    )
    after = detect(study, load_detector("rasalore", weights=str(tmp_path / "taught"), device="cpu"))
    apart = [
        d.maps["anomaly"][truth].mean() - d.maps["anomaly"][~truth & d.foreground].mean()
        for d in (before, after)
    ]
    assert apart[1] > apart[0] + 0.03
    training = ModelFolder.read(tmp_path / "taught", "rasalore").facts["training"]
    assert training["fine_tuned_from"] == "small"
    assert training["options"]["intensity"] == "volume"
    assert training["options"]["rehearsal"] == 2
    assert ModelFolder.read(tmp_path / "taught", "rasalore").facts["healthy_slices"] > 0


def test_importance_on_another_grid_or_below_zero_is_refused(
    taught_once: Path, tmp_path: Path
) -> None:
    brain = make_brain(3, lesions=("tumour",), spacing=4.0, contrasts=("t2f",))
    volume, truth = brain.study.volume(), brain.truth > 0
    for importance, said in (
        (np.ones((3, 3, 3)), "importance of image is not on the image's grid"),
        (np.full(truth.shape, -1.0), "is negative somewhere"),
    ):
        example = Example(volume, label=1, mask=truth, importance=importance)
        with pytest.raises(MedadError, match=said):
            teach("rasalore", [example], tmp_path / "out", weights=str(taught_once), device="cpu")
