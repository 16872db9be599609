"""Five organs and modalities at once, from pictures on disk to routed detections."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import napari_medad as medad

TASKS = {
    "Brain MRI slice.": ["brain_mri_slices/normal"],
    "Breast ultrasound image.": ["breast_ultrasound/normal"],
    "Chest X-ray image to evaluate the lungs.": ["chest_xray_paediatric/normal"],
    "Head CT slice.": ["head_ct_masked/haemorrhage"],
    "Retinal fundus image.": ["fundus_idrid/hard_exudates"],
}
"""The last two sets hold no normal images; they prove the way, not the finding."""


def write_manifest(folder: Path, out: Path) -> None:
    with out.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["image", "task", "label"])
        writer.writeheader()
        for task, sets in TASKS.items():
            for path in sorted(p for s in sets for p in (folder / s).iterdir())[:14]:
                label = "" if task in ("Head CT slice.", "Retinal fundus image.") else "0"
                writer.writerow({"image": str(path), "task": task, "label": label})


@pytest.fixture(scope="module")
def model(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("five")
    write_manifest(real_data / "2d", home / "normals.csv")
    options = {
        "size": 64,
        "hidden": 32,
        "decoder_fc": "direct",
        "epochs": 40,
        "batch_size": 16,
        "learning_rate": 3e-3,
        "warm_up": 20,
        "balanced": True,
        "text": "n-grams",
    }
    out = home / "model"
    medad.train("moe", home / "normals.csv", out, options=options, device="cpu")
    return out


@pytest.mark.slow
def test_each_task_gets_its_own_expert(model: Path) -> None:
    detector = medad.load_detector("moe", weights=str(model), device="cpu")
    assert detector.tasks == tuple(sorted(TASKS))
    table = np.array(detector.facts["router"])
    assert table.argmax(axis=1).tolist() == [0, 1, 2, 3, 4]
    assert table.diagonal().min() > 0.5
    for prompt, task in (
        ("cxr", "Chest X-ray image to evaluate the lungs."),
        ("sonogram of the breast", "Breast ultrasound image."),
        ("fundus photo", "Retinal fundus image."),
    ):
        weights = detector.route(prompt)
        assert max(weights, key=weights.get) == task


@pytest.mark.slow
def test_a_picture_is_detected_and_saved(model: Path, real_data: Path, tmp_path: Path) -> None:
    picture = next((real_data / "2d" / "chest_xray_paediatric" / "pneumonia").iterdir())
    study = medad.read_study(picture)
    detector = medad.load_detector("moe", weights=str(model), device="cpu")
    detection = medad.detect(study, detector, prompt="Chest X-ray")
    assert detection.maps["anomaly"].shape == study.volume().array.shape
    assert detection.record.weights.state == "trained"
    assert detection.threshold > 0
    assert "Chest X-ray" in detection.record.notes[-1]
    assert len(detection.save(tmp_path)) == 7
