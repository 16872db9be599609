"""Heads that stand on brat, in the Detect dock like every other weights."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from napari_medad.detectors.brat.heads import Classifier, Outliner
from napari_medad.detectors.brat.settings import BratShape
from napari_medad.viewer.docks.detect import DetectDock
from napari_medad.viewer.docks.findings import FindingsDock
from napari_medad.viewer.layers import add_study
from napari_medad.viewer.session import session_of
from napari_medad.volumes.study import Study
from napari_medad.weights.installed import weights_home
from napari_medad.weights.model_folder import ModelFolder

CLASSES = ("cognitively normal", "dementia")


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_a_head_runs_in_the_detect_dock(
    viewer, small_study: Study, wait_until: Callable, task: str
) -> None:
    shape = BratShape(backbone="small", depth=32, side=64, task=task, classes=CLASSES)
    facts = {"class_thresholds": dict(zip(CLASSES, (0.99, 0.01))), "threshold": 0.3}
    torch.manual_seed(0)
    network = {"classification": Classifier, "segmentation": Outliner}[task](shape)
    home = weights_home() / "brat" / "ours"
    ModelFolder(home, "brat", shape.model_dump(mode="json"), facts).write(network.state_dict())
    add_study(viewer, small_study)
    detect, findings = DetectDock(viewer, confirm=lambda _: True), FindingsDock(viewer)
    viewer.window.add_dock_widget(detect, name="Detect")
    viewer.window.add_dock_widget(findings, name="Findings")
    detect.choose("brat")
    assert detect.weights.box.currentData() == "ours"
    detect.run()
    wait_until(lambda: session_of(viewer).current is not None and not detect.work.running)
    found = session_of(viewer).current
    assert "patient · brat · anomaly" in [layer.name for layer in viewer.layers]
    assert found.record.weights.state == "trained"
    if task == "classification":
        assert {finding.category for finding in found.findings} == {"dementia"}
        assert findings.table.rowCount() == len(found.findings) > 0
        assert "thresholds: dementia." in detect.footer.summary.text()
