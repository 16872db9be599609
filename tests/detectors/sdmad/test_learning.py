"""Learning from nine slices: what it reaches, and what each part of it is for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from toy_slices import KINDS, OPTIONS, shots

import napari_medad as medad
from napari_medad.detectors.registry import load_detector
from napari_medad.evaluation.multi_label import MultiLabelMetrics, measured
from napari_medad.volumes.study import Study
from napari_medad.weights.model_folder import ModelFolder

Learn = Callable[..., Path]


@pytest.fixture(scope="module")
def learn(tmp_path_factory: pytest.TempPathFactory, signs_file: Path) -> Learn:
    """Train with some options, once."""
    home, known = tmp_path_factory.mktemp("models"), {}

    def train(outlined: bool = False, **options) -> Path:
        key = repr((outlined, sorted(options.items())))
        if key not in known:
            known[key] = home / str(len(known))
            wanted = {**OPTIONS, "signs": str(signs_file), "keep": 0.5, "epochs": 150, **options}
            medad.train("sdmad", shots(1, 2, 3, outlined=outlined), known[key], options=wanted)
        return known[key]

    return train


def figures(model: Path) -> MultiLabelMetrics:
    """Measured on 24 slices that were not learned from."""
    detector = load_detector(
        "sdmad", weights=str(model), device="cpu", precision="fp32", select_signs=False
    )
    examples = shots(7, 8, shown=KINDS * 4)
    studies = [Study.from_volumes("case", {"t2f": example.image}) for example in examples]
    found = [(e, medad.detect(s, detector)) for e, s in zip(examples, studies, strict=True)]
    return measured(found, ("Left", "Right"))


def test_categories_are_told_apart_after_learning_and_not_before(learn: Learn) -> None:
    before, after = figures(learn(epochs=1, learning_rate=1e-12)), figures(learn())
    assert before.mean_auroc is not None
    assert after.mean_auroc is not None
    assert before.mean_auroc < 0.8
    assert after.mean_auroc > 0.95
    assert after.hamming > max(before.hamming, 0.8)
    assert after.abnormal_auroc == pytest.approx(1, abs=0.05)


def test_with_lambda_one_nothing_can_be_learned(learn: Learn) -> None:
    assert figures(learn(keep=1.0)).mean_auroc < 0.85


def test_without_the_anchor_decisions_are_worse(learn: Learn) -> None:
    with_anchor, without = figures(learn()), figures(learn(anchor_weight=0.0))
    assert without.subset_accuracy < with_anchor.subset_accuracy - 0.2


def test_without_images_and_texts_drawn_together_they_lie_farther_apart(learn: Learn) -> None:
    assert _to_own_signs(learn()) > _to_own_signs(learn(image_text_weight=0.0)) + 0.1


def _to_own_signs(model: Path) -> float:
    """Mean cosine of shots with a category and its signs."""
    held = ModelFolder.read(model, "sdmad").facts["similarity"]
    owner = np.array([0, 0, 1, 1])
    rows = zip(held["shots"], np.array(held["after"]), strict=True)
    own = [row[:4][owner == ["Left", "Right"].index(s)] for s, row in rows if s != "normal"]
    return float(np.mean(own))


def test_likeness_of_shots_and_signs_is_kept_from_before_and_after(learn: Learn) -> None:
    held = ModelFolder.read(learn(), "sdmad").facts["similarity"]
    assert held["shots"] == ["normal", "Left", "Right"] * 3
    assert held["signs"][0] == "bright on the left"
    assert held["signs"][-1] == "a normal brain"
    before, after = np.array(held["before"]), np.array(held["after"])
    assert before.shape == after.shape == (9, 5)
    left, right = after[1::3], after[2::3]
    assert left[:, :2].mean() > left[:, 2:4].mean()
    assert right[:, 2:4].mean() > right[:, :2].mean()


def test_the_pixel_level_finds_where(learn: Learn) -> None:
    model = learn(level="pixel", epochs=200, outlined=True)
    assert figures(model).mean_auroc > 0.9
    detector = load_detector("sdmad", weights=str(model), device="cpu", precision="fp32")
    (example,) = shots(7, outlined=True)
    detection = medad.detect(Study.from_volumes("case", {"t2f": example.image}), detector)
    inside = detection.foreground
    for z, name in ((1, "Left"), (2, "Right")):
        truth = example.mask[z][inside[z]]
        anomaly = detection.maps["anomaly"][z][inside[z]]
        assert anomaly[truth].mean() > anomaly[~truth].mean()
        own = detection.maps[f"category:{name}"][z][inside[z]]
        other = {"Left": "Right", "Right": "Left"}[name]
        foreign = detection.maps[f"category:{other}"][z][inside[z]]
        assert own[truth].mean() > foreign[truth].mean()
