"""Correct a detection, measure a finding, and see what the correction changed."""

from __future__ import annotations

import sys
from pathlib import Path

import napari_medad as medad
from napari_medad.corrections import shapes, verdicts
from napari_medad.corrections.correction import Correction
from napari_medad.corrections.files import save_correction
from napari_medad.results.followup import FindingChange
from napari_medad.results.measurements import finding_diameters
from napari_medad.volumes.phantom import write_sample


def main(folder: Path) -> list[FindingChange]:
    study = medad.read_study(write_sample(folder))
    detection = medad.detect(study, "hyperintensity", minimum_ml=0.2)
    correction = Correction.of(detection)

    first, *others = correction.ids
    correction.apply(verdicts.accept(correction, [first]))
    correction.apply(shapes.grow(correction, first, by_mm=5.0))
    correction.apply(verdicts.reject(correction, others))
    for step in correction.history.done:
        print(f"{step.what}: {step.where.size} voxels")

    found = finding_diameters(correction.labels, first, correction.volume)
    print(f"{found.longest_mm:.1f} x {found.perpendicular_mm:.1f} mm in slice {found.slice}")
    save_correction(correction, folder / "results")

    volume = detection.volume
    before, after = (volume.with_array(mask) for mask in (detection.mask, correction.labels))
    changes = medad.follow_up(before, after)
    for change in changes:
        print(f"{change.kind}: {change.before_ml:.2f} mL, then {change.after_ml:.2f} mL")
    return changes


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "medad-example"))
