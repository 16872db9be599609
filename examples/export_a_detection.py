"""Write a detection for others: key images, a report and BIDS; and the session for later."""

from __future__ import annotations

import sys
from pathlib import Path

import napari_medad as medad
from napari_medad.export.session_file import SavedSession, open_session, save_session
from napari_medad.volumes.phantom import write_sample


def main(folder: Path) -> list[Path]:
    study = medad.read_study(write_sample(folder))
    medad.detect(study, "hyperintensity", minimum_ml=0.2).save(folder / "results")

    detection = medad.load_detection(folder / "results")
    written = medad.export(detection, folder / "export", ["png", "html", "bids", "json"])
    for path in written:
        print(path)

    session = SavedSession((study,), (detection,), current=detection)
    save_session(session, folder / "session.zip")
    again = open_session(folder / "session.zip")
    print(f"{len(again.detections)} detection, {len(detection.findings)} findings")
    return written


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "sample"))
