"""What auto-encoder, denoising auto-encoder and VQ-VAE have in common: errors to maps, teaching."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import napari_medad as medad
from napari_medad.detectors import reconstruction_recipe
from napari_medad.detectors.ae.detector import AeDetector
from napari_medad.detectors.ae.recipe import AeOptions, AeRecipe
from napari_medad.detectors.ae.settings import AeSettings
from napari_medad.detectors.dae.detector import DaeDetector
from napari_medad.detectors.dae.settings import DaeSettings
from napari_medad.detectors.device import Device
from napari_medad.detectors.recipe import Example
from napari_medad.errors import MedadError
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

TINY = {
    "ae": {"hidden": 32},
    "dae": {"size": 64, "width": 4},
    "vqvae": {"size": 64, "width": 4, "codes": 16, "code_width": 4},
}
METHODS = tuple(TINY)


class Flat(nn.Module):
    """Reconstructs everything as a half."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.full_like(image, 0.5)


def square(middle: float) -> Volume:
    """A slice of 64 x 64, intensities 0 to 100 from left to right, and a block of `middle`."""
    array = np.tile(np.linspace(0, 100, 64, dtype=np.float32), (1, 64, 1))
    array[:, 24:40, 24:40] = middle
    return Volume(array, np.eye(4), "t2f")


def look(kind, settings, volume: Volume) -> medad.results.detection.Detection:
    detector = kind.around(Flat(), settings, Device())
    detector.weights = medad.results.run_record.WeightsRecord(state="untrained")
    return medad.detect(Study.from_volumes("case", {"t2f": volume}), detector)


@pytest.mark.parametrize(
    ("kind", "settings", "power"), [(AeDetector, AeSettings, 2), (DaeDetector, DaeSettings, 1)]
)
@pytest.mark.parametrize(
    ("polarity", "middle", "expected"),
    [
        ("both", 90, 0.4),
        ("both", 10, 0.4),
        ("bright", 90, 0.4),
        ("bright", 10, 0),
        ("dark", 10, 0.4),
    ],
)
def test_the_map_is_the_error_of_the_wanted_sign(
    kind, settings, power, polarity, middle, expected
) -> None:
    # percentiles 0.5 and 99.5 of a ramp from 0 to 100 that has few other values are about 0, 100
    chosen = settings(size=64, intensity="percentile", polarity=polarity, median=1)
    found = look(kind, chosen, square(middle))
    anomaly = found.maps["anomaly"][0, 28:36, 28:36]
    assert anomaly == pytest.approx(np.full((8, 8), expected**power), abs=0.02)
    assert found.maps["reconstruction"][found.foreground] == pytest.approx(50, abs=2)


def test_the_median_takes_single_voxels_away() -> None:
    volume = square(50)
    volume.array[0, 10, 32] = 100
    peaks = [
        look(DaeDetector, DaeSettings(size=64, intensity="percentile", median=m), volume)
        .maps["anomaly"][0, 10, 32]
        .item()
        for m in (1, 3)
    ]
    assert peaks[0] == pytest.approx(0.5, abs=0.02)
    assert peaks[1] < 0.05


