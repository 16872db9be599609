"""Take the pictures of the Report search dock in every state, in both themes.

The network of the pictures is small and random, for brat's released weights may not be passed on:
its scores mean nothing, and the dock says so. Run from the repository's root with a display
(`xvfb-run -s "-screen 0 1680x1050x24"`):

    python docs/report_search_pictures.py
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch
from screenshots import in_front, save, settle, window

from napari_medad.detectors.brat import detector as brat_detector
from napari_medad.detectors.brat.network import Brat
from napari_medad.detectors.brat.settings import BratShape
from napari_medad.detectors.brat.text import learned_vocabulary, usual_sentences
from napari_medad.reports.draft import Draft
from napari_medad.reports.library import ReportLibrary
from napari_medad.reports.questions import parse_answers, questions
from napari_medad.viewer.docks.report_search import ReportSearchDock
from napari_medad.viewer.layers import add_study
from napari_medad.viewer.parts.library_page import SENTENCES
from napari_medad.viewer.parts.writing_page import ANSWERS
from napari_medad.volumes.nifti import write_nifti
from napari_medad.volumes.phantom import make_brain
from napari_medad.volumes.reader import read_study

REPORTS = (
    "There is a ring-enhancing lesion in the left parietal lobe. No midline shift is seen.",
    "An enhancing mass of the right frontal lobe measures 3 cm. There is surrounding oedema.",
    "No enhancing lesion is seen. The ventricles are of normal size.",
    "There are innumerable enhancing metastases. The fourth ventricle is compressed.",
)
ASKED = "Ring-enhancing lesion in the left parietal lobe.\nMidline shift.\nHydrocephalus."


def small_network(path: Path | None) -> tuple[Brat, dict[str, list[str]]]:
    """A network of two layers, the same each time."""
    sentences = [usual_sentences(), list(REPORTS)]
    vocabulary = learned_vocabulary(sentences)
    shape = BratShape(backbone="small", width=48, layers=2, heads=2, feed_forward=48,
                      vocabulary=len(vocabulary))  # fmt: skip
    torch.manual_seed(5)
    network = Brat(shape)
    with torch.no_grad():  # random weights look evenly everywhere, which no picture can show
        for name, weights in network.named_parameters():
            if "crossattention" in name and name.endswith(("query.weight", "key.weight")):
                weights.mul_(40)
    return network, {"vocabulary": vocabulary}


def past_studies(folder: Path) -> Path:
    """Four synthetic patients with reports, and a table of them."""
    rows = ["image,report"]
    for number, report in enumerate(REPORTS):
        brain = make_brain(number, lesions=("tumour",), spacing=2.0, contrasts=("t1c",))
        scan = brain.study.volume("t1c")
        write_nifti(scan.array, scan, folder / f"past-{number}_t1c.nii.gz")
        (folder / f"past-{number}.txt").write_text(report)
        rows.append(f"past-{number}_t1c.nii.gz,past-{number}.txt")
    table = folder / "cases.csv"
    table.write_text("\n".join(rows))
    return table


def ended(dock: ReportSearchDock) -> None:
    """Wait for the dock's work."""
    settle(lambda: not dock.work.running and not dock.footer.cancel_button.isEnabled())


def pictures(folder: Path, theme: str) -> None:
    """Every state."""
    viewer, _, _ = window(theme)
    dock = in_front(viewer, "ReportSearchDock")
    assert isinstance(dock, ReportSearchDock)
    settle()
    save(dock, f"report-search-empty-{theme}")
    add_study(viewer, read_study(folder / "past-0_t1c.nii.gz"))
    viewer.reset_view()
    dock.weights.box.setCurrentIndex(dock.weights.box.findData("untrained"))
    dock.sentences.text_edit.setPlainText(ASKED)
    settle(seconds=1.5)
    dock.run()
    settle(lambda: dock.footer.bar.isVisible(), seconds=0.05)
    save(dock, f"report-search-running-{theme}")
    ended(dock)
    save(dock, f"report-search-sentences-{theme}")
    viewer.dims.set_current_step(viewer.dims.ndim - 3, 45)
    settle()
    save(viewer.window._qt_window, f"report-search-window-{theme}")
    library(dock, folder, theme)
    writing(dock, theme)
    viewer.close()


def library(dock: ReportSearchDock, folder: Path, theme: str) -> None:
    """The library: none, searched, refused."""
    dock.pages.setCurrentWidget(dock.library)
    settle()
    save(dock, f"report-search-library-empty-{theme}")
    path = folder / theme / "past.medad-library"
    dock.library.begin(path)
    dock.add(folder / "cases.csv", True)
    ended(dock)
    dock.library.kind_box.setCurrentIndex(dock.library.kind_box.findData(SENTENCES))
    dock.run()
    ended(dock)
    save(dock, f"report-search-library-{theme}")
    held = ReportLibrary.open(path)
    earlier = {"fingerprint": "other", "name": "earlier", "state": "trained"}
    held.origin = held.origin.model_copy(update=earlier)
    other = path.with_name("earlier.medad-library")
    held.save(other)
    dock.library.open(other)
    dock.run()
    ended(dock)
    save(dock, f"report-search-error-{theme}")
    dock.library.open(path)


def writing(dock: ReportSearchDock, theme: str) -> None:
    """A draft and answers, such as a language model would give them."""
    dock.pages.setCurrentWidget(dock.writing)
    settle()
    save(dock, f"report-search-write-empty-{theme}")
    dock.writing.folder_edit.setText("models/an-instruct-model")
    body = "There is a ring-enhancing lesion in the left parietal lobe. No midline shift."
    ranked = tuple((sentence, 0.4) for sentence in REPORTS)
    dock.writing.show_draft(Draft("past-0_t1c", body, "an-instruct-model", ranked, True))
    settle()
    save(dock, f"report-search-draft-{theme}")
    dock.writing.task_box.setCurrentIndex(dock.writing.task_box.findData(ANSWERS))
    dock.writing.report_edit.setPlainText(REPORTS[0])
    told = (
        '{"1": "No", "2": "NA", "3": "Yes", "4": "No", "5": "1 to 2 centimetres", "6": "Left",'
        ' "7": "Left parietal lobe", "8": "One", "9": "No"}'
    )
    dock.writing.show_answers(parse_answers(told, questions()), "an-instruct-model")
    settle()
    save(dock, f"report-search-answers-{theme}")


def main() -> None:
    """Take all pictures."""
    brat_detector.load_network = small_network  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as home:
        os.environ["MEDAD_WEIGHTS"] = os.environ["MEDAD_RECOVERY"] = home
        past_studies(Path(home))
        for theme in ("dark", "light"):
            pictures(Path(home), theme)


if __name__ == "__main__":
    main()
