"""Take the pictures of the Evaluate, Compare and Cohort docks in every state, in both themes.

Run from the repository's root with a display (`xvfb-run -s "-screen 0 1680x1050x24"`):

    python docs/evaluate_pictures.py              # all three
    python docs/evaluate_pictures.py cohort       # one of them, see PICTURES
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import napari
import numpy as np
from qtpy.QtWidgets import QWidget
from screenshots import in_front, save, settle, window

from napari_medad.cohorts.run import detect_cohort
from napari_medad.cohorts.summary import Row, append_rows
from napari_medad.inference.run import detect
from napari_medad.results.detection import Detection
from napari_medad.viewer.app import raise_dock, show_detection
from napari_medad.viewer.comparing import BESIDE, VIEWS
from napari_medad.viewer.docks.cohort import CohortDock
from napari_medad.viewer.docks.compare import CompareDock
from napari_medad.viewer.docks.evaluate import EvaluateDock
from napari_medad.viewer.layers import add_study, layer_units, placement
from napari_medad.viewer.session import session_of
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.phantom import make_brain, sample_study
from napari_medad.volumes.phantom.brain import Phantom

PATIENTS = 7
"""Of the cohort in the pictures."""


def opened(theme: str, name: str) -> tuple[napari.Viewer, QWidget]:
    """A window with all docks, one of them in front."""
    viewer, _, _ = window(theme)
    dock = in_front(viewer, name)
    settle()
    return viewer, dock


def evaluate(phantom: Phantom, home: Path, theme: str) -> None:
    """The Evaluate dock: empty, no reference, measuring, done, other voxels."""
    viewer, dock = opened(theme, "EvaluateDock")
    assert isinstance(dock, EvaluateDock)
    save(dock, f"evaluate-empty-{theme}")
    show(viewer, phantom, ["rasalore"])
    viewer.reset_view()
    settle()
    save(dock, f"evaluate-choose-{theme}")
    detection = session_of(viewer).current
    assert detection is not None
    place = placement(detection.volume)
    truth = phantom.truth.astype(np.uint8)
    reader = viewer.add_labels(truth, name="reader 1", **place, **layer_units(3))
    dock.choice.choose(reader)
    save(dock, f"evaluate-running-{theme}")
    settle(lambda: not dock.measuring.running)
    measured = dock.measured
    assert measured is not None
    dock.table.selectRow(0)
    settle()
    save(dock, f"evaluate-done-{theme}")
    z, _, _ = np.argwhere(measured.labels == 1).mean(axis=0)
    viewer.dims.set_point(viewer.dims.ndim - 3, reader.data_to_world((z, 0, 0))[0])
    settle()
    save(viewer.window._qt_window, f"evaluate-window-{theme}")
    dock.scheme_box.setCurrentIndex(1)
    settle()
    save(viewer.window._qt_window, f"evaluate-safe-{theme}")
    scale = tuple(2 * s for s in place["scale"])
    coarse = viewer.add_labels(
        np.ascontiguousarray(truth[::2, ::2, ::2]),
        name="reader 2",
        scale=scale,
        translate=place["translate"],
        **layer_units(3),
    )
    dock.choice.choose(coarse)
    settle(lambda: not dock.measuring.running)
    save(dock, f"evaluate-error-{theme}")
    viewer.close()


def show(viewer: napari.Viewer, phantom: Phantom, detectors: list[str]) -> list[Detection]:
    """A study with what detectors find in it."""
    add_study(viewer, phantom.study)
    found = [detect(phantom.study, name) for name in detectors]
    for detection in found:
        show_detection(viewer, detection)
    settle()
    return found


def compare(phantom: Phantom, home: Path, theme: str) -> None:
    """The Compare dock: empty, comparing, compared, side by side, a consensus, not of one scan."""
    viewer, dock = opened(theme, "CompareDock")
    assert isinstance(dock, CompareDock)
    save(dock, f"compare-empty-{theme}")
    show(viewer, phantom, ["hyperintensity", "rasalore"])
    viewer.reset_view()
    dock.run()
    settle(lambda: dock.footer.bar.isVisible(), seconds=0.05)
    save(dock, f"compare-running-{theme}")
    settle(lambda: not dock.work.running)
    save(dock, f"compare-done-{theme}")
    viewer.dims.set_current_step(viewer.dims.ndim - 3, 88)
    settle()
    save(viewer.window._qt_window, f"compare-window-{theme}")
    dock.views[VIEWS.index(BESIDE)].click()
    settle()
    save(viewer.window._qt_window, f"compare-beside-{theme}")
    dock.join()
    settle(lambda: not dock.work.running)
    save(dock, f"compare-consensus-{theme}")
    other = make_brain(7, lesions=("tumour",), spacing=2.0, contrasts=("t2f",)).study
    show_detection(viewer, detect(other, "hyperintensity"))
    dock.first_box.setCurrentIndex(0)
    dock.second_box.setCurrentIndex(dock.second_box.count() - 1)
    settle()
    save(dock, f"compare-error-{theme}")
    viewer.close()


def cohort(phantom: Phantom, home: Path, theme: str) -> None:
    """The Cohort dock: empty, running, correcting, no cohort."""
    made, folder = home / "made", home / theme / "results"
    if not made.exists():
        detect_cohort(scans(home), "rasalore", made)
    shutil.copytree(made, folder)
    rest = [Row(study=f"sub-{number:02}") for number in range(PATIENTS + 2, PATIENTS + 9)]
    append_rows(folder, rest)
    viewer, dock = opened(theme, "CohortDock")
    assert isinstance(dock, CohortDock)
    save(dock, f"cohort-empty-{theme}")
    dock.start.source_edit.setText("scans")
    dock.start.out_edit.setText("results")
    dock.start.run()
    settle(lambda: "check the path" in dock.start.footer.notice.text())
    save(dock, f"cohort-error-{theme}")
    dock.open(folder)
    settle(lambda: bool(dock.table.rows))
    dock.list.choose("sub-03")
    settle()
    save(dock, f"cohort-running-{theme}")
    dock.list.choose(f"sub-{PATIENTS + 1:02}")
    settle()
    save(dock, f"cohort-failed-{theme}")
    for study in ("sub-01", "sub-04"):
        dock.mark(study, True)
    dock.next_case()
    correct = dock.cases.correct_dock()
    settle(lambda: correct.correction is not None and not correct.editing.work.running)
    raise_dock(dock)
    settle()
    save(dock, f"cohort-correcting-{theme}")
    save(viewer.window._qt_window, f"cohort-window-{theme}")
    viewer.close()


def scans(home: Path) -> Path:
    """Synthetic patients, and a file that is no scan."""
    folder = home / "scans"
    for number in range(1, PATIENTS + 1):
        case = folder / f"sub-{number:02}"
        if not case.exists():
            kinds = ("tumour",) if number % 3 else ()
            brain = make_brain(number, lesions=kinds, spacing=2.0, contrasts=("t2f",))
            volume = brain.study.volume("t2f")
            write_nifti(volume.array, volume, case / f"{case.name}_t2f.nii.gz")
    bad = folder / f"sub-{PATIENTS + 1:02}" / f"sub-{PATIENTS + 1:02}_t2f.nii.gz"
    bad.parent.mkdir(exist_ok=True)
    bad.write_bytes(b"no scan")
    return folder


PICTURES = {"evaluate": evaluate, "compare": compare, "cohort": cohort}


def main() -> None:
    """Take the pictures named on the command line, or all."""
    phantom = sample_study()
    with tempfile.TemporaryDirectory() as home:
        os.environ["MEDAD_WEIGHTS"] = os.environ["MEDAD_RECOVERY"] = home
        for name in sys.argv[1:] or PICTURES:
            for theme in ("dark", "light"):
                PICTURES[name](phantom, Path(home), theme)


if __name__ == "__main__":
    main()
