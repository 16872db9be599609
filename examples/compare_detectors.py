"""Two detectors on three synthetic patients: metrics, tables, figures and a report page."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import napari_medad as medad
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.phantom import make_brain

DETECTORS = ("hyperintensity", "rasalore")


def main(
    folder: Path, detectors: Sequence[str] = DETECTORS, patients: int = 3, spacing: float = 1.5
) -> list[Path]:
    for seed in range(1, patients + 1):
        patient = make_brain(
            seed, lesions=("tumour", "patches"), contrasts=("t2f",), spacing=spacing
        )
        volume = patient.study.volume("t2f")
        scan = folder / "scans" / f"patient-{seed}.nii.gz"
        write_nifti(volume.array, volume, scan)
        truth = folder / "truth" / f"patient-{seed}_seg.nii.gz"
        write_nifti(patient.truth, volume, truth, labels=True)
        for detector in detectors:
            detection = medad.detect(medad.read_study(scan), detector)
            detection.save(folder / "maps" / detector)

    told = [medad.evaluate_folder(folder / "maps" / name, folder / "truth") for name in detectors]
    for one in told:
        dice = one.evaluation.spreads["dice"]
        print(
            f"{one.evaluation.name}: Dice {dice.mean:.2f}, AUROC {one.evaluation.pooled.auroc:.2f}"
        )
    return medad.write_evaluation(folder / "evaluation", told)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "medad-evaluation"))
