"""What a run tells of its experts, for its record."""

from __future__ import annotations

import numpy as np
import pytest

import napari_medad as medad
from napari_medad.detectors.moe.detector import UNTRAINED_TASKS
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume


def test_the_record_holds_the_mean_weight_of_each_expert() -> None:
    rng = np.random.default_rng(0)
    volume = Volume(rng.uniform(0.2, 1, (3, 16, 16)).astype(np.float32), np.eye(4), "t2f")
    detector = medad.load_detector("moe", weights="untrained", size=64, hidden=32)
    study = Study.from_volumes("case", {"t2f": volume})
    record = medad.detect(study, detector, prompt="Brain MRI slice.").record
    assert record.evidence["prompt"] == "Brain MRI slice."
    assert list(record.evidence["router"]) == list(UNTRAINED_TASKS)
    assert sum(record.evidence["router"].values()) == pytest.approx(1, abs=1e-3)
