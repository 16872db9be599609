"""Take the pictures of exporting: the Export dock in every state, and what it writes.

Run from the repository's root with a display (`xvfb-run -s "-screen 0 1680x1050x24"`):

    python docs/export_pictures.py
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from screenshots import IMAGES, detected, in_front, save, settle, window

from napari_medad.export.outcome import Outcome
from napari_medad.export.pictures import key_image, montage
from napari_medad.export.planes import PlanePainter
from napari_medad.inference.run import detect
from napari_medad.viewer.app import raise_dock
from napari_medad.volumes.phantom import sample_study
from napari_medad.volumes.study import Study


def export(study: Study, theme: str, folder: Path) -> None:
    """The Export dock: empty, ready, running, done, error."""
    viewer, detecting, _ = window(theme)
    dock = in_front(viewer, "ExportDock")
    settle()
    save(dock, f"export-empty-{theme}")
    detected(viewer, detecting, study)
    raise_dock(dock)
    dock.folder_edit.setText("out")
    settle(lambda: dock._picture is not None and not dock.drawing.running)
    save(dock, f"export-ready-{theme}")
    dock.folder_edit.setText(str(folder / theme))
    dock.formats.choose(["csv", "json", "html", "pdf"])
    dock.run()
    settle(lambda: dock.footer.bar.maximum() > 0 and dock.footer.bar.value() > 1, seconds=0.0)
    dock.folder_edit.setText("out")
    settle(seconds=0.05)
    save(dock, f"export-running-{theme}")
    settle(lambda: not dock.work.running)
    dock.footer.say(dock.footer.notice.text().replace(str(folder / theme), "out"), "good")
    settle()
    save(dock, f"export-done-{theme}")
    dock.formats.choose(["dicom-seg", "rtstruct"])
    dock.run()
    settle(lambda: not dock.work.running)
    save(dock, f"export-error-{theme}")
    viewer.close()


def results(study: Study) -> None:
    """Key image and montage, as they are written."""
    outcome = Outcome.of(detect(study, "moe"))
    painter = PlanePainter(outcome)
    finding = outcome.findings[0]
    key_image(painter, finding).save(IMAGES / "export-key-image.png")
    montage(painter).save(IMAGES / "export-montage.png")


def main() -> None:
    """Take all pictures."""
    study = sample_study().study
    with tempfile.TemporaryDirectory() as home:
        os.environ["MEDAD_WEIGHTS"] = os.environ["MEDAD_RECOVERY"] = home
        results(study)
        for theme in ("dark", "light"):
            export(study, theme, Path(home))


if __name__ == "__main__":
    main()
