"""Train moe on normal scans of one's own, then look at a patient with what it learned.

Here the normal scans are synthetic FLAIR brains written as files; give your own folder (each
sub-folder is a task, named as its prompt) and leave out the options for real work.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import napari_medad as medad
from napari_medad.results.detection import Detection
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.phantom import make_brain

QUICK = {"size": 64, "hidden": 64, "epochs": 3, "batch_size": 16, "text": "n-grams"}
"""A toy of a model in a minute; the defaults are the paper's."""


def main(folder: Path, spacing: float = 2.0, options: dict[str, Any] = QUICK) -> Detection:
    normals = folder / "normals" / "Brain MRI slice, FLAIR"
    for seed in range(4):
        flair = make_brain(seed, contrasts=("t2f",), spacing=spacing).study.volume()
        write_nifti(flair.array, flair, normals / f"normal-{seed}.nii.gz")

    model = medad.train("moe", folder / "normals", folder / "model", options=options)

    patient = make_brain(99, lesions=("tumour",), contrasts=("t2f",), spacing=spacing)
    detector = medad.load_detector("moe", weights=str(model.path))
    detection = medad.detect(patient.study, detector)
    print(medad.evaluate(detection.maps["anomaly"], patient.truth).model_dump_json(indent=2))
    return detection


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "medad-example"))
