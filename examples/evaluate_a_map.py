"""Measure the baseline on a synthetic patient, whose truth is known exactly."""

from __future__ import annotations

import napari_medad as medad
from napari_medad.evaluation.case import CaseMetrics
from napari_medad.volumes.phantom import make_brain


def main(spacing: float = 1.5) -> CaseMetrics:
    patient = make_brain(4, lesions=("patches", "tumour"), contrasts=("t2f",), spacing=spacing)
    detection = medad.detect(patient.study, "hyperintensity")
    metrics = medad.evaluate(
        detection.maps["anomaly"],
        patient.truth,
        mask=detection.foreground,
        threshold=detection.threshold,
    )
    print(metrics.model_dump_json(indent=2))
    return metrics


if __name__ == "__main__":
    main()
