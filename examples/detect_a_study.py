"""Detect in the sample patient and save maps, mask, tables and record."""

from __future__ import annotations

import sys
from pathlib import Path

import napari_medad as medad
from napari_medad.volumes.phantom import write_sample


def main(folder: Path) -> list[Path]:
    case = write_sample(folder)
    study = medad.read_study(case)
    detector = medad.load_detector("hyperintensity", polarity="bright", median=3)
    detection = medad.detect(study, detector, progress=print)

    for finding in detection.findings[:5]:
        right, anterior, superior = finding.centroid_ras
        print(f"{finding.volume_ml:6.2f} mL at {right:.0f}, {anterior:.0f}, {superior:.0f} mm RAS")
    return detection.save(folder / "results")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "medad-example"))
