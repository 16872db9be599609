"""A detection cut at another threshold."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medad.results import outputs


def test_another_threshold_gives_other_findings_and_says_who_set_it(detection_of, volume):
    anomaly = np.zeros(volume.array.shape, np.float32)
    anomaly[1, 1, 1], anomaly[5, 5, 5:7] = 0.9, 0.4
    detection = detection_of(volume, anomaly)
    assert len(detection.findings) == 1
    lower = detection.at(threshold=0.3)
    assert [f.volume_ml for f in lower.findings] == pytest.approx([0.012, 0.006])
    assert lower.record.threshold == lower.record.threshold_value == 0.3
    assert lower.record.threshold_source == "set by the user"
    larger = lower.at(minimum_ml=0.01)
    assert (larger.threshold, len(larger.findings)) == (0.3, 1)
    assert larger.record.minimum_ml == 0.01
    assert detection.record.threshold_value == 0.5
    assert np.array_equal(larger.mask > 0, anomaly == np.float32(0.4))


def test_another_minimum_keeps_what_is_said_of_the_threshold(detection_of, volume):
    detection = detection_of(volume, np.zeros(volume.array.shape, np.float32))
    assert detection.at(minimum_ml=1.0).record.threshold_source == (
        detection.record.threshold_source
    )


def test_every_map_has_a_kind():
    assert outputs.kind_of("anomaly") is outputs.ANOMALY
    kind = outputs.kind_of("category:bleeding")
    assert (kind.name, kind.visible) == ("category:bleeding", False)
    assert outputs.kind_of("bleeding").name == "category:bleeding"