def normal(seed: int) -> Volume:
    """Four slices with a smooth pattern that hardly differs from seed to seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64] / 64
    pattern = 60 + 25 * np.sin(6 * x + 0.2 * rng.normal()) * np.cos(5 * y)
    array = np.stack([pattern + rng.normal(0, 1, pattern.shape) for _ in range(4)])
    array[:, [0, -1]] = array[:, :, [0, -1]] = 0
    return Volume(array.astype(np.float32), np.eye(4), "t2f")


@pytest.fixture(scope="module", params=METHODS)
def taught(request, tmp_path_factory) -> tuple[str, Path]:
    """Each method taught for some seconds on twelve volumes."""
    out = tmp_path_factory.mktemp(request.param) / "model"
    options = {
        "epochs": 25,
        "batch_size": 8,
        "learning_rate": 3e-3,
        "precision": "fp32",
        **TINY[request.param],
    }
    examples = [Example(normal(seed), patient=str(seed)) for seed in range(12)]
    medad.train(request.param, examples, out, options=options, device="cpu")
    return request.param, out


def test_what_was_never_seen_stands_out_after_teaching(taught) -> None:
    name, model = taught
    volume = normal(100)
    volume.array[1:3, 26:38, 26:38] = 130
    lesion = np.zeros(volume.array.shape, bool)
    lesion[1:3, 26:38, 26:38] = True
    study = Study.from_volumes("case", {"t2f": volume})
    detector = medad.load_detector(name, weights=str(model), device="cpu", median=1)
    found = medad.detect(study, detector)
    anomaly = found.maps["anomaly"]
    healthy = found.foreground & ~lesion
    assert anomaly[lesion].mean() > 3 * anomaly[healthy].mean()
    assert found.record.weights.state == "trained"
    assert (
        found.threshold_source == "" if False else found.record.threshold_source.startswith("cal")
    )


def test_thresholds_leave_held_out_normal_voxels_alone(taught) -> None:
    name, model = taught
    detector = medad.load_detector(name, weights=str(model), device="cpu")
    levels = detector.facts["thresholds"]
    assert set(levels) == {"both", "bright", "dark"}
    assert detector.facts["thresholds_from"] == "1 held-out normal images"
    found = medad.detect(Study.from_volumes("new", {"t2f": normal(200)}), detector)
    assert found.threshold == levels["both"]
    assert (found.maps["anomaly"] > found.threshold).mean() < 0.05


def test_another_kind_of_volume_is_told(taught) -> None:
    name, model = taught
    detector = medad.load_detector(name, weights=str(model), device="cpu")
    volume = Volume(normal(3).array, np.eye(4), "t1n")
    notes = medad.detect(Study.from_volumes("case", {"t1n": volume}), detector).record.notes
    assert notes == ["It learned from t2f, but looked at t1n."]


def test_thresholds_come_from_many_pictures_or_few_volumes(monkeypatch) -> None:
    monkeypatch.setattr(reconstruction_recipe, "CALIBRATION_SLICES", 9)
    recipe = AeRecipe(AeOptions(hidden=16), [Example(normal(s), held_out=s > 0) for s in range(6)])
    assert recipe.calibrate(recipe.network().eval())["thresholds_from"] == (
        "3 held-out normal images"
    )


@pytest.mark.parametrize("name", METHODS)
def test_abnormal_images_are_refused(name, tmp_path) -> None:
    examples = [Example(normal(0)), Example(normal(1), label=1)]
    with pytest.raises(MedadError, match=f"{name} learns from normal images only, but 1 examples"):
        medad.train(name, examples, tmp_path / "model", device="cpu")


@pytest.mark.parametrize("name", METHODS)
def test_a_file_is_no_model_folder(name, tmp_path) -> None:
    (tmp_path / "model.pt").write_bytes(b"x")
    with pytest.raises(MedadError, match="is not a model folder"):
        medad.load_detector(name, weights=str(tmp_path / "model.pt"), device="cpu")


def test_synthetic_brains_teach_without_data(tmp_path, monkeypatch) -> None:
    for spacing in ("LEARNING_SPACING", "CALIBRATION_SPACING"):
        monkeypatch.setattr(reconstruction_recipe, spacing, 4.0)
    options = {
        "brains": 2,
        "epochs": 1,
        "slices_per_volume": 4,
        "batch_size": 4,
        "hidden": 16,
        "contrasts": "t2f,t1n",
    }
    model = medad.train("ae", "synthetic", tmp_path / "model", options=options, device="cpu")
    assert model.facts["modalities"] == ["t1n", "t2f"]
    assert model.facts["thresholds_from"] == "2 held-out normal images"
