"""How long one move of the threshold slider takes on a whole brain: at most 50 ms."""

from __future__ import annotations

import time

import numpy as np

import napari_medad as medad
from napari_medad.results.findings import find
from napari_medad.volumes.phantom import sample_study

QUANTILES = (0.95, 0.98, 0.99)
ALLOWED_S = 0.05


def main() -> None:
    patient = sample_study()
    detection = medad.detect(patient.study, "hyperintensity")
    anomaly, volume = detection.maps["anomaly"], detection.volume
    print(f"{' x '.join(map(str, anomaly.shape))} voxels")
    for quantile in QUANTILES:
        threshold = float(np.quantile(anomaly[detection.foreground], quantile))
        spent = []
        for _ in range(10):
            began = time.process_time()
            _, found = find(anomaly, threshold, volume, minimum_ml=0.05)
            spent.append(time.process_time() - began)
        best = min(spent)
        print(
            f"quantile {quantile}: {len(found):3} findings in {best * 1000:3.0f} ms, "
            f"{best / ALLOWED_S:.2f} of what is allowed"
        )


if __name__ == "__main__":
    main()
