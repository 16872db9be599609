"""Picture the index of a cohort of synthetic patients, one of which cannot be read.

Run from the repository's root: `python docs/cohort_pictures.py`; needs Chromium.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from evaluation_pictures import page

from napari_medad.cohorts.run import detect_cohort
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.phantom import make_brain

LESIONS = (("tumour",), ("metastases",), ("confluent",), ("stroke",), (), ("glioma",))


def main() -> None:
    """Six patients, and a file that was cut off."""
    with TemporaryDirectory() as scratch:
        studies, results = Path(scratch, "studies"), Path(scratch, "results")
        for number, lesions in enumerate(LESIONS, start=1):
            brain = make_brain(number, lesions=lesions, contrasts=("t2f",), spacing=1.5)
            volume = brain.study.volume()
            write_nifti(volume.array, volume, studies / f"patient-{number}_t2f.nii.gz")
        (studies / "patient-7_t2f.nii.gz").write_bytes(b"cut off")
        detect_cohort(studies, "rasalore", results)
        page(results / "index.html", "cohort-index", 900)


if __name__ == "__main__":
    main()
