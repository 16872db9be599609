"""Draw the pictures of the page on evaluating from synthetic patients.

Run from the repository's root: `python docs/evaluation_pictures.py [FOLDER]`; the folder is that of
an earlier run of `examples/compare_detectors.py`. The page itself is pictured where Chromium is
installed.
"""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

IMAGES = Path(__file__).parent / "images"
EXAMPLE = Path(__file__).parents[1] / "examples" / "compare_detectors.py"
FIGURES = ("dice_by_patient", "dice_by_distance", "ranking_curves", "outcome_colour_blind_safe")
SCHEMES = {"dark": 0, "light": 1}
"""Chromium's numbers of a page's preferred colours."""


def draw(folder: Path) -> None:
    """Figures and page of a run of the example."""
    for name in FIGURES:
        source = folder / "evaluation" / "figures" / f"{name}.png"
        shutil.copyfile(source, IMAGES / f"evaluation-{name.replace('_', '-')}.png")
    page(folder / "evaluation" / "report.html", "evaluation-page")


def page(path: Path, name: str, height: int = 1240) -> None:
    """The upper part of a page in both schemes."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    for scheme, number in SCHEMES.items() if browser else ():
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        options += [
            f"--window-size=1120,{height}",
            f"--blink-settings=preferredColorScheme={number}",
        ]
        picture = IMAGES / f"{name}-{scheme}.png"
        subprocess.run(
            [str(browser), *options, f"--screenshot={picture}", path.as_uri()],
            check=True,
            capture_output=True,
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        draw(Path(sys.argv[1]).resolve())
    else:
        with TemporaryDirectory() as scratch:
            runpy.run_path(str(EXAMPLE))["main"](Path(scratch))
            draw(Path(scratch))
