"""Take the picture of a cohort's index: synthetic patients, seen by a browser without a window.

python docs/cohort_pictures.py [chromium]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import napari_medad as medad
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.phantom import make_brain

PICTURE = Path(__file__).parent / "images" / "cohort-index.png"
LESIONS = (("tumour",), ("patches",), ("cavity",), (), ("tumour", "patches"))
SIZE = (1180, 1020)


def main(browser: str) -> None:
    """Make the cohort and take the picture."""
    with TemporaryDirectory() as home:
        scans, out = Path(home) / "scans", Path(home) / "out"
        for number, lesions in enumerate(LESIONS):
            study = make_brain(number, lesions=lesions, name=f"patient-{number:03}").study
            for key, volume in study.volumes.items():
                write_nifti(volume.array, volume, scans / study.name / f"{study.name}-{key}.nii.gz")
        (scans / "patient-005").mkdir()
        (scans / "patient-005" / "patient-005-t2f.nii.gz").write_bytes(b"cut off")
        medad.detect_cohort(scans, "hyperintensity", out)
        width, height = SIZE
        subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--hide-scrollbars",
                f"--window-size={width},{height}",
                f"--screenshot={PICTURE}",
                (out / "index.html").as_uri(),
            ],
            check=True,
        )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "chromium")
